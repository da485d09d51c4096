package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"

	"gatehouse/auth"
	"gatehouse/auth/basic"
	"gatehouse/config"
	"gatehouse/config/problem"
	"gatehouse/internal/httperr"
	"gatehouse/proxy/backend"
	"gatehouse/proxy/clientip"
	"gatehouse/proxy/compress"
	"gatehouse/proxy/cors"
	"gatehouse/proxy/forward"
	"gatehouse/proxy/headers"
	"gatehouse/proxy/rewrite"
	"gatehouse/proxy/route"
	"gatehouse/proxy/target"
	"gatehouse/proxy/upstream"
)

// Table is a compiled route table. It never changes, so it is safe for concurrent use.
type Table struct {
	config        *config.Config
	name          string
	gate          *auth.Gate
	passwords     *basic.Checker
	keySet        []byte       // see Parts.KeySet
	cors          *cors.Policy // nil without `cors`
	routeCORS     routeCORS    // the routes' own
	encoders      *compress.Encoders
	trusted       []netip.Prefix
	proxyProtocol []netip.Prefix // peers that send a PROXY header
	headers       *forward.HeaderPolicy
	matcher       *route.Table
	routes        []*compiledRoute // in the order of the file; the index is route.Route.Number
	transports    upstream.Set
	backends      backend.Set // the named ones
	pages         *errorPages // nil without `errors`
}

// Config returns the configuration that the table was compiled from.
func (t *Table) Config() *config.Config { return t.config }

// Routes returns the table that requests are matched by.
func (t *Table) Routes() *route.Table { return t.matcher }

// Presented returns the certificates that the table's routes show to backends.
func (t *Table) Presented() []upstream.Presented { return t.transports.Presented() }

// compiledRoute is a route with everything that its requests need.
type compiledRoute struct {
	route   *route.Route
	config  *config.Route // of route
	rule    auth.Rule
	metrics RouteMetrics

	compress  *compress.Policy // nil when answers are not compressed
	cors      *cors.Policy     // nil when the gateway adds no CORS headers
	addresses *clientip.Filter // nil without allow_from and deny_from
	answers   *headers.Rules   // changes to the headers of answers; nil without response_headers
	realm     *basic.Realm     // nil without basic

	// One of builtIn, answer, backend and split is set.
	builtIn Handler
	answer  ownAnswer
	backend *forward.Backend
	split   *split
}

// ownAnswer is a target that answers without a backend: a redirect or a fixed answer.
type ownAnswer interface {
	// Answer writes the answer, or returns a refusal and writes nothing.
	Answer(w http.ResponseWriter, r *http.Request) *httperr.Error
	// Status returns the usual status of the answers.
	Status() int
	// Location returns where a redirect leads, or "".
	Location(r *http.Request) string
}

// Handler is a built-in target of routes. Its endpoints themselves ask the gate for
// decisions.
type Handler interface {
	http.Handler
	// Rule returns the rule of the endpoint that a request is for, without answering
	// the request. It returns a refusal when there is no such endpoint. The route's
	// prefix is removed from the path, as for ServeHTTP.
	Rule(r *http.Request) (auth.Rule, *httperr.Error)
}

// Parts contains what Compile needs besides the configuration.
type Parts struct {
	Gate  *auth.Gate
	Users Handler // the built-in users endpoints; nil with `users: off`
	// Passwords checks the passwords of routes with `basic`. It is nil for a table that
	// only answers questions.
	Passwords  *basic.Checker
	Metrics    Metrics
	Transports *upstream.Pool // nil for a table that only answers questions
	// Backends has what is known about servers. It is nil for a table that only answers
	// questions.
	Backends *backend.Registry
	// KeySet is the JSON of GET /.well-known/jwks.json (RFC 7517 section 5). It is nil
	// when tokens are signed with a secret. It belongs to the table because the
	// table's endpoints sign with one of these keys.
	KeySet []byte
}

// Compile returns the table of a configuration, or an error: a problem.List when routes
// cannot be compiled. It does not affect the live table.
func Compile(cfg *config.Config, parts Parts) (*Table, error) {
	t, problems, err := Inspect(cfg, parts)
	switch {
	case err != nil:
		return nil, err
	case len(problems) > 0:
		return nil, problems
	}
	return t, nil
}

// Inspect is like Compile, for a table that only answers questions. It also returns the
// table when routes cannot be compiled, with a problem for each of them. So all problems
// of a table are found at once.
func Inspect(cfg *config.Config, parts Parts) (*Table, problem.List, error) {
	rules, err := cors.New(cfg.CORS)
	if err != nil {
		return nil, nil, fmt.Errorf("compile cors: %w", err)
	}
	t := &Table{
		config: cfg, name: cfg.Name, gate: parts.Gate, passwords: parts.Passwords, keySet: parts.KeySet, cors: rules, trusted: cfg.TrustedProxies.Peers(),
		proxyProtocol: cfg.ProxyProtocol.Peers(),
		headers:       forward.NewHeaderPolicy(cfg),
		encoders:      new(compress.Encoders),
	}
	if t.routeCORS, err = newRouteCORS(cfg, rules); err != nil {
		return nil, nil, err
	}
	var problems problem.List
	if t.pages, err = newErrorPages(cfg); err != nil && !errors.As(err, &problems) {
		return nil, nil, fmt.Errorf("compile errors: %w", err)
	}
	if t.matcher, err = route.New(cfg.Routes); err != nil {
		return nil, nil, fmt.Errorf("compile %w", err)
	}
	if parts.Backends != nil {
		if t.backends, err = parts.Backends.Prepare(cfg.Backends, t.checkTransport(parts)); err != nil {
			return nil, nil, fmt.Errorf("compile %w", err)
		}
	}
	buffers := forward.NewCopyBuffers()
	t.routes = make([]*compiledRoute, 0, len(cfg.Routes))
	for i := range cfg.Routes {
		r, errs := t.compileRoute(t.matcher.Route(i), parts, buffers)
		for _, err := range errs {
			problems = append(problems, problemOf(&cfg.Routes[i], err))
		}
		t.routes = append(t.routes, r)
	}
	return t, problems, nil
}

// problemOf returns the problem of a route that cannot be compiled.
func problemOf(cfg *config.Route, err error) problem.Problem {
	if p, ok := errors.AsType[problem.Problem](err); ok {
		return p
	}
	return problem.Problem{Position: cfg.Position, Message: fmt.Sprintf("route %q: %v", cfg.Name, err)}
}

// compileRoute returns the compiled route. With errors, the route matches requests, and can
// only say what it would do with them.
func (t *Table) compileRoute(of *route.Route, parts Parts, buffers httputil.BufferPool) (r *compiledRoute, errs []error) {
	cfg := of.Config
	r = &compiledRoute{
		route: of, config: cfg, rule: auth.RuleOf(cfg), addresses: clientip.NewFilter(cfg),
		answers: t.headers.Changes(cfg.ResponseHeaders), cors: t.corsOf(cfg), compress: compress.New(cfg.Compress, t.encoders),
	}
	var err error
	if r.realm, err = t.newRealm(cfg); err != nil {
		errs = append(errs, err)
	}
	if err = t.compileTarget(r, parts, buffers); err != nil {
		errs = append(errs, err)
	}
	return r, errs
}

// compileTarget sets the backend, the answer or the built-in handler of a route.
func (t *Table) compileTarget(r *compiledRoute, parts Parts, buffers httputil.BufferPool) (err error) {
	cfg := r.config
	if cfg.Backend != nil {
		r.metrics = parts.Metrics.Route(cfg.Name, cfg.Backend.Label())
		return t.compileBackends(r, parts, buffers)
	}
	r.metrics = parts.Metrics.Route(cfg.Name, "")
	switch {
	case cfg.Redirect != nil:
		r.answer = target.NewRedirect(cfg.Redirect)
	case cfg.Respond != nil:
		r.answer, err = target.NewRespond(cfg.Respond, cmp.Or(cfg.Respond.Folder, filepath.Dir(t.config.File)))
	case parts.Users == nil:
		return fmt.Errorf("handler %q needs users, which are off", cfg.Handler)
	default:
		r.builtIn = parts.Users
	}
	return err
}

// compileBackends compiles what a route forwards to: one backend, or a split.
func (t *Table) compileBackends(r *compiledRoute, parts Parts, buffers httputil.BufferPool) (err error) {
	ref := r.config.Backend
	if ref.IsURL() {
		r.backend, err = t.compileBackend(r, r.config, nil, parts, buffers)
		return err
	}
	var errs []error
	made := make([]*forward.Backend, len(ref.Shares))
	for i, share := range ref.Shares {
		made[i], err = t.compileBackend(r, share.Route, t.backends.Get(share.Name), parts, buffers)
		errs = append(errs, err)
	}
	if len(made) == 1 {
		r.backend = made[0]
	} else {
		r.split = newSplit(r.config, made)
	}
	return errors.Join(errs...)
}

// compileBackend returns how a route forwards to one backend. of is the route as it does
// so; servers is nil for a backend without a name. With an error, the result can only say
// which request it would send.
func (t *Table) compileBackend(r *compiledRoute, of *config.Route, servers *backend.Backend, parts Parts, buffers httputil.BufferPool) (*forward.Backend, error) {
	options := forward.BackendOptions{
		Route: of, URL: of.Backend.First(), Servers: servers, Gate: parts.Gate, Headers: t.headers, Metrics: r.metrics, Buffers: buffers, CORS: r.cors != nil,
	}
	errs := make([]error, 2)
	if r.config.Rewrite != nil {
		options.Rewrite, errs[0] = rewrite.NewPath(r.config)
	}
	options.Back = rewrite.NewBack(of, options.Rewrite)
	if mirror := of.Mirror; mirror != nil {
		to, err := t.compileMirror(r, mirror, parts, buffers)
		if err != nil {
			errs = append(errs, err)
		}
		options.Mirror = to
	}
	if parts.Transports != nil {
		options.Transport, errs[1] = parts.Transports.Get(&t.transports, of)
	}
	return forward.NewBackend(options), errors.Join(errs...)
}

// compileMirror returns what sends copies of a route's requests to another backend.
func (t *Table) compileMirror(r *compiledRoute, mirror *config.Mirror, parts Parts, buffers httputil.BufferPool) (*forward.Mirror, error) {
	of := *mirror.Route
	of.Mirror = nil // a copy is not copied
	var servers *backend.Backend
	if !of.Backend.IsURL() {
		servers = t.backends.Get(of.Backend.Shares[0].Name)
	}
	to, err := t.compileBackend(r, &of, servers, parts, buffers)
	return forward.NewMirror(to, float64(mirror.Percent)), err
}

// checkTransport returns what finds the transport for the health checks of a backend.
func (t *Table) checkTransport(parts Parts) func(*config.Backend) (http.RoundTripper, error) {
	return func(b *config.Backend) (http.RoundTripper, error) {
		return parts.Transports.Get(&t.transports, b.CheckRoute())
	}
}

// stripped returns the request as a target that is no backend gets it: without the
// route's prefix. The rest of the path is as it was sent.
func (r *compiledRoute) stripped(request *http.Request, path route.Path) *http.Request {
	rest := strings.TrimPrefix(path.Raw, strings.TrimSuffix(r.config.Prefix, "/"))
	decoded, err := url.PathUnescape(rest)
	if err != nil { // the canonical path has no broken escapes
		decoded = rest
	}
	without := *request
	without.URL = &url.URL{Path: decoded, RawPath: rest, RawQuery: request.URL.RawQuery}
	return &without
}

// forAnswer returns the request as the answer of a route gets it: without the route's
// prefix, and with the host by which the route was found.
func (r *compiledRoute) forAnswer(request *http.Request, path route.Path) *http.Request {
	without := r.stripped(request, path)
	without.Host, _ = route.HostName(request.Host) // valid, because a route was found
	return without
}

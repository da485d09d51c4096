package proxy

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"

	"gatehouse/auth"
	"gatehouse/config"
	"gatehouse/internal/httperr"
	"gatehouse/proxy/cors"
	"gatehouse/proxy/forward"
	"gatehouse/proxy/route"
	"gatehouse/proxy/upstream"
)

// Table is a compiled route table: immutable, and safe for any number of
// requests at once.
type Table struct {
	config     *config.Config
	name       string
	gate       *auth.Gate
	keySet     []byte       // nil without one
	cors       *cors.Policy // nil without one
	trusted    []netip.Prefix
	headers    *forward.HeaderPolicy
	matcher    *route.Table
	routes     []*compiledRoute // as in the file, each at the Number of its route.Route
	transports upstream.Set
}

// Config is what the table was compiled from.
func (t *Table) Config() *config.Config { return t.config }

// Routes returns the table that requests are matched by.
func (t *Table) Routes() *route.Table { return t.matcher }

// Presented returns the certificates that the table's routes show to backends.
func (t *Table) Presented() []upstream.Presented { return t.transports.Presented() }

// compiledRoute is a route with what its requests need.
type compiledRoute struct {
	route   *route.Route
	config  *config.Route // of route
	rule    auth.Rule
	metrics RouteMetrics

	builtIn Handler          // built in, or
	backend *forward.Backend // another server
}

// Handler is a target that is built in. Its endpoints ask the gate themselves.
type Handler interface {
	http.Handler
	// Rule tells what the endpoint of a request asks, without answering it. The
	// route's prefix is stripped, as for ServeHTTP.
	Rule(r *http.Request) (auth.Rule, *httperr.Error)
}

// Parts are what a table is compiled with, besides its configuration.
type Parts struct {
	Gate       *auth.Gate
	Users      Handler // the built-in users endpoints; nil with `users: off`
	Metrics    Metrics
	Transports *upstream.Pool // nil for a table that only answers questions
	// KeySet is the JSON of GET /.well-known/jwks.json (RFC 7517 section 5),
	// nil where tokens are signed with a secret. It comes with the table, since
	// the table's endpoints sign with one of these keys.
	KeySet []byte
}

// Compile turns a configuration into a table. It touches nothing live: what it
// makes is thrown away when an error stops it.
func Compile(cfg *config.Config, parts Parts) (*Table, error) {
	rules, err := cors.New(cfg.CORS)
	if err != nil {
		return nil, fmt.Errorf("compile cors: %w", err)
	}
	t := &Table{
		config: cfg, name: cfg.Name, gate: parts.Gate, keySet: parts.KeySet, cors: rules, trusted: cfg.TrustedProxies,
		headers: forward.NewHeaderPolicy(cfg),
	}
	if t.matcher, err = route.New(cfg.Routes); err != nil {
		return nil, fmt.Errorf("compile %w", err)
	}
	buffers := forward.NewCopyBuffers()
	t.routes = make([]*compiledRoute, 0, len(cfg.Routes))
	for i := range cfg.Routes {
		r, err := t.compileRoute(t.matcher.Route(i), parts, buffers)
		if err != nil {
			return nil, fmt.Errorf("compile route %q: %w", cfg.Routes[i].Name, err)
		}
		t.routes = append(t.routes, r)
	}
	return t, nil
}

func (t *Table) compileRoute(of *route.Route, parts Parts, buffers httputil.BufferPool) (*compiledRoute, error) {
	cfg := of.Config
	r := &compiledRoute{route: of, config: cfg, rule: auth.Rule{Policy: cfg.Auth, Roles: cfg.Roles}}
	if cfg.Handler != "" {
		if parts.Users == nil {
			return nil, fmt.Errorf("handler %q needs users, which are off", cfg.Handler)
		}
		r.metrics = parts.Metrics.Route(cfg.Name, "")
		r.builtIn = parts.Users
		return r, nil
	}
	r.metrics = parts.Metrics.Route(cfg.Name, cfg.Backend.Host)
	options := forward.BackendOptions{Route: cfg, Gate: parts.Gate, Headers: t.headers, Metrics: r.metrics, Buffers: buffers}
	if parts.Transports != nil {
		transport, err := parts.Transports.Get(&t.transports, cfg)
		if err != nil {
			return nil, err
		}
		options.Transport = transport
	}
	r.backend = forward.NewBackend(options)
	return r, nil
}

// stripped is the request as a built-in handler sees it: without the route's
// prefix, the rest of the path as it was sent.
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

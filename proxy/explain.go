package proxy

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gatehouse/auth"
	"gatehouse/internal/httperr"
	"gatehouse/proxy/clientip"
	"gatehouse/proxy/cors"
	"gatehouse/proxy/forward"
	"gatehouse/proxy/route"
)

// Explanation is the whole decision about one request that is not sent. It is
// made by the code that serves.
type Explanation struct {
	Request string `json:"request"` // method and target, as asked
	Path    string `json:"path,omitempty"`
	// Lenient is what a careless backend could read in the path, where that is
	// something else.
	Lenient    string      `json:"lenient_path,omitempty"`
	Candidates []Candidate `json:"candidates,omitempty"`
	Route      string      `json:"route,omitempty"` // the winner's name
	Source     string      `json:"source,omitempty"`
	Policy     string      `json:"policy,omitempty"`
	Roles      []string    `json:"roles,omitempty"`
	Verdict    Verdict     `json:"verdict"`
	Notes      []string    `json:"notes,omitempty"`     // what was not asked, though the gateway would
	Forwarded  *Forwarded  `json:"forwarded,omitempty"` // nil when no backend is asked
}

// Candidate is a route whose prefix fits the path, and why it won or lost.
type Candidate struct {
	Route  string `json:"route"`
	Prefix string `json:"prefix"`
	Source string `json:"source"`
	Won    bool   `json:"won"`
	Why    string `json:"why"`
}

// Verdict is what comes of the request.
type Verdict struct {
	Allowed bool   `json:"allowed"`          // let through to the route's target
	Status  int    `json:"status,omitempty"` // what the gateway answers itself, else 0
	Detail  string `json:"detail,omitempty"`
	Cause   string `json:"cause,omitempty"` // what the log says besides
}

// Forwarded is what the backend would get.
type Forwarded struct {
	URL      string      `json:"url"`
	Host     string      `json:"host"`
	Headers  http.Header `json:"headers"`
	Added    []string    `json:"added,omitempty"`    // headers that the client did not send
	Replaced []string    `json:"replaced,omitempty"` // headers that the client sent otherwise
	Removed  []string    `json:"removed,omitempty"`  // headers of the client that do not arrive
}

// Ask makes the request that an Explanation is about. The target is a path
// with or without a query, or an absolute URL, whose host it is sent to.
func Ask(method, target string, header http.Header) (*http.Request, error) {
	if method == "" || strings.ContainsFunc(method, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, fmt.Errorf("method %q: want a word such as GET", method)
	}
	parsed, err := url.ParseRequestURI(target)
	if err != nil {
		// The canonical path or the host is refused, which is worth explaining.
		parsed = &url.URL{Path: target, Host: "(malformed)"}
	}
	host := header.Get("Host")
	if host == "" {
		host = parsed.Host
	}
	if host == "" {
		host = "localhost"
	}
	header = header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Del("Host")
	return &http.Request{
		Method: method, RequestURI: target, URL: parsed, Host: host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, RemoteAddr: "127.0.0.1:0", Body: http.NoBody,
	}, nil
}

// Explain decides about a request as ServeHTTP would, asking decider instead of
// the table's gate, and sends nothing.
func (t *Table) Explain(r *http.Request, decider auth.Decider) Explanation {
	e := Explanation{Request: r.Method + " " + r.RequestURI}
	if t.cors != nil && cors.IsPreflight(r) {
		e.Verdict = t.explainPreflight(r)
		return e
	}
	path, won, refusal := t.find(r)
	e.Path = path.Raw
	if path.Lenient != path.Raw {
		e.Lenient = path.Lenient
	}
	if read := path.WithoutTails(); refusal == refusePath && read != "" {
		e.Lenient = read
	}
	e.Candidates = t.candidates(path, r, won)
	switch {
	case refusal == httperr.NotFound && isInfoPath(path) && checkInfoMethod(r.Method) != nil:
		e.Verdict = refusedBy(checkInfoMethod(r.Method))
	case refusal == httperr.NotFound && isInfoPath(path):
		e.Verdict = Verdict{Status: http.StatusOK, Detail: "answered by the gateway itself"}
	case refusal != nil:
		e.Verdict = refusedBy(refusal)
	default:
		t.explainRoute(&e, r, path, won, decider)
	}
	return e
}

func refusedBy(refusal *httperr.Error) Verdict {
	verdict := Verdict{Status: refusal.Status, Detail: refusal.Detail}
	if refusal.Cause != nil {
		verdict.Cause = refusal.Cause.Error()
	}
	return verdict
}

func (t *Table) explainPreflight(r *http.Request) Verdict {
	if t.cors.AllowedOrigin(r.Header) == "" {
		return refusedBy(cors.ErrOrigin)
	}
	return Verdict{Status: http.StatusNoContent, Detail: "a preflight, answered by the gateway"}
}

// explainRoute goes on behind the match: the policy, and what is forwarded.
func (t *Table) explainRoute(e *Explanation, r *http.Request, path route.Path, won *compiledRoute, decider auth.Decider) {
	e.Route, e.Source = won.config.Name, won.source()
	rule := won.rule
	if won.builtIn != nil {
		var refusal *httperr.Error
		if rule, refusal = won.builtIn.Rule(won.stripped(r, path)); refusal != nil {
			e.Verdict = refusedBy(refusal)
			return
		}
	}
	e.Policy, e.Roles = string(rule.Policy), rule.Roles
	identity, refusal := decider.Decide(r.Context(), r.Header, rule)
	if refusal != nil {
		e.Verdict = refusedBy(refusal)
		return
	}
	e.Verdict = Verdict{Allowed: true}
	if won.backend != nil {
		if e.Forwarded = t.wouldForward(r, path, won, identity); e.Forwarded == nil {
			e.Verdict = refusedBy(forward.ErrUpstream) // httputil itself would not send it
		}
	}
}

// wouldForward is what the route's backend would get, or nil when nothing would be sent.
func (t *Table) wouldForward(r *http.Request, path route.Path, won *compiledRoute, identity *auth.Identity) *Forwarded {
	facts := forward.Facts{
		In: r, ID: "(a new UUID)", Path: path, Identity: identity, Caller: clientip.Find(clientip.PeerAt(r.RemoteAddr), r, t.trusted),
	}
	if asked := r.Header["X-Request-Id"]; len(asked) == 1 && requestID(asked) == asked[0] {
		facts.ID = asked[0]
	}
	out := won.backend.Preview(facts)
	if out == nil {
		return nil
	}
	f := &Forwarded{URL: out.URL.Scheme + "://" + out.URL.Host + out.URL.RequestURI(), Host: out.Host, Headers: out.Header}
	arrives := make(http.Header, len(out.Header)) // out's are not all canonical
	for name, values := range out.Header {
		arrives[http.CanonicalHeaderKey(name)] = values
		switch before, has := r.Header[http.CanonicalHeaderKey(name)]; {
		case !has:
			f.Added = append(f.Added, name)
		case !slices.Equal(values, before):
			f.Replaced = append(f.Replaced, name)
		}
	}
	for name := range r.Header {
		if _, found := arrives[name]; !found {
			f.Removed = append(f.Removed, name)
		}
	}
	slices.Sort(f.Added)
	slices.Sort(f.Replaced)
	slices.Sort(f.Removed)
	return f
}

// candidates are the routes whose prefix fits, in the order in which they are
// tried, each with why it won or lost.
func (t *Table) candidates(path route.Path, r *http.Request, won *compiledRoute) []Candidate {
	host, _ := route.HostName(r.Host)
	q := route.Query{Method: r.Method, Host: host, Header: r.Header}
	fitting := t.matcher.Fitting(path.Raw)
	var winner *route.Route
	for _, candidate := range fitting {
		if t.routes[candidate.Number] == won {
			winner = candidate
		}
	}
	var list []Candidate
	for _, candidate := range fitting {
		list = append(list, Candidate{
			Route: candidate.Config.Name, Prefix: candidate.Config.Prefix, Source: t.routes[candidate.Number].source(),
			Won: candidate == winner, Why: candidate.Why(q, winner),
		})
	}
	return list
}

func (r *compiledRoute) source() string {
	return fmt.Sprintf("%s:%d", r.config.Position.File, r.config.Position.Line)
}

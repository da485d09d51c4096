// Package explain answers questions about a route table. It uses the decisions of the code
// that serves requests, and writes them as text.
//
//	explain.go   what happens to a request
//	servers.go   which servers of a named backend may get it
//	expect.go    whether the table's own tests pass
//	loops.go     which redirects never end
//	cors.go      what pages of other origins may do
//	diff.go      what changes between two tables (see also probe.go, weakened.go, rewrites.go,
//	             contents.go, issuers.go, headers.go, addresses.go, owners.go and backends.go)
package explain

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"gatehouse/auth"
	"gatehouse/config"
	"gatehouse/internal/httperr"
	"gatehouse/proxy"
	"gatehouse/proxy/clientip"
	"gatehouse/proxy/route"
)

// Explanation describes the whole decision about one request. The request is not sent.
type Explanation struct {
	Request string `json:"request"` // method and target, as given
	Path    string `json:"path,omitempty"`
	// Lenient is the path that a careless backend could read, if it differs from
	// Path.
	Lenient    string      `json:"lenient_path,omitempty"`
	Candidates []Candidate `json:"candidates,omitempty"`
	Route      string      `json:"route,omitempty"` // the winner's name
	Source     string      `json:"source,omitempty"`
	Policy     string      `json:"policy,omitempty"`
	Roles      []string    `json:"roles,omitempty"`
	// Claims are the claims that the route requires, with their values.
	Claims  map[string][]string `json:"claims,omitempty"`
	Basic   string              `json:"basic,omitempty"`   // the file of users of `basic`
	Address *Address            `json:"address,omitempty"` // nil when the route allows every address
	// Compress are the codings that the answer may be compressed with.
	Compress config.Codings `json:"compress,omitempty"`
	// CORS describes the cross-origin policy of the route, or is "" without any.
	CORS    string  `json:"cors,omitempty"`
	Verdict Verdict `json:"verdict"`
	// Backend describes the named backend that the request is forwarded to. It is nil
	// for a URL.
	Backend   *Backend   `json:"backend,omitempty"`
	Mirror    string     `json:"mirror,omitempty"`    // where copies of the request go, or ""
	Notes     []string   `json:"notes,omitempty"`     // checks that the gateway would make, but explain does not
	Forwarded *Forwarded `json:"forwarded,omitempty"` // nil without a backend; for a named one, as one of its servers gets it
	// Answer are the changes to the headers of the answer, in their order.
	Answer []HeaderChange `json:"response_headers,omitempty"`
}

// Candidate is a route whose prefix matches the path, with the reason why it gets the
// request or not.
type Candidate struct {
	Route  string `json:"route"`
	Prefix string `json:"prefix"`
	Source string `json:"source"`
	Won    bool   `json:"won"`
	Why    string `json:"why"`
}

// Address describes what a route with allow_from or deny_from decides about the client.
type Address struct {
	Client string `json:"client"` // "" when it is unknown
	// Key is the key that decides: allow_from or deny_from.
	Key string `json:"key,omitempty"`
	// Entry is the entry of that key that contains the address: a network, or the
	// name of a set. It is "" when no entry of the key does.
	Entry string `json:"entry,omitempty"`
}

// Verdict is the result of the request.
type Verdict struct {
	Allowed bool   `json:"allowed"`          // the request passes to the route's target
	Status  int    `json:"status,omitempty"` // the status when the gateway itself answers, also for redirects and fixed answers; else 0
	Detail  string `json:"detail,omitempty"`
	// Location is where a redirect leads.
	Location string `json:"location,omitempty"`
	Cause    string `json:"cause,omitempty"` // the cause that only the log has
	// Page is the file that replaces the JSON of a refusal for clients that prefer
	// HTML, or "".
	Page string `json:"page,omitempty"`
}

// Forwarded is the request that the backend would get.
type Forwarded struct {
	Path     string      `json:"path"` // that the backend gets; Explanation.Path is the client's
	URL      string      `json:"url"`
	Host     string      `json:"host"`
	Headers  http.Header `json:"headers"`
	Added    []string    `json:"added,omitempty"`    // headers that the client did not send
	Replaced []string    `json:"replaced,omitempty"` // headers that the client sent with other values
	Removed  []string    `json:"removed,omitempty"`  // headers of the client that the backend does not get

	// URLs are those that the servers of a named backend may be asked for. They are nil
	// for a backend that is a URL.
	URLs []string `json:"-"`
}

// NewRequest returns a request for Request. target is a path with or without a query, or an
// absolute URL, which also sets the host. NewRequest returns an error for an invalid
// method.
func NewRequest(method, target string, header http.Header) (*http.Request, error) {
	if method == "" || strings.ContainsFunc(method, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, fmt.Errorf("method %q: want a word such as GET", method)
	}
	parsed, err := url.ParseRequestURI(target)
	if err != nil {
		// Not an error: the explanation shows that the path or the host is refused.
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

// SetClient makes the request come from an address. Without it, the request comes from
// 127.0.0.1.
func SetClient(r *http.Request, address netip.Addr) {
	r.RemoteAddr = netip.AddrPortFrom(address, 0).String()
}

// Request explains what happens to a request. It asks decider instead of the table's gate,
// and sends nothing.
func Request(table *proxy.Table, r *http.Request, decider auth.Decider) Explanation {
	d := table.Decide(r, decider)
	e := Explanation{Request: r.Method + " " + r.RequestURI, Path: d.Path.Raw}
	if d.Path.Lenient != d.Path.Raw {
		e.Lenient = d.Path.Lenient
	}
	if read := d.Path.WithoutTails(); d.Ambiguous && read != "" {
		e.Lenient = read
	}
	if !d.Preflight {
		e.Candidates = candidates(table, d, r)
	}
	if d.Route != nil {
		e.Route, e.Source = d.Route.Config.Name, source(d.Route)
		e.Policy, e.Roles = string(d.Rule.Policy), d.Rule.Roles
		for _, claim := range d.Rule.Claims {
			if e.Claims == nil {
				e.Claims = map[string][]string{}
			}
			e.Claims[claim.Name] = claim.Values
		}
		e.Basic = basicText(d.Route.Config)
		e.Compress = d.Route.Config.Compress
		e.Address = describeAddress(table.Config(), d.Route.Config, d.Caller)
	}
	if by := cmp.Or(d.Route, d.Asked); by != nil && (by.Config.CORS != nil || len(r.Header["Origin"]) > 0) {
		e.CORS = corsOf(table.Config(), by.Config)
	}
	switch {
	case d.Refusal != nil:
		e.Verdict = refusedBy(d.Refusal)
		if !d.ByHandler { // which answers in JSON
			e.Verdict.Page = table.ErrorPage(d.Refusal.Status)
		}
	case d.Preflight:
		e.Verdict = Verdict{Status: d.Answered, Detail: "a preflight, answered by the gateway"}
		if d.Asked != nil {
			e.Verdict.Detail += ", for route " + d.Asked.Config.Name
		}
	case d.Location != "":
		e.Verdict = Verdict{Allowed: true, Status: d.Answered, Detail: "redirected to " + d.Location, Location: d.Location}
	case d.Answered != 0 && d.Route != nil:
		e.Verdict = Verdict{Allowed: true, Status: d.Answered, Detail: "the fixed answer of the route"}
	case d.Answered != 0:
		e.Verdict = Verdict{Status: d.Answered, Detail: "answered by the gateway itself"}
	default:
		e.Verdict = Verdict{Allowed: true}
	}
	var ofRoute *config.HeaderRules
	if d.Route != nil {
		ofRoute = d.Route.Config.ResponseHeaders
	}
	e.Answer = answerChanges(table.Config().ResponseHeaders.Rules(), ofRoute)
	if d.Forwarded != nil {
		e.Forwarded = describeForwarded(r, d.Forwarded)
		e.Forwarded.URLs = urlsOf(d, d.Route.Config, e.Forwarded.URL)
		e.Backend, e.Mirror = describeBackend(d), mirrorText(d)
	}
	return e
}

// describeAddress describes what a route decides about the address of a caller. It returns
// nil when the route allows every address.
func describeAddress(cfg *config.Config, r *config.Route, caller clientip.Caller) *Address {
	if !r.ChecksAddresses() {
		return nil
	}
	if !caller.IP.IsValid() || caller.Unreadable {
		return &Address{}
	}
	a := &Address{Client: caller.IP.String()}
	if entry, found := cfg.EntryWith(&r.DenyFrom, caller.IP); found {
		a.Key, a.Entry = "deny_from", entry
		return a
	}
	a.Key = "deny_from"
	if len(r.AllowFrom.Entries) > 0 {
		a.Key = "allow_from"
		a.Entry, _ = cfg.EntryWith(&r.AllowFrom, caller.IP)
	}
	return a
}

func refusedBy(refusal *httperr.Error) Verdict {
	verdict := Verdict{Status: refusal.Status, Detail: refusal.Detail}
	if refusal.Cause != nil {
		verdict.Cause = refusal.Cause.Error()
	}
	return verdict
}

// describeForwarded compares out, the request that the backend would get, with that of the
// client.
func describeForwarded(r, out *http.Request) *Forwarded {
	f := &Forwarded{Path: out.URL.Opaque, URL: out.URL.Scheme + "://" + out.URL.Host + out.URL.RequestURI(), Host: out.Host, Headers: out.Header}
	arrives := make(http.Header, len(out.Header)) // out has names that are not canonical
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

// candidates returns the routes whose prefix matches, in the order in which they are tried.
func candidates(table *proxy.Table, d proxy.Decision, r *http.Request) []Candidate {
	host, _ := route.HostName(r.Host)
	q := route.Query{Method: r.Method, Host: host, Header: r.Header}
	var list []Candidate
	for _, candidate := range table.Routes().Fitting(d.Path.Raw) {
		list = append(list, Candidate{
			Route: candidate.Config.Name, Prefix: candidate.Config.Prefix, Source: source(candidate),
			Won: candidate == d.Route, Why: candidate.Why(q, d.Route),
		})
	}
	return list
}

func source(r *route.Route) string {
	return fmt.Sprintf("%s:%d", r.Config.Position.File, r.Config.Position.Line)
}

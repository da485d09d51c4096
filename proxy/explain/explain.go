// Package explain answers questions about a route table: what becomes of a request
// (explain.go), whether the table's own tests pass (expect.go), which redirects never
// end (loops.go), and what changes between two tables (diff.go, with probe.go and
// weakened.go). The code that serves
// decides; here the answers are put into words.
package explain

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gatehouse/auth"
	"gatehouse/internal/httperr"
	"gatehouse/proxy"
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
	Status  int    `json:"status,omitempty"` // what the gateway answers itself, also for redirects and fixed answers, else 0
	Detail  string `json:"detail,omitempty"`
	// Location is where a redirect leads.
	Location string `json:"location,omitempty"`
	Cause    string `json:"cause,omitempty"` // what the log says besides
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

// NewRequest makes the request that an Explanation is about. The target is a path
// with or without a query, or an absolute URL, whose host it is sent to.
func NewRequest(method, target string, header http.Header) (*http.Request, error) {
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

// Request explains what becomes of a request. It asks decider instead of the table's gate,
// and nothing is sent.
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
	}
	switch {
	case d.Refusal != nil:
		e.Verdict = refusedBy(d.Refusal)
	case d.Preflight:
		e.Verdict = Verdict{Status: d.Answered, Detail: "a preflight, answered by the gateway"}
	case d.Location != "":
		e.Verdict = Verdict{Allowed: true, Status: d.Answered, Detail: "redirected to " + d.Location, Location: d.Location}
	case d.Answered != 0 && d.Route != nil:
		e.Verdict = Verdict{Allowed: true, Status: d.Answered, Detail: "the fixed answer of the route"}
	case d.Answered != 0:
		e.Verdict = Verdict{Status: d.Answered, Detail: "answered by the gateway itself"}
	default:
		e.Verdict = Verdict{Allowed: true}
	}
	if d.Forwarded != nil {
		e.Forwarded = describeForwarded(r, d.Forwarded)
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

// describeForwarded compares what the backend would get with what the client sent.
func describeForwarded(r, out *http.Request) *Forwarded {
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

// candidates returns the routes whose prefix fits, in the order in which they are tried,
// each with why it wins or loses.
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

package route

import (
	"fmt"
	"net/http"

	"gatehouse/config"
)

// Table finds the route of a request. It never changes, so it is safe for concurrent
// use.
type Table struct {
	routes  []*Route // in the order of the file
	exact   index    // by Path.Raw of the prefix
	lenient index    // by Path.Lenient of the prefix; mostly the same tree
	escapes bool     // a prefix has escapes, so that exact and lenient differ
}

// New returns a Table of the routes, in the order of the file. It keeps pointers to the
// elements of routes. It returns an error when a prefix is ambiguous.
func New(routes []config.Route) (*Table, error) {
	t := &Table{routes: make([]*Route, 0, len(routes))}
	for i := range routes {
		r := newRoute(i, &routes[i])
		prefix, ok := ParsePath(r.Config.Prefix)
		if !ok {
			return nil, fmt.Errorf("route %q: prefix %q is ambiguous", r.Config.Name, r.Config.Prefix)
		}
		t.routes = append(t.routes, r)
		t.exact.add(prefix.Raw, r)
		t.escapes = t.escapes || prefix.Raw != prefix.Lenient
	}
	t.lenient = t.exact
	if t.escapes {
		t.lenient = index{}
		for _, r := range t.routes {
			prefix, _ := ParsePath(r.Config.Prefix)
			t.lenient.add(prefix.Lenient, r)
		}
	}
	return t, nil
}

// Route returns the route with the Number number.
func (t *Table) Route(number int) *Route { return t.routes[number] }

// Query contains what a request is matched by, besides its path.
type Query struct {
	Method string
	Host   string // as HostName returns it
	Header http.Header
}

// Outcome is the result of matching a request. The zero value means that no route
// matches.
type Outcome struct {
	Route     *Route // the route that gets the request, or nil
	Allow     string // the allowed methods, when only the method does not match; else ""
	Ambiguous bool   // the path has two readings that lead to different routes, or a slash that is not allowed
}

func (o Outcome) found() bool { return o.Route != nil || o.Allow != "" }

// Match returns the outcome for a request.
func (t *Table) Match(path Path, q Query) Outcome {
	found := t.exact.lookup(path.Raw, &q)
	switch {
	case (t.escapes || path.Lenient != path.Raw) && t.lenient.lookup(path.Lenient, &q) != found,
		path.mayHaveTail && t.lenient.lookupWithoutTails(path.Lenient, &q) != found,
		path.EncodedSlash && (found.Route == nil || !found.Route.Config.AllowEncodedSlashes):
		return Outcome{Ambiguous: true}
	}
	return found
}

// Lookup is like Match, for a path that has only one reading.
func (t *Table) Lookup(path string, q Query) Outcome { return t.exact.lookup(path, &q) }

// VisitReachable calls visit, in the order in which they are tried, with each route that a request with this path and host can
// match, with any method and headers. It is for preflights: a preflight does not say
// which headers the request will have.
func (t *Table) VisitReachable(path Path, host string, visit func(*Route)) {
	t.exact.visitReachable(path.Raw, host, visit)
}

package route

import (
	"fmt"
	"net/http"

	"gatehouse/config"
)

// Table finds the route of a request. It never changes, and is safe for any
// number of requests at once.
type Table struct {
	routes  []*Route // as in the file
	exact   index    // by prefix
	lenient index    // by what a careless backend reads in the prefix; mostly the same tree
	escapes bool     // a prefix has escapes, so that exact and lenient differ
}

// New makes the table of the routes of a file. It keeps the pointers to them.
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

// Route returns the route with a number.
func (t *Table) Route(number int) *Route { return t.routes[number] }

// Query is what a request is matched by, besides its path.
type Query struct {
	Method string
	Host   string // as HostName returns it
	Header http.Header
}

// Outcome is what becomes of a request. The zero value is that of one that no
// route takes.
type Outcome struct {
	Route     *Route // the route that takes it, or nil
	Allow     string // the methods that would have been taken, where only the method is wrong
	Ambiguous bool   // a careless backend would read the path as another route's, or where it is not allowed
}

func (o Outcome) found() bool { return o.Route != nil || o.Allow != "" }

// Match finds the route of a request.
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

// Lookup is Match for a path that has one reading only.
func (t *Table) Lookup(path string, q Query) Outcome { return t.exact.lookup(path, &q) }

// VisitReachable calls visit with each route that some request with this path and
// host gets to, whatever its method and headers: a preflight does not say what
// headers the request will have.
func (t *Table) VisitReachable(path Path, host string, visit func(*Route)) {
	t.exact.visitReachable(path.Raw, host, visit)
}

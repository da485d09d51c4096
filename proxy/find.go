package proxy

import (
	"net/http"

	"gatehouse/config"
	"gatehouse/internal/httperr"
	"gatehouse/proxy/route"
)

// find takes a request to its route: the canonical path, the host, the match. The
// refusal is 404, 405, or 400 where somebody could read the request otherwise.
func (t *Table) find(r *http.Request) (route.Path, *compiledRoute, *httperr.Error) {
	if r.Method == http.MethodConnect { // a tunnel would pass what nobody has looked at
		return route.Path{}, nil, refuseTunnel
	}
	if refusal := refuseMessage(r); refusal != nil {
		return route.Path{}, nil, refusal
	}
	path, ok := route.ParsePath(r.RequestURI)
	if !ok {
		return route.Path{}, nil, refusePath
	}
	host, ok := route.HostName(r.Host)
	if !ok {
		return path, nil, refuseHost
	}
	found := t.matcher.Match(path, route.Query{Method: r.Method, Host: host, Header: r.Header})
	switch {
	case found.Ambiguous:
		return path, nil, refusePath
	case found.Route != nil:
		return path, t.routes[found.Route.Number], nil
	case found.Allow != "":
		return path, nil, httperr.MethodNotAllowed(found.Allow)
	}
	return path, nil, httperr.NotFound
}

// Ordered returns the routes in the order in which they are tried.
func (t *Table) Ordered() []*config.Route {
	ordered := t.matcher.Ordered()
	routes := make([]*config.Route, len(ordered))
	for i, r := range ordered {
		routes[i] = r.Config
	}
	return routes
}

// reachableMethods returns the methods of the routes that the request after a preflight
// may reach. A route without methods takes the one that is asked for.
func (t *Table) reachableMethods(r *http.Request) (methods []string) {
	path, ok := route.ParsePath(r.RequestURI)
	host, known := route.HostName(r.Host)
	if !ok || !known {
		return nil
	}
	asked := r.Header["Access-Control-Request-Method"]
	t.matcher.VisitReachable(path, host, func(reached *route.Route) {
		methods = append(methods, reached.Methods...)
		if len(reached.Methods) == 0 && len(asked) == 1 && isToken(asked[0]) {
			methods = append(methods, asked[0])
		}
	})
	return methods
}

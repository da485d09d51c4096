package proxy

import (
	"net/http"

	"gatehouse/config"
	"gatehouse/internal/httperr"
	"gatehouse/proxy/route"
)

// find returns the canonical path and the route of a request, or a refusal. The refusal is
// 404, 405, 501 for CONNECT, or 400 for a request that a backend could read in another
// way.
func (t *Table) find(r *http.Request) (route.Path, *compiledRoute, *httperr.Error) {
	if r.Method == http.MethodConnect { // the gateway could not check the bytes in a tunnel
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

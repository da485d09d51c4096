package proxy

import (
	"net/http"
	"slices"
	"strings"

	"gatehouse/proxy/cors"
	"gatehouse/proxy/route"
)

// preflight is the answer of a table to a preflight.
type preflight struct {
	policy  *cors.Policy // that answers; nil when the gateway leaves the preflight to a backend
	route   *route.Route // the only route that the request after it can match; else nil
	methods []string     // that the answer allows
}

// answersPreflight reports whether a request is a preflight that the gateway may have to
// answer.
func (t *Table) answersPreflight(r *http.Request) bool {
	return (t.cors != nil || t.routeCORS != nil) && cors.IsPreflight(r)
}

// preflight decides about a preflight by the routes that the request after it can match:
// those of the path and host, with the method that the preflight asks for. No route means
// the policy of the table. When the request can match several routes, because a preflight
// does not have the headers that they require, the answer allows what all of them allow.
//
// The answer does not allow a method whose requests can match routes with other policies: a
// browser remembers it.
func (t *Table) preflight(r *http.Request) (p preflight) {
	reachable := t.reachable(r)
	asked := first(r.Header["Access-Control-Request-Method"])
	routes := matching(reachable, asked, r.Header)
	if len(routes) == 1 {
		p.route = routes[0]
	}
	policies := []*cors.Policy{t.cors}
	for i, one := range routes {
		policies = append(policies[:i], t.routes[one.Number].cors)
	}
	p.policy = policies[0]
	for _, other := range policies[1:] {
		p.policy = cors.Strictest(p.policy, other)
	}
	if p.policy == nil {
		return p
	}
	var more []string
	for _, one := range reachable {
		more = append(more, one.Methods...)
		if len(one.Methods) == 0 && isToken(asked) {
			more = append(more, asked)
		}
	}
	p.methods = slices.DeleteFunc(p.policy.MethodsFor(more), func(method string) bool {
		return slices.ContainsFunc(matching(reachable, method, r.Header), func(other *route.Route) bool {
			return !slices.Contains(policies, t.routes[other.Number].cors)
		})
	})
	return p
}

// reachable returns the routes that a request with the path and host of r can match, with
// any method and headers.
func (t *Table) reachable(r *http.Request) (routes []*route.Route) {
	path, ok := route.ParsePath(r.RequestURI)
	host, known := route.HostName(r.Host)
	if ok && known {
		t.matcher.VisitReachable(path, host, func(reached *route.Route) { routes = append(routes, reached) })
	}
	return routes
}

// matching returns those of the reachable routes that a request with the method can match
// after a preflight.
func matching(reachable []*route.Route, method string, preflight http.Header) (routes []*route.Route) {
	later := func(name string) bool { return mayFollow(name, preflight["Access-Control-Request-Headers"]) }
	for _, one := range reachable {
		if !one.MayMatch(method, preflight, later) {
			continue
		}
		routes = append(routes, one)
		if !one.HasHeaders() { // the others are not tried
			break
		}
	}
	return routes
}

// mayFollow reports whether a request may have a header that its preflight has not. A
// preflight lists the headers that a page sets, except a few harmless ones (Fetch standard,
// CORS-safelisted request-header), and a browser adds others itself.
func mayFollow(name string, listed []string) bool {
	for _, list := range listed {
		for one := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(one), name) {
				return true
			}
		}
	}
	switch name {
	case "Accept", "Accept-Language", "Authorization", "Cache-Control", "Content-Language", "Content-Length", "Content-Type", "Cookie",
		"If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Pragma", "Range":
		return true
	}
	return strings.HasPrefix(name, "Sec-")
}

package route

import (
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"gatehouse/config"
)

// Route is one route of a Table, with what it requires of a request.
type Route struct {
	Config *config.Route
	Number int // index in the file, from 0
	// Methods are the sorted methods of the route. GET includes HEAD. Empty means any
	// method.
	Methods []string
	headers []requiredHeader
}

// requiredHeader is a header that a request must have to match a route.
type requiredHeader struct{ name, value string }

func newRoute(number int, cfg *config.Route) *Route {
	r := &Route{Config: cfg, Number: number, Methods: WithHead(cfg.Methods)}
	for name, value := range cfg.Headers {
		r.headers = append(r.headers, requiredHeader{textproto.CanonicalMIMEHeaderKey(name), value})
	}
	return r
}

// WithHead returns the methods sorted and without duplicates. It adds HEAD when they
// contain GET (RFC 9110 section 9.3.2).
func WithHead(methods []string) []string {
	sorted := slices.Clone(methods)
	if slices.Contains(sorted, http.MethodGet) {
		sorted = append(sorted, http.MethodHead)
	}
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

// HasHeaders reports whether the route requires headers.
func (r *Route) HasHeaders() bool { return len(r.headers) > 0 }

// MayMatch reports whether a request with the method can match the route, when the headers
// of a preflight for it are known. later reports whether the request may have a header that
// the preflight has not.
func (r *Route) MayMatch(method string, preflight http.Header, later func(name string) bool) bool {
	return r.allowsMethod(method) && !slices.ContainsFunc(r.headers, func(required requiredHeader) bool {
		return !later(required.name) && !slices.Contains(preflight[required.name], required.value)
	})
}

func (r *Route) allowsMethod(method string) bool {
	return len(r.Methods) == 0 || slices.Contains(r.Methods, method)
}

func (r *Route) matchesHeaders(header http.Header) bool {
	for _, required := range r.headers {
		if !slices.Contains(header[required.name], required.value) {
			return false
		}
	}
	return true
}

func (r *Route) matchesHost(host string) bool {
	return len(r.Config.Hosts) == 0 || slices.ContainsFunc(r.Config.Hosts, func(wanted string) bool {
		suffix, wild := strings.CutPrefix(wanted, "*")
		return wanted == host || wild && strings.HasSuffix(host, suffix) && len(host) > len(suffix)
	})
}

// Why explains in a few words whether and why a route gets a request that matches its
// prefix. won is the route that gets the request; nil means none.
func (r *Route) Why(q Query, won *Route) string {
	switch {
	case r == won:
		return "wins"
	case !r.matchesHost(q.Host):
		return fmt.Sprintf("host is %s, not %s", q.Host, strings.Join(r.Config.Hosts, " or "))
	case !r.matchesHeaders(q.Header):
		return "lacks a header: " + strings.Join(slices.Sorted(maps.Keys(r.Config.Headers)), ", ")
	case !r.allowsMethod(q.Method):
		return "takes only " + strings.Join(r.Methods, ", ")
	case won == nil:
		return "fits, but the request is refused"
	case len(won.Config.Prefix) > len(r.Config.Prefix):
		return "a longer prefix wins"
	}
	return "a more particular route of the same prefix wins"
}

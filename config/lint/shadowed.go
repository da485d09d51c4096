// This file finds routes that get fewer requests than they seem to, because
// other routes match first.

package lint

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"gatehouse/config"
	"gatehouse/config/yamldoc"
)

// Among the routes of one prefix and host, those with methods are matched
// before those without, whatever their headers. So only a route without methods
// can be shadowed. All other shadows are either conflicts, which are errors, or
// leave some requests, such as those for hosts without a route of their own.

// candidate is a route with its place in the file.
type candidate struct {
	index int // in the table's routes
	route *config.Route
	field *yamldoc.Field
}

// prefixAndHost is a prefix and one entry of `hosts`, or "" for any host.
type prefixAndHost struct{ prefix, host string }

// maxSubsets bounds the number of headers of a route whose subsets are checked.
// A route with more headers gets no warning.
const maxSubsets = 6

// warnShadowed reports each route that is shadowed by routes with methods, once.
func (l *linter) warnShadowed() {
	first := map[prefixAndHost]map[string][]candidate{} // routes with methods, by their headers
	for i, field := range l.file.Get("routes").Entries() {
		route := &l.table.Routes[i]
		if len(route.Methods) == 0 {
			continue
		}
		c, headers := candidate{index: i, route: route, field: field}, headersKey(route.Headers)
		for _, host := range hostsOf(route) {
			at := prefixAndHost{route.Prefix, host}
			if first[at] == nil {
				first[at] = map[string][]candidate{}
			}
			first[at][headers] = append(first[at][headers], c)
		}
	}
	for i, field := range l.file.Get("routes").Entries() {
		route := &l.table.Routes[i]
		if len(route.Methods) > 0 || len(route.Headers) > maxSubsets {
			continue
		}
		for _, host := range hostsOf(route) {
			c := candidate{index: i, route: route, field: field}
			if shadowed(c, host, first[prefixAndHost{route.Prefix, host}]) {
				break
			}
		}
	}
}

// shadowed reports whether other routes match all requests of a route without
// methods.
func shadowed(c candidate, host string, first map[string][]candidate) bool {
	if len(first) == 0 {
		return false
	}
	if host != "" {
		host = " for " + host
	}
	var shadowing, lessSpecific []candidate // lessSpecific need fewer headers
	for headers := range subsets(c.route.Headers) {
		same := first[headersKey(headers)]
		shadowing = append(shadowing, same...)
		if len(headers) < len(c.route.Headers) {
			lessSpecific = append(lessSpecific, same...)
		}
	}
	if taken := methodsOf(shadowing); !slices.ContainsFunc(config.MethodNames(), func(method string) bool { return !taken[method] }) {
		c.field.WarnAt("prefix", c.field.Name()+" matches almost no request"+host+": every usual method of its prefix is matched by "+labelsOf(shadowing),
			"remove it, or remove the methods that it should match from the others")
		return true
	}
	if len(lessSpecific) == 0 {
		return false
	}
	methods := slices.Sorted(maps.Keys(methodsOf(lessSpecific)))
	c.field.WarnAt("prefix", c.field.Name()+" does not get "+strings.Join(methods, ", ")+host+", even with its headers: they go to "+labelsOf(lessSpecific)+
		", since methods count before headers", "give it `methods` too, and it goes first")
	return true
}

// methodsOf returns the methods that some of the routes accept. GET includes
// HEAD.
func methodsOf(routes []candidate) map[string]bool {
	methods := map[string]bool{}
	for _, c := range routes {
		for _, method := range c.route.Methods {
			methods[method] = true
			if method == http.MethodGet {
				methods[http.MethodHead] = true
			}
		}
	}
	return methods
}

// labelsOf lists routes for a message, each once and in the order of the table.
func labelsOf(routes []candidate) string {
	slices.SortStableFunc(routes, func(a, b candidate) int { return a.index - b.index })
	var labels []string
	for _, c := range routes {
		if !slices.Contains(labels, c.field.Name()) {
			labels = append(labels, c.field.Name())
		}
	}
	const most = 5
	if len(labels) > most {
		return strings.Join(labels[:most], ", ") + " and others"
	}
	return strings.Join(labels, ", ")
}

// subsets yields all subsets of the headers, including the empty and the whole
// one.
func subsets(headers map[string]string) func(yield func(map[string]string) bool) {
	names := slices.Sorted(maps.Keys(headers))
	return func(yield func(map[string]string) bool) {
		for chosen := range 1 << len(names) {
			subset := map[string]string{}
			for i, name := range names {
				if chosen&(1<<i) != 0 {
					subset[name] = headers[name]
				}
			}
			if !yield(subset) {
				return
			}
		}
	}
}

// hostsOf returns the hosts of a route; "" means any host.
func hostsOf(route *config.Route) []string {
	if len(route.Hosts) == 0 {
		return []string{""}
	}
	return route.Hosts
}

// headersKey returns the same text for the same headers, whatever their
// spelling.
func headersKey(headers map[string]string) string {
	lines := make([]string, 0, len(headers))
	for name, value := range headers {
		lines = append(lines, strings.ToLower(name)+"\x00"+value+"\x00")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

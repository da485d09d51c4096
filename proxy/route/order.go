package route

import (
	"cmp"
	"slices"
	"strings"
)

// Ordered returns the routes in the order in which they are tried. The longest prefix
// comes first. Then come exact hosts before wildcards, longer wildcards before shorter
// ones, and routes without hosts last. Then come routes with methods before routes
// without, and more headers before fewer. Routes that no request can match both are in
// the order of their prefixes and names.
func (t *Table) Ordered() []*Route {
	routes := slices.Clone(t.routes)
	slices.SortStableFunc(routes, func(a, b *Route) int {
		return cmp.Or(
			-cmp.Compare(depth(a.Config.Prefix), depth(b.Config.Prefix)),
			strings.Compare(a.Config.Prefix, b.Config.Prefix),
			-cmp.Compare(hostRank(a), hostRank(b)),
			compareSpecificity(a, b),
			strings.Compare(a.Config.Name, b.Config.Name),
		)
	})
	return routes
}

// Fitting returns the routes whose prefix matches a path, in the order in which they
// are tried.
func (t *Table) Fitting(path string) []*Route {
	var routes []*Route
	for _, r := range t.Ordered() {
		prefix := strings.TrimSuffix(r.Config.Prefix, "/")
		if rest, ok := strings.CutPrefix(path, prefix); ok && (rest == "" || rest[0] == '/') {
			routes = append(routes, r)
		}
	}
	return routes
}

// depth returns the number of segments of a prefix.
func depth(prefix string) int {
	if prefix == "/" {
		return 0
	}
	return strings.Count(prefix, "/")
}

// exactHost is the rank of an exact host. It is greater than that of any wildcard.
const exactHost = 1 << 10

// hostRank returns the rank of a route's most specific host. Greater ranks are more
// specific; 0 means no hosts.
func hostRank(r *Route) int {
	rank := 0
	for _, host := range r.Config.Hosts {
		if strings.HasPrefix(host, "*.") {
			rank = max(rank, len(host))
		} else {
			rank = exactHost
		}
	}
	return rank
}

// compareSpecificity compares two routes of one prefix and host. It returns a negative
// number when a is more specific.
func compareSpecificity(a, b *Route) int {
	if withMethods := len(b.Methods) > 0; withMethods != (len(a.Methods) > 0) {
		if withMethods {
			return 1
		}
		return -1
	}
	return len(b.headers) - len(a.headers)
}

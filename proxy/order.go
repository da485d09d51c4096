package proxy

import (
	"cmp"
	"slices"
	"strings"

	"gatehouse/config"
)

// Ordered returns the routes in the order in which they are tried: the longest
// prefix first; then with an exact host, with a wildcard from the longest,
// without; then with methods; then with more headers. Routes that can never
// meet are in the order of their prefixes and names.
func (t *Table) Ordered() []*config.Route {
	ordered := t.ordered()
	routes := make([]*config.Route, len(ordered))
	for i, r := range ordered {
		routes[i] = r.config
	}
	return routes
}

func (t *Table) ordered() []*route {
	routes := slices.Clone(t.routes)
	slices.SortStableFunc(routes, func(a, b *route) int {
		return cmp.Or(
			-cmp.Compare(depth(a.config.Prefix), depth(b.config.Prefix)),
			strings.Compare(a.config.Prefix, b.config.Prefix),
			-cmp.Compare(hostRank(a), hostRank(b)),
			moreParticular(a, b),
			strings.Compare(a.config.Name, b.config.Name),
		)
	})
	return routes
}

// depth counts the segments of a prefix.
func depth(prefix string) int {
	if prefix == "/" {
		return 0
	}
	return strings.Count(prefix, "/")
}

// exactHost ranks above the longest wildcard.
const exactHost = 1 << 10

// hostRank is how particular a route is about the host, at its most particular.
func hostRank(r *route) int {
	rank := 0
	for _, host := range r.config.Hosts {
		if strings.HasPrefix(host, "*.") {
			rank = max(rank, len(host))
		} else {
			rank = exactHost
		}
	}
	return rank
}

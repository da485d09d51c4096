package route

import (
	"slices"
	"strings"
)

// index is a tree of path segments. Each prefix in it has its routes by host. A lookup
// costs one map access for each segment, and never more than the longest prefix has
// segments. The number of routes does not matter.
type index struct {
	children map[string]*index
	routes   *hostRoutes // nil when no prefix ends here
}

// hostRoutes are the routes of one prefix, grouped by host.
type hostRoutes struct {
	exact map[string][]*Route // by host name; nil means none
	wild  map[string][]*Route // by the name after "*."; nil means none
	any   []*Route            // without hosts
}

// lookup returns the outcome at the longest prefix that has a route for the request.
// rest begins with "/", or is empty after the last segment.
func (n *index) lookup(rest string, q *Query) Outcome {
	if len(n.children) > 0 && rest != "" {
		segment, after := rest[1:], ""
		if slash := strings.IndexByte(segment, '/'); slash >= 0 {
			segment, after = segment[:slash], segment[slash:]
		}
		if child := n.children[segment]; child != nil {
			if found := child.lookup(after, q); found.found() {
				return found
			}
		}
	}
	if n.routes == nil {
		return Outcome{}
	}
	return n.routes.pick(q)
}

// lookupWithoutTails is like lookup, but reads the path as a backend does that drops
// tails of segments (withoutTail). A prefix of the table that has such a tail is
// matched as written.
func (n *index) lookupWithoutTails(rest string, q *Query) Outcome {
	for len(n.children) > 0 && rest != "" {
		segment, after := rest[1:], ""
		if slash := strings.IndexByte(segment, '/'); slash >= 0 {
			segment, after = segment[:slash], segment[slash:]
		}
		child := n.children[segment]
		if child == nil {
			name := withoutTail(segment)
			if name == "" { // The backend drops the segment. Do not recurse: a client may send many.
				rest = after
				continue
			}
			child = n.children[name]
		}
		if child != nil {
			if found := child.lookupWithoutTails(after, q); found.found() {
				return found
			}
		}
		break
	}
	if n.routes == nil {
		return Outcome{}
	}
	return n.routes.pick(q)
}

// pick returns the most specific route of one prefix: with the exact host, then with
// the longest wildcard, then without hosts. When only the method does not fit, the
// outcome is 405 with the allowed methods. The request does not fall back to a shorter
// prefix, because the policy of that prefix is meant for other requests.
func (h *hostRoutes) pick(q *Query) Outcome {
	var allow []string
	try := func(routes []*Route) *Route {
		for _, r := range routes {
			if !r.matchesHeaders(q.Header) {
				continue
			}
			if r.allowsMethod(q.Method) {
				return r
			}
			allow = append(allow, r.Methods...)
		}
		return nil
	}
	if r := try(h.exact[q.Host]); r != nil {
		return Outcome{Route: r}
	}
	if len(h.wild) > 0 {
		for _, suffix, more := strings.Cut(q.Host, "."); more; _, suffix, more = strings.Cut(suffix, ".") {
			if r := try(h.wild[suffix]); r != nil {
				return Outcome{Route: r}
			}
		}
	}
	if r := try(h.any); r != nil {
		return Outcome{Route: r}
	}
	slices.Sort(allow)
	return Outcome{Allow: strings.Join(slices.Compact(allow), ", ")}
}

// visitReachable implements Table.VisitReachable below a prefix. It reports whether no
// request can match a shorter prefix.
func (n *index) visitReachable(rest, host string, visit func(*Route)) bool {
	if len(n.children) > 0 && rest != "" {
		segment, after := rest[1:], ""
		if slash := strings.IndexByte(segment, '/'); slash >= 0 {
			segment, after = segment[:slash], segment[slash:]
		}
		if child := n.children[segment]; child != nil && child.visitReachable(after, host, visit) {
			return true
		}
	}
	return n.routes != nil && n.routes.visitReachable(host, visit)
}

func (h *hostRoutes) visitReachable(host string, visit func(*Route)) (ends bool) {
	visitAll := func(routes []*Route) {
		for _, r := range routes {
			visit(r)
			ends = ends || len(r.headers) == 0
		}
	}
	visitAll(h.exact[host])
	if len(h.wild) > 0 {
		for _, suffix, more := strings.Cut(host, "."); more; _, suffix, more = strings.Cut(suffix, ".") {
			visitAll(h.wild[suffix])
		}
	}
	visitAll(h.any)
	return ends
}

// add adds a route to the index under its prefix. It keeps each list in the order that
// pick needs: routes with methods before routes without, more headers before fewer.
func (n *index) add(prefix string, r *Route) {
	at := n
	if prefix != "/" {
		for segment := range strings.SplitSeq(prefix[1:], "/") {
			child := at.children[segment]
			if child == nil {
				child = &index{}
				if at.children == nil {
					at.children = map[string]*index{}
				}
				at.children[segment] = child
			}
			at = child
		}
	}
	if at.routes == nil {
		at.routes = &hostRoutes{}
	}
	at.routes.add(r)
}

func (h *hostRoutes) add(r *Route) {
	if len(r.Config.Hosts) == 0 {
		h.any = insert(h.any, r)
	}
	for _, host := range r.Config.Hosts {
		byHost := &h.exact
		if suffix, wild := strings.CutPrefix(host, "*."); wild {
			host, byHost = suffix, &h.wild
		}
		if *byHost == nil {
			*byHost = map[string][]*Route{}
		}
		(*byHost)[host] = insert((*byHost)[host], r)
	}
}

func insert(routes []*Route, r *Route) []*Route {
	at, _ := slices.BinarySearchFunc(routes, r, compareSpecificity)
	return slices.Insert(routes, at, r)
}

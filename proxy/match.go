package proxy

import (
	"net/http"
	"slices"
	"strings"

	"gatehouse/internal/httperr"
	routing "gatehouse/proxy/route"
)

// index finds the route of a request: a tree of path segments, and at each
// prefix the routes by host. A lookup costs one map access a segment, for no
// more segments than the longest prefix has, however many routes there are.
type index struct {
	children map[string]*index
	routes   *hostRoutes // nil where no prefix ends
}

// hostRoutes are the routes of one prefix, by what they ask of the host.
type hostRoutes struct {
	exact map[string][]*route // by host name; nil for none
	wild  map[string][]*route // by what follows "*."; nil for none
	any   []*route            // without hosts
}

// query is what the index is asked.
type query struct {
	method string
	host   string // as routing.HostName returns it
	header http.Header
}

// outcome is the answer of the index: a route, or the methods that would have
// been allowed, or neither.
type outcome struct {
	route *route
	allow string
}

func (o outcome) found() bool { return o.route != nil || o.allow != "" }

// match finds the route of a request, or the refusal: 404, 405, and 400 where
// a careless backend would read the path as another route's.
func (t *Table) match(path routing.Path, q query) (*route, *httperr.Error) {
	found := t.index.lookup(path.Raw, &q)
	if (t.escapes || path.Lenient != path.Raw) && t.lenient.lookup(path.Lenient, &q) != found {
		return nil, refusePath
	}
	if path.MayHaveTail && t.lenient.lookupWithoutTails(path.Lenient, &q) != found {
		return nil, refusePath
	}
	switch {
	case path.EncodedSlash && (found.route == nil || !found.route.config.AllowEncodedSlashes):
		return nil, refusePath
	case found.route != nil:
		return found.route, nil
	case found.allow != "":
		return nil, httperr.MethodNotAllowed(found.allow)
	}
	return nil, httperr.NotFound
}

// lookup wants the longest prefix that has a route for the request. rest
// begins with "/", or is empty past the last segment.
func (n *index) lookup(rest string, q *query) outcome {
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
		return outcome{}
	}
	return n.routes.pick(q)
}

// lookupWithoutTails is lookup for a backend that drops tails of segments
// (routing.WithoutTail). A prefix that the table spells with such a tail is taken as it
// is written.
func (n *index) lookupWithoutTails(rest string, q *query) outcome {
	for len(n.children) > 0 && rest != "" {
		segment, after := rest[1:], ""
		if slash := strings.IndexByte(segment, '/'); slash >= 0 {
			segment, after = segment[:slash], segment[slash:]
		}
		child := n.children[segment]
		if child == nil {
			name := routing.WithoutTail(segment)
			if name == "" { // The backend drops the segment. A client may send many, so no call for each.
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
		return outcome{}
	}
	return n.routes.pick(q)
}

// pick wants the most particular route of one prefix: by exact host, by
// wildcard from the longest, without a host. A method that none of them takes
// is answered 405 with what they would take, and does not fall back to a
// shorter prefix, whose policy was meant for something else.
func (h *hostRoutes) pick(q *query) outcome {
	var allow []string
	try := func(routes []*route) *route {
		for _, r := range routes {
			if !r.wantsHeaders(q.header) {
				continue
			}
			if r.takesMethod(q.method) {
				return r
			}
			allow = append(allow, r.methods...)
		}
		return nil
	}
	if r := try(h.exact[q.host]); r != nil {
		return outcome{route: r}
	}
	if len(h.wild) > 0 {
		for _, suffix, more := strings.Cut(q.host, "."); more; _, suffix, more = strings.Cut(suffix, ".") {
			if r := try(h.wild[suffix]); r != nil {
				return outcome{route: r}
			}
		}
	}
	if r := try(h.any); r != nil {
		return outcome{route: r}
	}
	slices.Sort(allow)
	return outcome{allow: strings.Join(slices.Compact(allow), ", ")}
}

// visitReachable calls visit with each route that some request with this path and host gets
// to, whatever its method and headers: a preflight does not say what headers the
// request will have. It reports whether no request gets to a shorter prefix.
func (n *index) visitReachable(rest, host string, visit func(*route)) bool {
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

func (h *hostRoutes) visitReachable(host string, visit func(*route)) (ends bool) {
	visitAll := func(routes []*route) {
		for _, r := range routes {
			visit(r)
			ends = ends || len(r.wanted) == 0
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

// add puts a route into the index under its prefix, keeping each list in the
// order of pick: with methods before without, more headers before fewer.
func (n *index) add(prefix string, r *route) {
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

func (h *hostRoutes) add(r *route) {
	if len(r.config.Hosts) == 0 {
		h.any = insert(h.any, r)
	}
	for _, host := range r.config.Hosts {
		byHost := &h.exact
		if suffix, wild := strings.CutPrefix(host, "*."); wild {
			host, byHost = suffix, &h.wild
		}
		if *byHost == nil {
			*byHost = map[string][]*route{}
		}
		(*byHost)[host] = insert((*byHost)[host], r)
	}
}

func insert(routes []*route, r *route) []*route {
	at, _ := slices.BinarySearchFunc(routes, r, moreParticular)
	return slices.Insert(routes, at, r)
}

// moreParticular orders two routes of one prefix and host.
func moreParticular(a, b *route) int {
	if withMethods := len(b.methods) > 0; withMethods != (len(a.methods) > 0) {
		if withMethods {
			return 1
		}
		return -1
	}
	return len(b.wanted) - len(a.wanted)
}

// Routes that open what others guard: a weaker policy on the same backend.

package config

import (
	"net/url"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// door is a route to a backend, and what it opens there.
type door struct {
	route *Route
	node  *yaml.Node
	label string
	space string // the backend's paths that it leads to begin with this; ends with "/"
}

// guards are the stricter doors to one backend.
type guards struct {
	first    door
	byPrefix map[string]door // the first of each prefix
	spaces   []door          // by space
}

// warnWeaker reports each route that lets more people to a backend than another
// route to it. A route that asks for nothing is always worth a look; one that
// asks for a token only where it opens what is behind the stricter one.
func (v *validator) warnWeaker(nodes []*yaml.Node) {
	doors := make([]door, 0, len(nodes))
	prefixes := map[string]bool{}
	open := map[Policy]bool{}
	for i, n := range nodes {
		route := &v.config.Routes[i]
		if len(route.Hosts) == 0 && len(route.Headers) == 0 {
			prefixes[route.Prefix] = true
		}
		if route.Backend != nil {
			doors = append(doors, door{route, n, label("routes", i, n), spaceOf(route)})
			open[route.Auth] = true
		}
	}
	for _, weaker := range []Policy{PolicyNone, PolicyInitial} {
		if !open[weaker] {
			continue
		}
		guarded := guardedBackends(doors, weaker)
		for _, d := range doors {
			if behind := guarded[backendKey(d.route.Backend)]; d.route.Auth == weaker && behind != nil {
				v.warnDoor(d, behind, prefixes)
			}
		}
	}
}

// guardedBackends returns the doors that are stricter than a policy.
func guardedBackends(doors []door, weaker Policy) map[string]*guards {
	guarded := map[string]*guards{}
	for _, d := range doors {
		if d.route.Auth != PolicyStrict && (d.route.Auth != PolicyInitial || weaker != PolicyNone) {
			continue
		}
		key := backendKey(d.route.Backend)
		behind := guarded[key]
		if behind == nil {
			behind = &guards{first: d, byPrefix: map[string]door{}}
			guarded[key] = behind
		}
		if _, found := behind.byPrefix[d.route.Prefix]; !found {
			behind.byPrefix[d.route.Prefix] = d
		}
		behind.spaces = append(behind.spaces, d)
	}
	for _, behind := range guarded {
		slices.SortStableFunc(behind.spaces, func(a, b door) int { return strings.Compare(a.space, b.space) })
	}
	return guarded
}

// warnDoor says what an open door means to the guarded ones: the same paths of
// the backend, a part of a guarded prefix, or only the same backend.
func (v *validator) warnDoor(open door, behind *guards, prefixes map[string]bool) {
	place := section{v.report, open.node, ""}.at("auth")
	who, hint := "without a token", "fine if that part is meant for everybody; else remove `auth: none`"
	if open.route.Auth == PolicyInitial {
		who, hint = "without a company", "fine if that part is meant for newcomers too; else remove `auth: initial`"
	}
	methods := ""
	if len(open.route.Methods) > 0 {
		methods = " (" + strings.Join(open.route.Methods, ", ") + ")"
	}
	where := open.route.Prefix + methods
	guard := func(d door) string { return d.label + " (" + string(d.route.Auth) + ")" }
	if d, way, found := behind.bypass(open, prefixes); found {
		v.warnAt(place, open.label+" goes round "+guard(d)+": what that one guards can be reached "+who+" under "+way+methods,
			"make its prefix or its backend's path narrower, or its policy the same")
		return
	}
	if d, found := behind.mistaken(open.route.Prefix); found {
		v.warnAt(place, open.label+" may be read as a part of "+guard(d)+": some backends drop what ends a segment of "+where,
			"on Windows, with old Spring and the like it is reached "+who+"; choose another prefix, or the same policy")
		return
	}
	if d, found := behind.above(open.route.Prefix); found {
		v.warnAt(place, open.label+" opens a part of "+guard(d)+": the same backend can be reached "+who+" under "+where, hint)
		return
	}
	if open.route.Auth == PolicyNone {
		v.warnAt(place, open.label+" leads to the same backend as "+guard(behind.first)+": it can be reached "+who+" under "+where, hint)
	}
}

// above finds the nearest guarded prefix that an open one is under, or the same.
func (g *guards) above(prefix string) (door, bool) {
	for {
		if d, found := g.byPrefix[prefix]; found {
			return d, true
		}
		if prefix == "/" {
			return door{}, false
		}
		prefix = parentOf(prefix)
	}
}

// bypass finds a guarded door all of whose paths the open one leads to as well,
// by another way, and gives that way. prefixes are those that take every request
// that comes to them: one on the way may guard it after all.
func (g *guards) bypass(open door, prefixes map[string]bool) (guarded door, way string, found bool) {
	from, _ := slices.BinarySearchFunc(g.spaces, open.space, func(d door, space string) int { return strings.Compare(d.space, space) })
	for i, d := range g.spaces[from:] {
		rest, inside := strings.CutPrefix(d.space, open.space)
		if !inside || i == maxGuards {
			break
		}
		way := strings.TrimSuffix(strings.TrimSuffix(open.route.Prefix, "/")+"/"+rest, "/")
		if way == "" {
			way = "/"
		}
		switch {
		case way != d.route.Prefix && !takenOnTheWay(way, open.route.Prefix, prefixes):
			return d, way, true
		case way == d.route.Prefix && len(d.route.Hosts) == 0 && len(d.route.Headers) == 0:
			// The guard itself takes whatever comes that way.
		case way == d.route.Prefix && takesAny(open.route) && !takenOnTheWay(way, open.route.Prefix, prefixes):
			return d, way + " with another host or other headers", true
		}
	}
	return door{}, "", false
}

// maxGuards bounds how many guarded doors one open door is held against.
const maxGuards = 100

// takesAny says whether a route takes requests for any host, with any headers.
func takesAny(route *Route) bool { return len(route.Hosts) == 0 && len(route.Headers) == 0 }

// takenOnTheWay says whether a longer prefix than the open one takes a path.
func takenOnTheWay(way, open string, prefixes map[string]bool) bool {
	for len(way) > len(open) && way != "/" {
		if prefixes[way] {
			return true
		}
		way = parentOf(way)
	}
	return false
}

func parentOf(prefix string) string {
	return prefix[:max(1, strings.LastIndexByte(prefix, '/'))]
}

// spaceOf returns what the paths that a backend gets from a route begin with.
func spaceOf(route *Route) string {
	space := strings.TrimSuffix(route.Backend.EscapedPath(), "/")
	if !route.StripPrefix {
		space += route.Prefix
	}
	return strings.TrimSuffix(space, "/") + "/"
}

// backendKey is the same for two URLs of one server.
func backendKey(backend *url.URL) string {
	scheme, port := strings.ToLower(backend.Scheme), backend.Port()
	if port == "" {
		port = "80"
		if scheme == "https" {
			port = "443"
		}
	}
	return scheme + "://" + strings.ToLower(backend.Hostname()) + ":" + strings.TrimLeft(port, "0")
}

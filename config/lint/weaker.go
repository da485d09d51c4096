// This file finds routes that open what other routes protect: a weaker policy
// on the same backend.

package lint

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"gatehouse/config"
	"gatehouse/config/pathexp"
	"gatehouse/config/yamldoc"
)

// backendRoute is a route to one place, with the paths there that it opens.
type backendRoute struct {
	route       *config.Route
	field       *yamldoc.Field
	place       string // its key
	backendPath string // the prefix of the paths there behind the route; ends with "/"
}

// stricterRoutes are the routes to one backend whose policy is stricter than a
// given one.
type stricterRoutes struct {
	first         backendRoute
	byPrefix      map[string]backendRoute // the first of each prefix
	byBackendPath []backendRoute          // sorted by backendPath
}

// warnWeaker warns about each route with a weaker policy than another route to
// the same backend. It always warns about a route that callers without a token pass. It
// warns about a route that requires a token only when the route opens paths
// behind the stricter one.
func (l *linter) warnWeaker() {
	routes, guarding, prefixes := l.backendRoutes()
	open := map[config.Policy]bool{}
	for _, d := range routes {
		open[d.route.Auth] = true
	}
	for _, weaker := range []config.Policy{config.PolicyNone, config.PolicyOptional, config.PolicyInitial} {
		if !open[weaker] {
			continue
		}
		stricter := stricterByBackend(guarding, func(route *config.Route) bool {
			return route.Auth == config.PolicyStrict || weaker.IsOpen() && (route.Auth == config.PolicyInitial || hasPasswords(route))
		})
		var warned *config.Route // one warning for a route is enough, whatever the number of its servers
		for _, d := range routes {
			behind := stricter[d.place]
			if d.route.Auth == weaker && !hasPasswords(d.route) && behind != nil && d.route != warned && warnWeakerRoute(d, behind, prefixes) {
				warned = d.route
			}
		}
	}
}

// warnFewerRules warns about each route that opens paths of a backend which another route
// guards with roles or claims, although its policy is the same or stricter.
func (l *linter) warnFewerRules() {
	routes, guarding, prefixes := l.backendRoutes()
	guarded := stricterByBackend(guarding, func(route *config.Route) bool { return len(route.Roles)+len(route.Claims) > 0 })
	var warned *config.Route // as in warnWeaker
	for _, open := range routes {
		behind := guarded[open.place]
		if behind == nil || open.route == warned {
			continue
		}
		fewer := func(guard *config.Route) bool {
			return rank(guard) <= rank(open.route) && hasMoreRules(guard, open.route)
		}
		if d, path, found := behind.bypass(open, prefixes, fewer); found {
			warned = open.route
			open.field.WarnAt("prefix", fmt.Sprintf("%s bypasses %s (%s): what that route protects can be reached without its roles or claims under %s",
				open.field.Name(), d.field.Name(), ruleText(d.route), path), "give both routes the same roles and claims, or make its prefix or its backend's path longer")
		}
	}
}

// everyRoute is for bypass.
func everyRoute(*config.Route) bool { return true }

// backendRoutes returns the routes to backends; the same once for each path of a backend
// that they guard; and the prefixes that match every request below them.
func (l *linter) backendRoutes() (routes, guarding []backendRoute, prefixes map[string]bool) {
	prefixes = map[string]bool{}
	for i, field := range l.file.Get("routes").Entries() {
		route := &l.table.Routes[i]
		if len(route.Hosts) == 0 && len(route.Headers) == 0 {
			prefixes[route.Prefix] = true
		}
		for _, at := range l.reached(route) {
			routes = append(routes, backendRoute{route, field, at.key, backendPathOf(route, at.url)})
		}
		for _, at := range l.places(route.Backend) {
			for _, path := range backendPathsOf(route, at.url) {
				guarding = append(guarding, backendRoute{route, field, at.key, path})
			}
		}
	}
	return routes, guarding, prefixes
}

// stricterByBackend returns the routes that are stricter, by place.
func stricterByBackend(routes []backendRoute, isStricter func(*config.Route) bool) map[string]*stricterRoutes {
	stricter := map[string]*stricterRoutes{}
	for _, d := range routes {
		if !isStricter(d.route) {
			continue
		}
		behind := stricter[d.place]
		if behind == nil {
			behind = &stricterRoutes{first: d, byPrefix: map[string]backendRoute{}}
			stricter[d.place] = behind
		}
		if _, found := behind.byPrefix[d.route.Prefix]; !found {
			behind.byPrefix[d.route.Prefix] = d
		}
		behind.byBackendPath = append(behind.byBackendPath, d)
	}
	for _, behind := range stricter {
		slices.SortStableFunc(behind.byBackendPath, func(a, b backendRoute) int { return strings.Compare(a.backendPath, b.backendPath) })
	}
	return stricter
}

// hasPasswords reports whether a route asks for passwords instead of tokens.
func hasPasswords(route *config.Route) bool { return route.Basic.File != "" }

// warnWeakerRoute reports what a weaker route opens of the stricter ones: the
// same paths of the backend, part of a stricter prefix, or only the same
// backend. It reports whether there was something to report.
func warnWeakerRoute(open backendRoute, behind *stricterRoutes, prefixes map[string]bool) bool {
	warn := func(message, hint string) { open.field.WarnAt("auth", open.field.Name()+message, hint) }
	who, hint := "without a token", "right if that part is open to everybody; otherwise remove `auth: "+string(open.route.Auth)+"`"
	if open.route.Auth == config.PolicyInitial {
		who, hint = "without a company", "right if that part is for users without a company, too; otherwise remove `auth: initial`"
	}
	methods := ""
	if len(open.route.Methods) > 0 {
		methods = " (" + strings.Join(open.route.Methods, ", ") + ")"
	}
	where := open.route.Prefix + methods
	describe := func(d backendRoute) string {
		if hasPasswords(d.route) {
			return d.field.Name() + " (basic)"
		}
		return d.field.Name() + " (" + string(d.route.Auth) + ")"
	}
	if d, path, found := behind.bypass(open, prefixes, everyRoute); found {
		warn(" bypasses "+describe(d)+": what that route protects can be reached "+who+" under "+path+methods,
			"make its prefix or its backend's path longer, or use the same policy")
		return true
	}
	if d, found := behind.ambiguousBelow(open.route.Prefix); found {
		warn(" may be read as a part of "+describe(d)+": some backends ignore the end of a segment of "+where,
			"on Windows or with old versions of Spring it can be reached "+who+"; choose another prefix, or use the same policy")
		return true
	}
	if d, found := behind.nearestAbove(open.route.Prefix); found {
		warn(" opens a part of "+describe(d)+": the same backend can be reached "+who+" under "+where, hint)
		return true
	}
	if open.route.Auth.IsOpen() {
		warn(" leads to the same backend as "+describe(behind.first)+": it can be reached "+who+" under "+where, hint)
		return true
	}
	return false
}

// nearestAbove returns the longest stricter prefix that equals the weaker one
// or is above it.
func (g *stricterRoutes) nearestAbove(prefix string) (backendRoute, bool) {
	for {
		if d, found := g.byPrefix[prefix]; found {
			return d, true
		}
		if prefix == "/" {
			return backendRoute{}, false
		}
		prefix = parentOf(prefix)
	}
}

// bypass returns a stricter route whose backend paths are all open through the
// weaker route, with the public path that opens them. prefixes are the prefixes
// that match every request below them; a longer one may match that path
// instead. Only routes for which counts returns true are compared.
func (g *stricterRoutes) bypass(open backendRoute, prefixes map[string]bool, counts func(*config.Route) bool) (stricter backendRoute, path string, found bool) {
	from, _ := slices.BinarySearchFunc(g.byBackendPath, open.backendPath, func(d backendRoute, space string) int { return strings.Compare(d.backendPath, space) })
	for i, d := range g.byBackendPath[from:] {
		rest, inside := strings.CutPrefix(d.backendPath, open.backendPath)
		if !inside || i == maxCompared {
			break
		}
		if !counts(d.route) {
			continue
		}
		path := strings.TrimSuffix(strings.TrimSuffix(open.route.Prefix, "/")+"/"+rest, "/")
		if path == "" {
			path = "/"
		}
		switch {
		case path != d.route.Prefix && !hasLongerPrefix(path, open.route.Prefix, prefixes):
			return d, path, true
		case path == d.route.Prefix && len(d.route.Hosts) == 0 && len(d.route.Headers) == 0:
			// The stricter route itself matches every request for the path.
		case path == d.route.Prefix && takesAny(open.route) && !hasLongerPrefix(path, open.route.Prefix, prefixes):
			return d, path + " with another host or other headers", true
		}
	}
	return backendRoute{}, "", false
}

// maxCompared bounds how many stricter routes one weaker route is compared with.
const maxCompared = 100

// takesAny reports whether a route matches requests for any host with any
// headers.
func takesAny(route *config.Route) bool { return len(route.Hosts) == 0 && len(route.Headers) == 0 }

// hasLongerPrefix reports whether a prefix longer than open matches the path.
func hasLongerPrefix(path, open string, prefixes map[string]bool) bool {
	for len(path) > len(open) && path != "/" {
		if prefixes[path] {
			return true
		}
		path = parentOf(path)
	}
	return false
}

func parentOf(prefix string) string {
	return prefix[:max(1, strings.LastIndexByte(prefix, '/'))]
}

// backendPathsOf returns the prefixes of the paths that a route sends to a server: those
// that a rewrite leaves, and those that it makes.
func backendPathsOf(route *config.Route, server *url.URL) []string {
	paths := []string{backendPathOf(route, server)}
	if route.Rewrite == nil {
		return paths
	}
	to, f := pathexp.ParseTemplate(route.Rewrite.To, pathexp.MaxGroup)
	if f != nil {
		return paths
	}
	start := strings.TrimSuffix(server.EscapedPath(), "/") + to.Start()
	if to.HasGroups() { // which may continue the last segment
		start = start[:strings.LastIndexByte(start, '/')]
	}
	// "/" would say nothing about where the rewrite leads.
	if path := strings.TrimSuffix(start, "/") + "/"; path != "/" && path != paths[0] {
		paths = append(paths, path)
	}
	return paths
}

// backendPathOf returns the prefix of all paths that a route sends to a server. A
// rewrite adds others.
func backendPathOf(route *config.Route, server *url.URL) string {
	space := strings.TrimSuffix(server.EscapedPath(), "/")
	if !route.StripPrefix {
		space += route.Prefix
	}
	return strings.TrimSuffix(space, "/") + "/"
}

// serverKey returns the same text for two URLs of one server.
func serverKey(server *url.URL) string {
	scheme, port := strings.ToLower(server.Scheme), server.Port()
	if port == "" {
		port = "80"
		if scheme == "https" {
			port = "443"
		}
	}
	return scheme + "://" + strings.ToLower(server.Hostname()) + ":" + strings.TrimLeft(port, "0")
}

// This file finds rewrites that lead to what other routes protect. A rewritten
// request is forwarded, not matched again.

package lint

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"

	"gatehouse/config"
	"gatehouse/config/pathexp"
)

// warnRewritten warns about each route whose rewrite can make a path that a
// stricter route to the same backend guards.
func (l *linter) warnRewritten() {
	var guards map[string][]backendRoute // by place
	for i, field := range l.file.Get("routes").Entries() {
		route := &l.table.Routes[i]
		if route.Rewrite == nil {
			continue
		}
		if guards == nil {
			guards = l.guards()
		}
		for _, at := range l.reached(route) {
			guard, found := guardedAt(route, at.url, guards[at.key])
			if !found {
				continue
			}
			field.WarnAt("rewrite", field.Name()+": rewrite leads to "+cmp.Or(strings.TrimSuffix(guard.backendPath, "/"), "/")+" of the backend, which "+
				guard.field.Name()+" ("+ruleText(guard.route)+") guards: a rewritten request is forwarded, not matched again",
				"let `from` or `to` allow less, or give both routes the same policy")
			break
		}
	}
}

// guardedAt returns the first of the routes to a server that is stricter than a route
// whose rewrite leads to its paths there.
func guardedAt(route *config.Route, server *url.URL, guards []backendRoute) (backendRoute, bool) {
	image := imageOf(route, server)
	if image == nil {
		return backendRoute{}, false
	}
	compared := 0
	for _, guard := range guards {
		if !isStricter(guard.route, route) {
			continue
		}
		if compared++; compared > maxCompared {
			break
		}
		if image.MatchesBelow(guard.backendPath) {
			return guard, true
		}
	}
	return backendRoute{}, false
}

// guards returns the routes by place, each with the paths there behind it.
func (l *linter) guards() map[string][]backendRoute {
	guards := map[string][]backendRoute{}
	for i, field := range l.file.Get("routes").Entries() {
		route := &l.table.Routes[i]
		for _, at := range l.places(route.Backend) {
			for _, path := range backendPathsOf(route, at.url) {
				guards[at.key] = append(guards[at.key], backendRoute{route, field, at.key, path})
			}
		}
	}
	return guards
}

// imageOf returns an expression for the paths of a server that a rewrite makes.
func imageOf(route *config.Route, server *url.URL) *pathexp.Expression {
	from, f := pathexp.Parse(route.Rewrite.From)
	if f != nil {
		return nil
	}
	base := strings.ReplaceAll(strings.TrimSuffix(server.EscapedPath(), "/"), "$", "$$")
	to, f := pathexp.ParseTemplate(base+route.Rewrite.To, from.Groups())
	if f != nil {
		return nil
	}
	return to.Image(from)
}

// isStricter reports whether a route refuses some callers that another one lets pass.
func isStricter(route, other *config.Route) bool {
	return rank(route) > rank(other) || hasMoreRules(route, other) ||
		len(route.AllowFrom.Entries) > 0 && (len(other.AllowFrom.Entries) == 0 || slices.ContainsFunc(other.AllowFrom.Entries, lacks(route.AllowFrom.Entries))) ||
		slices.ContainsFunc(route.DenyFrom.Entries, lacks(other.DenyFrom.Entries))
}

// lacks returns a function that reports whether an entry is not in the list.
func lacks(list []string) func(string) bool {
	return func(entry string) bool { return !slices.Contains(list, entry) }
}

// hasMoreRules reports whether a route refuses some callers because of their roles or
// claims, and another one does not.
func hasMoreRules(route, other *config.Route) bool {
	if len(route.Roles) > 0 && (len(other.Roles) == 0 || slices.ContainsFunc(other.Roles, lacks(route.Roles))) {
		return true
	}
	for name, values := range route.Claims {
		if len(other.Claims[name]) == 0 || slices.ContainsFunc(other.Claims[name], lacks(values)) {
			return true
		}
	}
	return false
}

// rank returns the rank of what a route asks of every caller; greater is stricter.
func rank(route *config.Route) int {
	switch {
	case route.Auth == config.PolicyStrict:
		return 3
	case route.Auth == config.PolicyInitial:
		return 2
	case hasPasswords(route):
		return 1
	}
	return 0
}

// ruleText returns who may pass a route.
func ruleText(route *config.Route) string {
	parts := []string{string(route.Auth)}
	if hasPasswords(route) {
		parts[0] = "basic"
	}
	if len(route.Roles) > 0 {
		parts = append(parts, "roles "+strings.Join(route.Roles, " "))
	}
	if len(route.Claims) > 0 {
		parts = append(parts, "claims "+strings.Join(slices.Sorted(maps.Keys(route.Claims)), " "))
	}
	if len(route.AllowFrom.Entries) > 0 {
		parts = append(parts, "allow_from")
	}
	if len(route.DenyFrom.Entries) > 0 {
		parts = append(parts, "deny_from")
	}
	return strings.Join(parts, ", ")
}

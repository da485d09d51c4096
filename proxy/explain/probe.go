package explain

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"gatehouse/auth"
	"gatehouse/config"
	"gatehouse/proxy"
	"gatehouse/proxy/route"
)

// maxProbes bounds a comparison: past it the tables differ in so much that a
// list would help nobody.
const maxProbes = 200_000

// probe asks both tables about the same requests and notes each that the new
// one lets through more easily: a policy lowered, a role or a method limit
// dropped, a route that newly takes requests from a stricter one. Which route
// a request meets changes only at a prefix, so one request at each prefix and
// one below it, for each host, method and header that a route there names,
// stand for all there are. Only where a route changed need be asked.
func (d *Diff) probe(before, after *proxy.Table) {
	found := map[string]*weakening{}
	var list []*weakening
	count := 0
	for probe := range probes(before, after) {
		if count++; count > maxProbes {
			d.Weaker = append(d.Weaker, "the tables differ in too much to compare every request: look at the routes themselves")
			break
		}
		change := describeWeakening(lookup(before, probe), lookup(after, probe))
		if change == "" {
			continue
		}
		// The first probe of a change shows where; the others add their methods.
		w := found[change]
		if w == nil {
			w = &weakening{probe: probe, change: change}
			found[change] = w
			list = append(list, w)
		}
		if !slices.Contains(w.methods, probe.method) {
			w.methods = append(w.methods, probe.method)
		}
	}
	for _, w := range list {
		d.Weaker = append(d.Weaker, w.String())
	}
}

// weakening is one thing that lets more through, and the requests it is about.
type weakening struct {
	probe   probe
	methods []string
	change  string
}

func (w *weakening) String() string {
	return fmt.Sprintf("%s %s: %s", strings.Join(w.methods, ", "), w.probe, w.change)
}

// describeWeakening says what changes for a request that now passes more easily, or "".
func describeWeakening(old, now probed) string {
	switch {
	case now.route == nil: // nothing is left that could let it through
	case old.route != nil && weaker(ruleOf(old.route), ruleOf(now.route)):
		return policyText(old.route) + " → " + policyText(now.route)
	case old.allow != "":
		return "405 → " + policyText(now.route)
	}
	return ""
}

// probe is a request that stands for all that meet the same routes.
type probe struct {
	method, host, path string
	header             http.Header
}

// String is how a Diff names the requests, but for the method. A header's
// value may be a secret.
func (p probe) String() string {
	parts := []string{p.path}
	if p.host != "" {
		parts = append(parts, "(host "+p.host+")")
	}
	for _, name := range slices.Sorted(maps.Keys(p.header)) {
		parts = append(parts, fmt.Sprintf("(%s: %s)", name, digest(p.header[name][0])))
	}
	return strings.Join(parts, " ")
}

const (
	belowPrefix = "/…"    // a segment that no route has
	otherHost   = ""      // a host that no route names
	otherMethod = "OTHER" // a method that no route names
)

// byPrefix are routes by their prefix.
type byPrefix map[string][]*config.Route

// atOrAbove returns the routes of a prefix and of those above it.
func (b byPrefix) atOrAbove(prefix string) []*config.Route {
	var list []*config.Route
	for at := prefix; ; at = parentPrefix(at) {
		list = append(list, b[at]...)
		if at == "/" {
			return list
		}
	}
}

// parentPrefix is the prefix one segment shorter.
func parentPrefix(prefix string) string {
	if cut := strings.LastIndexByte(prefix, '/'); cut > 0 {
		return prefix[:cut]
	}
	return "/"
}

// probes returns the requests to compare two tables by, one after the other.
func probes(before, after *proxy.Table) func(yield func(probe) bool) {
	all, changed := byPrefix{}, byPrefix{}
	gather := func(t, other *proxy.Table) {
		others := routesByName(other)
		for _, r := range routesOf(t) {
			all[r.Prefix] = append(all[r.Prefix], r)
			if twin := others[r.Name]; twin == nil || accessKey(r) != accessKey(twin) {
				changed[r.Prefix] = append(changed[r.Prefix], r)
			}
		}
	}
	gather(before, after)
	gather(after, before)
	return func(yield func(probe) bool) {
		for _, prefix := range slices.Sorted(maps.Keys(all)) {
			if applied := changed.atOrAbove(prefix); len(applied) > 0 && !probePrefix(prefix, applied, all.atOrAbove(prefix), yield) {
				return
			}
		}
	}
}

// probePrefix returns the requests at one prefix and below it.
func probePrefix(prefix string, changed, all []*config.Route, yield func(probe) bool) bool {
	methods, headers := methodsAndHeaders(all)
	below := strings.TrimSuffix(prefix, "/") + belowPrefix
	for _, host := range hostsOf(changed, all) {
		for _, method := range methods {
			for _, header := range headers {
				if !yield(probe{method, host, prefix, header}) || !yield(probe{method, host, below, header}) {
					return false
				}
			}
		}
	}
	return true
}

// accessKey is all of a route that says which requests it takes, and what it asks.
func accessKey(r *config.Route) string {
	return fmt.Sprint(r.Prefix, r.Hosts, r.Methods, r.Headers, r.Handler, r.Auth, r.Roles)
}

// hostsOf returns the hosts to ask about: those of the changed routes, where all
// of them name some; else every one, and one that nobody names.
func hostsOf(changed, all []*config.Route) []string {
	from, hosts := changed, []string{}
	if slices.ContainsFunc(changed, func(r *config.Route) bool { return len(r.Hosts) == 0 }) {
		from, hosts = all, []string{otherHost}
	}
	for _, r := range from {
		for _, host := range r.Hosts {
			hosts = append(hosts, strings.Replace(host, "*", "any", 1))
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// methodsAndHeaders returns the methods and headers that the routes name, and one of each
// that none names.
func methodsAndHeaders(routes []*config.Route) (methods []string, headers []http.Header) {
	methods, headers = []string{http.MethodGet, otherMethod}, []http.Header{nil}
	seen := map[string]bool{}
	for _, r := range routes {
		methods = append(methods, r.Methods...)
		if key := fmt.Sprint(r.Headers); len(r.Headers) > 0 && !seen[key] {
			seen[key] = true
			header := http.Header{}
			for name, value := range r.Headers {
				header.Set(name, value)
			}
			headers = append(headers, header)
		}
	}
	slices.Sort(methods)
	return slices.Compact(methods), headers
}

// probed is what a probe meets: a route, or the methods that would have been
// allowed, or neither.
type probed struct {
	route *config.Route
	allow string
}

// lookup returns what a probe meets in a table.
func lookup(t *proxy.Table, p probe) probed {
	found := t.Routes().Lookup(p.path, route.Query{Method: p.method, Host: p.host, Header: p.header})
	if found.Route == nil {
		return probed{allow: found.Allow}
	}
	return probed{route: found.Route.Config}
}

// ruleOf returns what a route asks of its callers.
func ruleOf(r *config.Route) auth.Rule { return auth.Rule{Policy: r.Auth, Roles: r.Roles} }

// weaker reports whether somebody who was refused passes now. Policy and roles
// are apart: a stricter policy does not make up for a role that is let in.
func weaker(before, after auth.Rule) bool {
	if strictness(after.Policy) < strictness(before.Policy) {
		return true
	}
	if len(before.Roles) == 0 {
		return false
	}
	return len(after.Roles) == 0 ||
		slices.ContainsFunc(after.Roles, func(role string) bool { return !slices.Contains(before.Roles, role) })
}

// strictness orders the policies. Built-in endpoints, which carry their own,
// are as strict as can be: whatever replaces them deserves a look.
func strictness(policy config.Policy) int {
	switch policy {
	case config.PolicyNone:
		return 0
	case config.PolicyInitial:
		return 1
	case config.PolicyStrict:
		return 2
	}
	return 3
}

// policyText names a route with what it asks; "" for none.
func policyText(r *config.Route) string {
	if r == nil {
		return ""
	}
	policy := string(r.Auth)
	if r.Handler != "" {
		policy = "own policies"
	}
	if len(r.Roles) > 0 {
		policy += ", roles " + strings.Join(r.Roles, " ")
	}
	return fmt.Sprintf("%s (%s)", policy, r.Name)
}

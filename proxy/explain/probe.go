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

// maxProbes is the largest number of requests to compare. When tables differ more than
// that, a list of differences is not useful.
const maxProbes = 200_000

// probe decides the same requests with both tables. It reports those that pass more easily
// with the new one. There are three reasons: a policy was lowered, a role or a method limit
// was removed, or a route now gets requests of a stricter one.
//
// The route of a request changes only at a prefix. So it is enough to try one request at
// each prefix and one below it, for each host, method and header that a route there has.
// probe does that only where a route has changed.
func (d *Diff) probe(before, after *proxy.Table) {
	found := map[string]*weakening{}
	var list []*weakening
	addresses := addressChanges{}
	count := 0
	for probe := range probes(before, after) {
		if count++; count > maxProbes {
			d.Weaker = append(d.Weaker, "the tables differ in too much to compare every request: look at the routes themselves")
			break
		}
		change := describeWeakening(lookup(before, probe), lookup(after, probe), addresses)
		if change == "" {
			continue
		}
		// The first probe with a change is reported; later ones add their methods to it.
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

// weakening is a change that allows more, with the requests that it affects.
type weakening struct {
	probe   probe
	methods []string
	change  string
}

func (w *weakening) String() string {
	return fmt.Sprintf("%s %s: %s", strings.Join(w.methods, ", "), w.probe, w.change)
}

// describeWeakening describes the change for a request that now passes more easily. It
// returns "" for any other request.
func describeWeakening(old, now probed, addresses addressChanges) string {
	switch {
	case now.route == nil: // no route lets the request pass
	case old.route != nil && (weaker(ruleOf(old.route), ruleOf(now.route)) || hasOtherUsers(old.route, now.route)):
		return policyText(old.route) + " → " + policyText(now.route)
	case old.route != nil && old.route.Name != now.route.Name && isAnswered(old.route) && now.route.Backend != nil:
		return "answered by the gateway (" + old.route.Name + ") → backend " + now.route.Backend.Label() + ", " + policyText(now.route)
	case old.route != nil:
		return addresses.between(old.route, now.route)
	case old.allow != "":
		return "405 → " + policyText(now.route)
	}
	return ""
}

// isAnswered reports whether a redirect or a fixed answer answers the requests of a route.
func isAnswered(r *config.Route) bool { return r.Redirect != nil || r.Respond != nil }

// probe is a request that represents all requests that match the same routes.
type probe struct {
	method, host, path string
	header             http.Header
}

// String returns the request as a Diff shows it, without the method. The value of a header
// may be a secret, so String shows its digest.
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
	otherHost   = ""      // a host that no route has
	otherMethod = "OTHER" // a method that no route has
)

// byPrefix maps prefixes to their routes.
type byPrefix map[string][]*config.Route

// atOrAbove returns the routes of a prefix and of all shorter prefixes above it.
func (b byPrefix) atOrAbove(prefix string) []*config.Route {
	var list []*config.Route
	for at := prefix; ; at = parentPrefix(at) {
		list = append(list, b[at]...)
		if at == "/" {
			return list
		}
	}
}

// parentPrefix returns the prefix without its last segment.
func parentPrefix(prefix string) string {
	if cut := strings.LastIndexByte(prefix, '/'); cut > 0 {
		return prefix[:cut]
	}
	return "/"
}

// probes returns an iterator over the requests to compare two tables with.
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

// probePrefix yields the requests at one prefix and below it. It returns false when yield
// does.
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

// accessKey returns a text with all keys of a route that decide which requests it gets and
// who may send them.
func accessKey(r *config.Route) string {
	return fmt.Sprint(r.Prefix, r.Hosts, r.Methods, r.Headers, r.Handler, isAnswered(r), r.Auth, basicText(r), r.Roles, r.Claims, addressKey(r))
}

// hostsOf returns the hosts to try. When all changed routes have hosts, these are enough.
// Otherwise it returns the hosts of all routes, and one that no route has.
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

// methodsAndHeaders returns the methods and headers that the routes have, and one of each
// that no route has.
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

// probed is the result of a probe: the route that it matches, or the methods that would be
// allowed, or neither.
type probed struct {
	route *config.Route
	allow string
}

// lookup returns the result of a probe in a table.
func lookup(t *proxy.Table, p probe) probed {
	found := t.Routes().Lookup(p.path, route.Query{Method: p.method, Host: p.host, Header: p.header})
	if found.Route == nil {
		return probed{allow: found.Allow}
	}
	return probed{route: found.Route.Config}
}

// ruleOf returns the rule of a route, with policyBasic for one with `basic`.
func ruleOf(r *config.Route) auth.Rule {
	rule := auth.RuleOf(r)
	rule.Policy = policyOf(r)
	return rule
}

// policyBasic stands for PolicyNone together with `basic`.
const policyBasic config.Policy = "basic"

// policyOf returns the policy of a route.
func policyOf(r *config.Route) config.Policy {
	if r.Basic.File != "" {
		return policyBasic
	}
	return r.Auth
}

// weaker reports whether after allows a caller that before refuses. Policy, roles and each
// claim count separately: a stricter policy does not compensate for another allowed role.
func weaker(before, after auth.Rule) bool {
	if strictness(after.Policy) < strictness(before.Policy) {
		return true
	}
	if len(before.Roles) > 0 && isWidened(before.Roles, after.Roles) {
		return true
	}
	return slices.ContainsFunc(before.Claims, func(claim auth.ClaimRule) bool {
		kept := slices.IndexFunc(after.Claims, func(other auth.ClaimRule) bool { return other.Name == claim.Name })
		return kept < 0 || isWidened(claim.Values, after.Claims[kept].Values)
	})
}

// hasOtherUsers reports whether two routes ask for the passwords of different files.
// Their users may differ.
func hasOtherUsers(before, after *config.Route) bool {
	return before.Basic.File != "" && after.Basic.File != "" && basicText(before) != basicText(after)
}

// strictness returns the rank of a policy; greater is stricter. Built-in endpoints have
// their own policies. They rank highest, so that everything that replaces them is
// reported.
func strictness(policy config.Policy) int {
	switch policy {
	case config.PolicyNone:
		return 0
	case config.PolicyOptional: // a bad token is refused
		return 1
	case policyBasic:
		return 2
	case config.PolicyInitial:
		return 3
	case config.PolicyStrict:
		return 4
	}
	return 5
}

// claimsText returns the claims that a route requires as text, or "".
func claimsText(r *config.Route) string {
	var claims []string
	for _, name := range slices.Sorted(maps.Keys(r.Claims)) {
		claims = append(claims, name+"="+strings.Join(slices.Sorted(slices.Values(r.Claims[name])), "|"))
	}
	return strings.Join(claims, ", ")
}

// policyText returns the policy, the roles, the claims and the name of a route as text. It returns ""
// for nil.
func policyText(r *config.Route) string {
	if r == nil {
		return ""
	}
	policy := string(r.Auth)
	if r.Basic.File != "" {
		policy = "basic " + basicText(r)
	}
	if r.Handler != "" {
		policy = "own policies"
	}
	if len(r.Roles) > 0 {
		policy += ", roles " + strings.Join(r.Roles, " ")
	}
	if len(r.Claims) > 0 {
		policy += ", claims " + claimsText(r)
	}
	return fmt.Sprintf("%s (%s)", policy, r.Name)
}

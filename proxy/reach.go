package proxy

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"gatehouse/auth"
	"gatehouse/config"
)

// reach asks both tables about the same requests and notes each that the new
// one lets through more easily: a policy lowered, a role or a method limit
// dropped, a route that newly takes requests from a stricter one. Which route
// a request meets changes only at a prefix, so one request at each prefix of
// either table and one below it, for each host, method and header that a route
// there names, stand for all there are.
func (d *Diff) reach(before, after *Table) {
	var list []*weakening
	known := map[string]*weakening{}
	for _, probe := range probes(before, after) {
		change := weakened(before.guard(probe), after.guard(probe))
		if change == "" {
			continue
		}
		// The first probe of a change shows where; the others add their methods.
		w := known[change]
		if w == nil {
			w = &weakening{probe: probe, change: change}
			known[change] = w
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

// weakened says what changes for a request that now passes more easily, or "".
func weakened(old, now outcome) string {
	switch {
	case now.route == nil: // nothing is left that could let it through
	case old.route != nil && weaker(old.route.rule, now.route.rule):
		return guardText(old.route) + " → " + guardText(now.route)
	case old.allow != "":
		return "405 → " + guardText(now.route)
	}
	return ""
}

// probe is a request that stands for all that meet the same routes.
type probe struct {
	method, host, path string
	header             http.Header
}

// String is how a Diff names the requests, but for the method.
func (p probe) String() string {
	parts := []string{p.path}
	if p.host != "" {
		parts = append(parts, "(host "+p.host+")")
	}
	for _, name := range slices.Sorted(maps.Keys(p.header)) {
		parts = append(parts, fmt.Sprintf("(%s: %s)", name, p.header[name][0]))
	}
	return strings.Join(parts, " ")
}

// belowPrefix is a segment that no route has.
const belowPrefix = "/…"

// otherHost and otherMethod stand for those that no route names.
const (
	otherHost   = ""
	otherMethod = "OTHER"
)

// probes gathers the requests for two tables: at each prefix, with what the
// routes on the way to it ask for.
func probes(before, after *Table) []probe {
	prefixes := map[string][]*config.Route{}
	for _, t := range []*Table{before, after} {
		for _, r := range t.routes {
			prefixes[r.config.Prefix] = append(prefixes[r.config.Prefix], r.config)
		}
	}
	var list []probe
	for _, prefix := range slices.Sorted(maps.Keys(prefixes)) {
		hosts, methods, headers := asked(prefix, prefixes)
		below := strings.TrimSuffix(prefix, "/") + belowPrefix
		for _, host := range hosts {
			for _, method := range methods {
				for _, header := range headers {
					list = append(list, probe{method, host, prefix, header}, probe{method, host, below, header})
				}
			}
		}
	}
	return list
}

// asked gives the hosts, methods and headers that the routes of a prefix and
// of those above it name, and one of each that none names.
func asked(prefix string, prefixes map[string][]*config.Route) (hosts, methods []string, headers []http.Header) {
	hosts, methods, headers = []string{otherHost}, []string{http.MethodGet, otherMethod}, []http.Header{nil}
	for at := prefix; ; at = above(at) {
		for _, r := range prefixes[at] {
			for _, host := range r.Hosts {
				hosts = append(hosts, strings.Replace(host, "*", "any", 1))
			}
			methods = append(methods, r.Methods...)
			if len(r.Headers) > 0 {
				header := http.Header{}
				for name, value := range r.Headers {
					header.Set(name, value)
				}
				headers = append(headers, header)
			}
		}
		if at == "/" {
			break
		}
	}
	slices.Sort(hosts)
	slices.Sort(methods)
	return slices.Compact(hosts), slices.Compact(methods), headers
}

// above is the prefix one segment shorter.
func above(prefix string) string {
	if cut := strings.LastIndexByte(prefix, '/'); cut > 0 {
		return prefix[:cut]
	}
	return "/"
}

// guard finds the route that a probe meets, or the methods that would have
// been allowed.
func (t *Table) guard(p probe) outcome {
	return t.index.lookup(p.path, &query{method: p.method, host: p.host, header: p.header})
}

// weaker tells whether somebody who was refused passes now.
func weaker(before, after auth.Rule) bool {
	if strictness(after.Policy) != strictness(before.Policy) {
		return strictness(after.Policy) < strictness(before.Policy)
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

// guardText names a route with what it asks; "" for none.
func guardText(r *route) string {
	if r == nil {
		return ""
	}
	policy := string(r.config.Auth)
	if r.builtIn != nil {
		policy = "own policies"
	}
	if len(r.config.Roles) > 0 {
		policy += ", roles " + strings.Join(r.config.Roles, " ")
	}
	return fmt.Sprintf("%s (%s)", policy, r.config.Name)
}

// This file finds conflicts: two routes for the same request, with no rule that
// chooses one.

package config

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gatehouse/config/yamldoc"
)

// rank is what the choice between two routes of one prefix depends on. Routes
// of different rank never conflict. The longer prefix wins, then the more exact
// host, then the route with methods, then the one with more headers.
type rank struct {
	prefix  string
	host    string // one entry of `hosts`; "" for a route without hosts
	methods bool
	headers int
}

// candidate is a route of one rank.
type candidate struct {
	index int // in the table's routes
	route *Route
	field *yamldoc.Field
	names string // of its headers, folded and sorted
	all   string // the same, with values
}

// candidates are the routes of one rank. Routes with the same header names
// conflict only when the values are the same, too. So a table with one route
// per tenant is not compared pair by pair.
type candidates struct {
	byNames map[string][]candidate
	byAll   map[string][]candidate
}

// conflicts reports each route that conflicts with an earlier one.
func (v *validator) conflicts() {
	ranks := map[rank]*candidates{}
	for i, field := range v.file.Get("routes").Entries() {
		route := &v.config.Routes[i]
		if route.Prefix == "" || field.Get("prefix") == nil {
			continue
		}
		// The gateway refuses a request whose path a backend may read as
		// another route's.
		prefix := unescaped(route.Prefix)
		c := candidate{index: i, route: route, field: field}
		c.names, c.all = headerKeys(route.Headers)
		reported := false
		for _, host := range hostsOf(route) {
			r := rank{prefix, host, len(route.Methods) > 0, len(route.Headers)}
			if ranks[r] == nil {
				ranks[r] = &candidates{map[string][]candidate{}, map[string][]candidate{}}
			}
			if earlier, found := ranks[r].conflicting(c); found && !reported {
				reported = true
				reportConflict(c, earlier)
			}
			ranks[r].byNames[c.names] = append(ranks[r].byNames[c.names], c)
			ranks[r].byAll[c.all] = append(ranks[r].byAll[c.all], c)
		}
	}
}

// unescaped returns the prefix as a careless backend reads it: escapes decoded,
// and parameters removed.
func unescaped(prefix string) string {
	if !strings.Contains(prefix, "%") {
		return prefix
	}
	plain, err := url.PathUnescape(prefix)
	if err != nil {
		return prefix
	}
	segments := strings.Split(plain, "/")
	for i, segment := range segments {
		segments[i], _, _ = strings.Cut(segment, ";")
	}
	return strings.Join(segments, "/")
}

func hostsOf(route *Route) []string {
	if len(route.Hosts) == 0 {
		return []string{""}
	}
	return route.Hosts
}

// conflicting returns the first candidate that matches some request that c
// matches, too.
func (r *candidates) conflicting(c candidate) (first candidate, found bool) {
	for _, other := range r.byAll[c.all] {
		if methodsOverlap(c.route.Methods, other.route.Methods) {
			return other, true
		}
	}
	for names, others := range r.byNames {
		if names == c.names {
			continue
		}
		for _, other := range others {
			if found && other.index >= first.index {
				break
			}
			if methodsOverlap(c.route.Methods, other.route.Methods) && headersAgree(c.route.Headers, other.route.Headers) {
				first, found = other, true
			}
		}
	}
	return first, found
}

// methodsOverlap reports whether the lists share a method, or both are empty.
// GET includes HEAD.
func methodsOverlap(a, b []string) bool {
	if len(a) == 0 && len(b) == 0 {
		return true
	}
	return slices.ContainsFunc(a, func(method string) bool {
		return slices.Contains(b, method) ||
			method == http.MethodGet && slices.Contains(b, http.MethodHead) ||
			method == http.MethodHead && slices.Contains(b, http.MethodGet)
	})
}

// headersAgree reports whether one request can have the headers of both routes.
func headersAgree(a, b map[string]string) bool {
	for name, value := range a {
		for other, wanted := range b {
			if strings.EqualFold(name, other) && value != wanted {
				return false
			}
		}
	}
	return true
}

// headerKeys returns the headers of a route as two texts for comparing.
func headerKeys(headers map[string]string) (names, all string) {
	if len(headers) == 0 {
		return "", ""
	}
	folded := make(map[string]string, len(headers))
	for name, value := range headers {
		folded[strings.ToLower(name)] = value
	}
	sorted := slices.Sorted(maps.Keys(folded))
	var b strings.Builder
	for _, name := range sorted {
		b.WriteString(name + "\x00" + folded[name] + "\x00")
	}
	return strings.Join(sorted, "\x00"), b.String()
}

// reportConflict reports the conflict at the later route.
func reportConflict(later, earlier candidate) {
	what := "the same prefix"
	if later.route.Prefix != earlier.route.Prefix {
		what = "another spelling of the same prefix"
	}
	if len(later.route.Hosts) > 0 {
		what += " and host"
	}
	later.field.Get("prefix").Report(
		later.field.Name()+" conflicts with "+earlier.field.Name()+": "+what+", and no other key distinguishes them",
		"first defined at "+earlier.field.PlaceFrom(later.field)+"; give one of them other methods, hosts or headers, or remove it")
}

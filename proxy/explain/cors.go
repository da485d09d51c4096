package explain

import (
	"fmt"
	"slices"
	"strings"

	"gatehouse/config"
)

// compareCORS reports the differences between two cross-origin policies. at begins the
// names of the keys. A change is weaker when it allows pages more.
func compareCORS(changed report, at string, old, now *config.CORS) {
	if old == nil {
		old = &config.CORS{}
	}
	if now == nil {
		now = &config.CORS{}
	}
	changedSet(changed, at+".origins", old.Origins, now.Origins)
	changed(at+".credentials", fmt.Sprint(old.Credentials), fmt.Sprint(now.Credentials), now.Credentials)
	limit := func(key string, old, now []string, text func([]string) string) {
		changed(at+"."+key, text(old), text(now), len(old) > 0 && isWidened(old, now))
	}
	if len(old.Origins) > 0 && len(now.Origins) > 0 { // else the policy as a whole is new, or gone
		limit("allow_methods", old.AllowMethods, now.AllowMethods, allText("the routes' methods"))
		limit("allow_headers", old.AllowHeaders, now.AllowHeaders, allText("any"))
		changed(at+".private_network", fmt.Sprint(old.PrivateNetwork), fmt.Sprint(now.PrivateNetwork), now.PrivateNetwork)
	}
	changedSet(changed, at+".expose", old.Expose, now.Expose)
	changed(at+".max_age", old.MaxAge.String(), now.MaxAge.String(), false)
}

// allText returns a function for the text of a list, where an empty list means all.
func allText(all string) func([]string) string {
	return func(list []string) string {
		if len(list) == 0 {
			return all
		}
		return strings.Join(slices.Sorted(slices.Values(list)), ", ")
	}
}

// loosenedCORS reports what pages of other origins can do on a route now, and could not
// before. When both versions of the route have the policy of the table, global reports it.
func (d *Diff) loosenedCORS(before, after *config.Config, old, now *config.Route) {
	if old.CORS == nil && now.CORS == nil {
		return
	}
	was, is := before.CORSOf(old), after.CORSOf(now)
	if was != nil && is == nil {
		d.Weaker = append(d.Weaker, fmt.Sprintf("route %s: cors: %s → off, and the backend decides", now.Name, corsText(was)))
		return
	}
	compareCORS(func(key, old, is string, weaker bool) {
		if old != is && weaker {
			d.Weaker = append(d.Weaker, fmt.Sprintf("route %s: %s %s → %s", now.Name, key, orNone(old), orNone(is)))
		}
	}, "cors", was, is)
}

// corsText returns a cross-origin policy as text, or "" for none.
func corsText(policy *config.CORS) string {
	switch {
	case policy == nil:
		return ""
	case policy.Off:
		return "off"
	}
	parts := []string{strings.Join(slices.Sorted(slices.Values(policy.Origins)), ", ")}
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+" "+value)
		}
	}
	if policy.Credentials {
		parts = append(parts, "credentials")
	}
	add("allow_methods", strings.Join(policy.AllowMethods, ", "))
	add("allow_headers", strings.Join(policy.AllowHeaders, ", "))
	add("expose", strings.Join(policy.Expose, ", "))
	add("max_age", policy.MaxAge.String())
	if !policy.PrivateNetwork {
		parts = append(parts, "private_network false")
	}
	return strings.Join(parts, "; ")
}

// corsOf describes the cross-origin policy of a route for an explanation, with its place.
func corsOf(cfg *config.Config, r *config.Route) string {
	switch policy := cfg.CORSOf(r); {
	case policy == nil && (r.CORS != nil || cfg.CORS != nil):
		return "off: the backend decides"
	case policy == nil:
		return ""
	case r.CORS != nil:
		return corsText(policy) + " (of the route)"
	default:
		return corsText(policy) + " (of the table)"
	}
}

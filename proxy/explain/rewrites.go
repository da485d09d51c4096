package explain

import (
	"fmt"
	"net/http"

	"gatehouse/config"
	"gatehouse/config/pathexp"
	"gatehouse/proxy"
)

// rewrites reports a rewrite that was added, changed or removed. Callers of the route then
// reach other paths of the backend, and no other route decides about them. So it counts as
// a change that allows more.
func (d *Diff) rewrites(before, after *proxy.Table, old, now *config.Route) {
	if old.Backend == nil || now.Backend == nil || rewriteText(old.Rewrite) == rewriteText(now.Rewrite) {
		return
	}
	line := fmt.Sprintf("route %s: rewrite %s → %s", now.Name, orNone(rewriteText(old.Rewrite)), orNone(rewriteText(now.Rewrite)))
	d.Weaker = append(d.Weaker, line+rewriteExample(before, after, old, now))
}

// rewriteText returns a rewrite as text, or "" for none.
func rewriteText(r *config.Rewrite) string {
	if r == nil {
		return ""
	}
	return r.From + " to " + r.To
}

// rewriteExample returns a path that both tables forward in different ways, as text. It
// returns "" when it finds none.
func rewriteExample(before, after *proxy.Table, old, now *config.Route) string {
	for _, r := range []*config.Route{now, old} {
		if r.Rewrite == nil {
			continue
		}
		from, f := pathexp.Parse(r.Rewrite.From)
		if f != nil {
			continue
		}
		for _, path := range from.Samples() {
			was, is := forwardedPath(before, old, path), forwardedPath(after, now, path)
			if was != "" && is != "" && was != is {
				return fmt.Sprintf("; %s is forwarded as %s, before as %s", path, is, was)
			}
		}
	}
	return ""
}

// forwardedPath returns the path that a backend gets when a request for a path matches the
// route, or "".
func forwardedPath(table *proxy.Table, r *config.Route, path string) string {
	header := http.Header{}
	for name, value := range r.Headers {
		header.Set(name, value)
	}
	s := sample{method: sampleMethod(r), host: sampleHosts(r)[0], path: path}
	if d := s.decide(table, header, allowedPeer(r)); d.Forwarded != nil && d.Route.Config == r {
		return d.Forwarded.URL.Opaque
	}
	return ""
}

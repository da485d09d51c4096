package explain

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gatehouse/config"
	"gatehouse/proxy"
)

// namedBackends compares the named backends: the servers that they gain and lose, and
// their other keys.
func (d *Diff) namedBackends(before, after *proxy.Table) {
	backends := [2]map[string]*config.Backend{before.Config().Backends, after.Config().Backends}
	for _, name := range namesIn(backends[0], backends[1]) {
		old, now := backends[0][name], backends[1][name]
		switch {
		case old == nil:
			d.Added = append(d.Added, "backend "+name+": "+serversText(now))
		case now == nil:
			d.Removed = append(d.Removed, "backend "+name+": "+serversText(old))
		default:
			d.servers(old, now)
			d.backendKeys(old, now)
			if was, is := before.BackendAuthorities(name), after.BackendAuthorities(name); was != is && backendTLSText(old) == backendTLSText(now) {
				d.Weaker = append(d.Weaker, fmt.Sprintf("backend %s: tls.ca: contents of %s #%s → #%s", name, now.TLS.CA, was, is))
			}
			if old.MaxRequests > 0 && (now.MaxRequests == 0 || now.MaxRequests > old.MaxRequests) {
				d.Weaker = append(d.Weaker, fmt.Sprintf("backend %s: max_requests %d → %d", name, old.MaxRequests, now.MaxRequests))
			}
			if old.Share && !now.Share {
				d.Changed = append(d.Changed, "backend "+name+": share true → false")
			}
			if now.Share && !old.Share {
				d.Weaker = append(d.Weaker, "backend "+name+": share false → true: files of other owners may name it")
			}
		}
	}
}

// serversText returns the servers of a backend as text.
func serversText(b *config.Backend) string {
	if b.Discover != nil {
		return "discover " + discoverText(b.Discover)
	}
	list := make([]string, len(b.Servers))
	for i, s := range b.Servers {
		list[i] = s.URL.Redacted()
		if s.Weight != 1 {
			list[i] += " (weight " + strconv.FormatInt(int64(s.Weight), 10) + ")"
		}
	}
	return strings.Join(list, ", ")
}

// servers compares the listed servers of a backend.
func (d *Diff) servers(old, now *config.Backend) {
	add := func(format string, args ...any) {
		d.Changed = append(d.Changed, "backend "+now.Name+": "+fmt.Sprintf(format, args...))
	}
	weights := map[string]config.Server{}
	for _, s := range old.Servers {
		weights[s.URL.Redacted()] = s
	}
	for _, s := range now.Servers {
		text := s.URL.Redacted()
		was, found := weights[text]
		delete(weights, text)
		switch {
		case !found:
			add("gains the server %s", serversText(&config.Backend{Servers: []config.Server{s}}))
		case was.Weight != s.Weight:
			add("weight of %s %d → %d", text, was.Weight, s.Weight)
		}
	}
	for _, s := range old.Servers {
		if _, lost := weights[s.URL.Redacted()]; lost {
			add("loses the server %s", s.URL.Redacted())
		}
	}
}

// backendKeys compares the keys of a backend other than its servers.
func (d *Diff) backendKeys(old, now *config.Backend) {
	was, is := backendFields(old), backendFields(now)
	for i := range is {
		if was[i].value != is[i].value {
			d.Changed = append(d.Changed, fmt.Sprintf("backend %s: %s %s → %s", now.Name, is[i].key, orNone(was[i].value), orNone(is[i].value)))
		}
	}
}

// backendFields returns the keys of a backend other than its servers, with their values as
// text that can be compared.
func backendFields(b *config.Backend) []fieldValue {
	sticky := ""
	if b.Sticky != nil {
		sticky = "cookie " + b.Sticky.Cookie + " for " + b.Sticky.TTL.String()
	}
	return []fieldValue{
		{"discover", discoverText(b.Discover)},
		{"balance", string(b.Balance)},
		{"hash", b.Hash.String()},
		{"sticky", sticky},
		{"health", healthText(b.Health)},
		{"passive", passiveText(b.Passive)},
		{"retry", cmp.Or(retryText(b.Retry), "off")},
		{"max_requests", strconv.FormatInt(int64(b.MaxRequests), 10)},
		{"max_waiting", strconv.FormatInt(int64(b.MaxWaiting), 10)},
		{"max_wait", b.MaxWait.String()},
		{"timeout", givenText(b.Timeout)},
		{"connect_timeout", givenText(b.ConnectTimeout)},
		{"idle_timeout", givenText(b.IdleTimeout)},
		{"protocol", givenText(b.Protocol)},
		{"preserve_host", givenText(b.PreserveHost)},
		{"tls", backendTLSText(b)},
	}
}

// backendTLSText returns `tls` of a backend as text, or "".
func backendTLSText(b *config.Backend) string {
	if b.TLS == nil {
		return ""
	}
	path := func(file string) string { return pathText(b.Folder, b.TLS.Folder, file) }
	return fmt.Sprintf("ca %q cert %q key %q server_name %q", path(b.TLS.CA), path(b.TLS.Cert), path(b.TLS.Key), b.TLS.ServerName)
}

// givenText returns a value as text, or "" when it is not given.
func givenText[T any](v *T) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(*v)
}

// targets returns a route as it forwards to each of its backends.
func targets(r *config.Route) []*config.Route {
	if r.Backend.IsURL() {
		return []*config.Route{r}
	}
	list := make([]*config.Route, len(r.Backend.Shares))
	for i, share := range r.Backend.Shares {
		list[i] = share.Route
	}
	return list
}

// mirrors returns a route as it forwards copies, or nothing.
func mirrors(r *config.Route) []*config.Route {
	if r.Mirror == nil {
		return nil
	}
	return []*config.Route{r.Mirror.Route}
}

// hasScheme reports whether one of the routes leads to a server with a scheme.
func hasScheme(routes []*config.Route, scheme string) bool {
	return slices.ContainsFunc(routes, func(r *config.Route) bool { return r.Backend.First().Scheme == scheme })
}

// weakenedConnection reports changes that let others read the requests of a route, answer
// them, or reach more of its servers.
func weakenedConnection(old, now *config.Route, add func(what, before, after string)) {
	before, after := targets(old), targets(now)
	if !hasScheme(before, "http") && hasScheme(after, "http") {
		add("backend's scheme", "https", "http")
	}
	weakenedServers(before, after, add)
	copied, copies := mirrors(old), mirrors(now)
	if !hasScheme(before, "http") && !hasScheme(copied, "http") && hasScheme(copies, "http") {
		add("mirror's scheme", "https", "http")
	}
	if len(copied) > 0 {
		weakenedServers(copied, copies, func(what, before, after string) { add("mirror: "+what, before, after) })
	}
}

// weakenedServers reports changes in how servers are verified, and in the paths that they
// are asked for.
func weakenedServers(before, after []*config.Route, add func(what, before, after string)) {
	if pinned, other, found := otherAuthorities(before, after); found {
		add("tls.ca", pinned, other)
	}
	unchanged := slices.EqualFunc(before, after, sameServers)
	for _, what := range []struct {
		key   string
		of    func(*config.Route, *url.URL) string
		wider func(before, after string) bool
	}{
		{"tls.server_name", verifiedName, func(before, after string) bool { return before != "" && after != "" }},
		{"reaches the backend's paths", reachedPath, func(before, after string) bool { return strings.HasPrefix(before, strings.TrimSuffix(after, "…")) }},
	} {
		was, is := byHost(before, what.of, unchanged), byHost(after, what.of, unchanged)
		for _, host := range slices.Sorted(maps.Keys(is)) {
			if earlier, found := was[host]; found && earlier != is[host] && what.wider(earlier, is[host]) {
				add(what.key, earlier, is[host])
				break // the other servers have changed in the same way
			}
		}
	}
}

// sameServers reports whether two routes lead to the same list of servers.
func sameServers(a, b *config.Route) bool {
	if len(a.Backend.Shares) != 1 || len(b.Backend.Shares) != 1 {
		return false
	}
	return slices.EqualFunc(a.Backend.Shares[0].Backend.Servers, b.Backend.Shares[0].Backend.Servers, func(a, b config.Server) bool { return *a.URL == *b.URL })
}

// byHost returns what of says about each server of the routes, or about the first server of
// each, by the server's host.
func byHost(routes []*config.Route, of func(*config.Route, *url.URL) string, firstOnly bool) map[string]string {
	values := map[string]string{}
	for _, r := range routes {
		if firstOnly {
			values[r.Backend.First().Host] = of(r, r.Backend.First())
			continue
		}
		for _, server := range r.Backend.Servers() {
			values[server.Host] = of(r, server)
		}
	}
	return values
}

// verifiedName returns the name that the certificate of a server must have, or "" without
// TLS.
func verifiedName(r *config.Route, server *url.URL) string {
	if server.Scheme != "https" {
		return ""
	}
	return cmp.Or(tlsOf(r).ServerName, server.Hostname())
}

// reachedPath returns the path of a server below which callers reach all paths. A rewrite
// may lead elsewhere; see rewrites.
func reachedPath(r *config.Route, server *url.URL) string {
	if r.StripPrefix {
		return basePath(server) + "/…"
	}
	return basePath(server) + strings.TrimSuffix(r.Prefix, "/") + "/…"
}

func basePath(server *url.URL) string { return strings.TrimSuffix(server.EscapedPath(), "/") }

// otherAuthorities returns authorities that a route trusts now, in place of those that it
// named before: for the same servers, or for all.
func otherAuthorities(before, after []*config.Route) (pinned, other string, found bool) {
	for _, now := range after {
		if now.Backend.First().Scheme != "https" {
			continue
		}
		same := slices.DeleteFunc(slices.Clone(before), func(r *config.Route) bool { return !sharesServer(r, now) })
		if len(same) == 0 {
			same = before
		}
		if named, all := authorities(same); all && !slices.Contains(named, tlsPath(now, tlsOf(now).CA)) {
			return named[0], tlsPath(now, tlsOf(now).CA), true
		}
	}
	return "", "", false
}

// authorities returns the authorities that routes name, and reports whether each of them
// names some. Those of the system have no name.
func authorities(routes []*config.Route) (named []string, all bool) {
	for _, r := range routes {
		if tlsOf(r).CA == "" {
			return nil, false
		}
		named = append(named, tlsPath(r, tlsOf(r).CA))
	}
	return named, true
}

// sharesServer reports whether two routes lead to the same server.
func sharesServer(a, b *config.Route) bool {
	return slices.ContainsFunc(a.Backend.Servers(), func(server *url.URL) bool {
		return slices.ContainsFunc(b.Backend.Servers(), func(other *url.URL) bool { return other.Host == server.Host })
	})
}

// tlsPath returns a path of `tls` of a route or of its backend, as pathText does.
func tlsPath(r *config.Route, file string) string {
	included := r.Folder
	if r.Backend != nil && len(r.Backend.Shares) == 1 && r.Backend.Shares[0].Backend.TLS == r.TLS {
		included = r.Backend.Shares[0].Backend.Folder
	}
	return pathText(included, tlsOf(r).Folder, file)
}

package explain

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"gatehouse/config"
	"gatehouse/proxy"
)

// weakened compares two versions of a route. It finds changes that allow more, but that
// probe does not find: the route may have moved, or may match requests that were 404
// before.
func (d *Diff) weakened(old, now *config.Route) {
	if old.Handler != "" || now.Handler != "" {
		return // probe reports it
	}
	if old.Backend == nil && now.Backend != nil {
		d.Weaker = append(d.Weaker, fmt.Sprintf("route %s: answered by the gateway → backend %s, %s", now.Name, now.Backend.Label(), policyText(now)))
	}
	add := func(what, before, after string) {
		d.Weaker = append(d.Weaker, fmt.Sprintf("route %s: %s %s → %s", now.Name, what, orNone(before), orNone(after)))
	}
	moved := old.Prefix != now.Prefix || !slices.Equal(old.Hosts, now.Hosts) || !maps.Equal(old.Headers, now.Headers)
	if moved && (weaker(ruleOf(old), ruleOf(now)) || hasOtherUsers(old, now)) {
		add("moved, and policy", policyText(old), policyText(now))
	}
	if change := addressChange(old, now); moved && change != "" {
		d.Weaker = append(d.Weaker, fmt.Sprintf("route %s: moved, and %s", now.Name, change))
	}
	if len(old.Hosts) > 0 && isWidened(old.Hosts, now.Hosts) {
		add("hosts", strings.Join(old.Hosts, ", "), orAny(strings.Join(now.Hosts, ", ")))
	}
	for name, value := range old.Headers {
		if now.Headers[name] != value {
			add("header "+name, digest(value), orAny(digest(now.Headers[name])))
		}
	}
	if now.Backend == nil {
		return // the rest is about forwarding
	}
	if len(now.Upgrade) > 0 && isWidened(append([]string{""}, old.Upgrade...), now.Upgrade) {
		add("upgrade", strings.Join(old.Upgrade, ", "), strings.Join(now.Upgrade, ", "))
	}
	for _, flag := range []struct {
		key      string
		old, now bool
	}{{"forward_token", old.ForwardToken, now.ForwardToken}, {"allow_encoded_slashes", old.AllowEncodedSlashes, now.AllowEncodedSlashes}} {
		if flag.now && !flag.old {
			add(flag.key, "false", "true")
		}
	}
	loosenedHeaders(old.RequestHeaders, now.RequestHeaders, add)
	if old.MaxBody > 0 && (now.MaxBody == 0 || now.MaxBody > old.MaxBody) {
		add("max_body", old.MaxBody.String(), now.MaxBody.String())
	}
	if old.Backend == nil {
		return
	}
	if !hasScheme(old, "http") && hasScheme(now, "http") {
		add("backend's scheme", "https", "http")
	}
	if oldTLS, nowTLS := tlsOf(old), tlsOf(now); oldTLS.CA != "" && nowTLS.CA == "" && hasScheme(now, "https") {
		add("tls.ca", oldTLS.CA, "")
	}
	if now.Auth != config.PolicyStrict {
		paths := basePaths(old)
		for _, server := range now.Backend.Servers() {
			before, found := paths[server.Host]
			if after := basePath(server); found && before != after && strings.HasPrefix(before, after) {
				add("backend's base path", before, after)
				break
			}
		}
	}
}

// hasScheme reports whether a route leads to a server with a scheme.
func hasScheme(r *config.Route, scheme string) bool {
	return slices.ContainsFunc(r.Backend.Servers(), func(server *url.URL) bool { return server.Scheme == scheme })
}

func basePath(server *url.URL) string { return strings.TrimSuffix(server.EscapedPath(), "/") }

// basePaths returns the base path of each server of a route, by host.
func basePaths(r *config.Route) map[string]string {
	paths := map[string]string{}
	for _, server := range r.Backend.Servers() {
		paths[server.Host] = basePath(server)
	}
	return paths
}

// isWidened reports whether a list of allowed values allows more now. An empty list allows
// everything.
func isWidened(old, now []string) bool {
	return len(now) == 0 || slices.ContainsFunc(now, func(v string) bool { return !slices.Contains(old, v) })
}

func tlsOf(r *config.Route) config.TLS {
	if r.TLS == nil {
		return config.TLS{}
	}
	return *r.TLS
}

// backends compares the policies in front of each backend. It reports a backend that is now
// reached with a weaker policy than that of every route to it before.
func (d *Diff) backends(before, after *proxy.Table) {
	weakest := map[string]*config.Route{} // the weakest route to each backend
	for _, r := range routesOf(before) {
		for _, server := range r.Backend.Servers() {
			if has := weakest[server.Host]; has == nil || weaker(ruleOf(has), ruleOf(r)) {
				weakest[server.Host] = r
			}
		}
	}
	old := routesByName(before)
	for _, r := range routesOf(after) {
		same := old[r.Name]
		for _, server := range r.Backend.Servers() {
			was := weakest[server.Host]
			if was == nil || strictness(policyOf(r)) >= strictness(policyOf(was)) {
				continue
			}
			if same != nil && same.Prefix == r.Prefix && leadsTo(same, server.Host) {
				continue // the policy of the route itself was lowered, which probe has reported
			}
			d.Weaker = append(d.Weaker, fmt.Sprintf("backend %s: reached with %s at least → %s",
				server.Host, policyText(was), policyText(r)))
			break
		}
	}
}

// leadsTo reports whether a route leads to a server with a host.
func leadsTo(r *config.Route, host string) bool {
	return slices.ContainsFunc(r.Backend.Servers(), func(server *url.URL) bool { return server.Host == host })
}

// digest returns a short hash to show instead of a text that may be a secret.
func digest(text string) string {
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return "#" + hex.EncodeToString(sum[:4])
}

// digests returns a map as text, with digests instead of the values.
func digests[V ~string](values map[string]V) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		list = append(list, name+"="+digest(string(values[name])))
	}
	return strings.Join(list, ", ")
}

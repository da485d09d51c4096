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
	add := func(what, before, after string) {
		d.Weaker = append(d.Weaker, fmt.Sprintf("route %s: %s %s → %s", now.Name, what, orNone(before), orNone(after)))
	}
	switch {
	case isAnswered(old) && now.Backend != nil:
		d.Weaker = append(d.Weaker, fmt.Sprintf("route %s: answered by the gateway → backend %s, %s", now.Name, now.Backend.Label(), policyText(now)))
	case isAnswered(old) && now.Handler != "":
		d.Weaker = append(d.Weaker, fmt.Sprintf("route %s: answered by the gateway → handler %s", now.Name, now.Handler))
	}
	d.weakenedMatch(old, now, add)
	if old.Backend != nil && now.Backend != nil { // else probe or a line above has said it
		weakenedForwarding(old, now, add)
	}
}

// weakenedMatch compares which requests two versions of a route match, and from whom.
func (d *Diff) weakenedMatch(old, now *config.Route, add func(what, before, after string)) {
	moved := old.Prefix != now.Prefix || !slices.Equal(old.Hosts, now.Hosts) || !maps.Equal(old.Headers, now.Headers)
	if moved && (weaker(ruleOf(old), ruleOf(now)) || hasOtherUsers(old, now)) {
		add("moved, and policy", policyText(old), policyText(now))
	}
	if change := addressChange(old, now); moved && change != "" {
		d.Weaker = append(d.Weaker, fmt.Sprintf("route %s: moved, and %s", now.Name, change))
	}
	if len(old.Hosts) > 0 && !coversHosts(old.Hosts, now.Hosts) {
		add("hosts", strings.Join(old.Hosts, ", "), orAny(strings.Join(now.Hosts, ", ")))
	}
	for _, name := range slices.Sorted(maps.Keys(old.Headers)) {
		if value := old.Headers[name]; now.Headers[name] != value {
			add("header "+name, digest(value), orAny(digest(now.Headers[name])))
		}
	}
}

// coversHosts reports whether every host that matches now matches old, too. An empty list
// matches every host.
func coversHosts(old, now []string) bool {
	return len(now) > 0 && !slices.ContainsFunc(now, func(host string) bool {
		return !slices.ContainsFunc(old, func(pattern string) bool {
			below, wild := strings.CutPrefix(pattern, "*")
			return host == pattern || wild && strings.HasSuffix(host, below)
		})
	})
}

// weakenedForwarding compares what two versions of a route let through to the backend.
func weakenedForwarding(old, now *config.Route, add func(what, before, after string)) {
	if len(now.Upgrade) > 0 && isWidened(append([]string{""}, old.Upgrade...), now.Upgrade) {
		add("upgrade", strings.Join(old.Upgrade, ", "), strings.Join(now.Upgrade, ", "))
	}
	for _, flag := range []struct {
		key      string
		old, now bool
	}{
		{"forward_token", old.ForwardToken, now.ForwardToken},
		{"allow_encoded_slashes", old.AllowEncodedSlashes, now.AllowEncodedSlashes},
		{"preserve_host", choosesHost(old), choosesHost(now)},
	} {
		if flag.now && !flag.old {
			add(flag.key, "false", "true")
		}
	}
	loosenedHeaders(old.RequestHeaders, now.RequestHeaders, add)
	if old.MaxBody > 0 && (now.MaxBody == 0 || now.MaxBody > old.MaxBody) {
		add("max_body", old.MaxBody.String(), now.MaxBody.String())
	}
	weakenedConnection(old, now, add)
}

// choosesHost reports whether clients choose the Host that the backend gets. A backend with
// several sites then answers for any of them.
func choosesHost(r *config.Route) bool {
	isPattern := func(host string) bool { return strings.HasPrefix(host, "*") }
	preserves := r.Backend != nil && slices.ContainsFunc(append(targets(r), mirrors(r)...), func(to *config.Route) bool { return to.PreserveHost })
	return preserves && (len(r.Hosts) == 0 || slices.ContainsFunc(r.Hosts, isPattern))
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

// backends compares who reaches each backend. It reports a route that lets a caller reach a
// backend whom no route to it let through before.
func (d *Diff) backends(before, after *proxy.Table, twins map[*config.Route]*config.Route) {
	reached := map[string][]*config.Route{} // by backend, one route for each rule
	seen := map[string]bool{}
	for _, r := range routesOf(before) {
		rule := ruleKey(r)
		for _, server := range r.Servers() {
			if key := server.Host + " " + rule; !seen[key] {
				seen[key] = true
				reached[server.Host] = append(reached[server.Host], r)
			}
		}
	}
	for _, r := range routesOf(after) {
		rule := ruleKey(r)
		for _, server := range r.Servers() {
			host := server.Host
			if len(reached[host]) == 0 || seen[host+" "+rule] {
				continue
			}
			if same := twins[r]; same != nil && same.Prefix == r.Prefix && leadsTo(same, host) {
				continue // the route itself lets more through, which probe has reported
			}
			if change := reachedBy(reached[host], r); change != "" {
				d.Weaker = append(d.Weaker, fmt.Sprintf("backend %s: reached %s", host, change))
				break
			}
		}
	}
}

// leadsTo reports whether a route leads to a server with a host.
func leadsTo(r *config.Route, host string) bool {
	return slices.ContainsFunc(r.Servers(), func(server *url.URL) bool { return server.Host == host })
}

// ruleKey returns a text that is equal for two routes that let the same callers through.
func ruleKey(r *config.Route) string {
	return fmt.Sprint(ruleOf(r), basicText(r), addressKey(r))
}

// reachedBy describes the callers whom a route lets through, and none of the others did. It
// returns "" when one of the others lets them all through.
func reachedBy(others []*config.Route, r *config.Route) string {
	var weakest *config.Route // of the policies
	from := ""
	for _, other := range others {
		isWeaker, addresses := weaker(ruleOf(other), ruleOf(r)) || hasOtherUsers(other, r), addressChange(other, r)
		switch {
		case !isWeaker && addresses == "":
			return ""
		case !isWeaker:
			from = addresses
		case weakest == nil || weaker(ruleOf(weakest), ruleOf(other)):
			weakest = other
		}
	}
	if from != "" {
		return from
	}
	return "with " + policyText(weakest) + " at least → " + policyText(r)
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

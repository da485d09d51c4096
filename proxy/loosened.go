package proxy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gatehouse/config"
)

// loosened compares two versions of a route for what lets more through though
// no request that was taken before shows it: the route may have moved, or it
// may take what was 404.
func (d *Diff) loosened(before, after *route) {
	if before.builtIn != nil || after.builtIn != nil {
		return // reach says it
	}
	note := func(what, old, now string) {
		d.Weaker = append(d.Weaker, fmt.Sprintf("route %s: %s %s → %s", after.config.Name, what, orNone(old), orNone(now)))
	}
	old, now := before.config, after.config
	moved := old.Prefix != now.Prefix || !slices.Equal(old.Hosts, now.Hosts) || !maps.Equal(old.Headers, now.Headers)
	if moved && weaker(before.rule, after.rule) {
		note("moved, and policy", guardText(before), guardText(after))
	}
	if len(old.Hosts) > 0 && widened(old.Hosts, now.Hosts) {
		note("hosts", strings.Join(old.Hosts, ", "), strings.Join(now.Hosts, ", "))
	}
	for name, value := range old.Headers {
		if now.Headers[name] != value {
			note("header "+name, digest(value), digest(now.Headers[name]))
		}
	}
	if len(now.Upgrade) > 0 && widened(append([]string{""}, old.Upgrade...), now.Upgrade) {
		note("upgrade", strings.Join(old.Upgrade, ", "), strings.Join(now.Upgrade, ", "))
	}
	for _, on := range []struct {
		key      string
		old, now bool
	}{{"forward_token", old.ForwardToken, now.ForwardToken}, {"allow_encoded_slashes", old.AllowEncodedSlashes, now.AllowEncodedSlashes}} {
		if on.now && !on.old {
			note(on.key, "false", "true")
		}
	}
	if old.MaxBody > 0 && (now.MaxBody == 0 || now.MaxBody > old.MaxBody) {
		note("max_body", old.MaxBody.String(), now.MaxBody.String())
	}
	if old.Backend.Scheme == "https" && now.Backend.Scheme == "http" {
		note("backend's scheme", "https", "http")
	}
	if oldTLS, nowTLS := tlsOf(old), tlsOf(now); oldTLS.CA != "" && nowTLS.CA == "" && now.Backend.Scheme == "https" {
		note("tls.ca", oldTLS.CA, "")
	}
	if old.Backend.Host == now.Backend.Host && before.base != after.base && strings.HasPrefix(before.base, after.base) && now.Auth != config.PolicyStrict {
		note("backend's base path", before.base, after.base)
	}
}

// widened reports whether a limit takes in more: an empty one takes in all.
func widened(old, now []string) bool {
	return len(now) == 0 || slices.ContainsFunc(now, func(v string) bool { return !slices.Contains(old, v) })
}

func tlsOf(r *config.Route) config.TLS {
	if r.TLS == nil {
		return config.TLS{}
	}
	return *r.TLS
}

// backends compares what every backend is guarded by: one that only stricter
// routes led to is newly reached with less.
func (d *Diff) backends(before, after *Table) {
	guarded := map[string]*route{} // the weakest route to each backend
	for _, r := range before.routes {
		if r.builtIn != nil {
			continue
		}
		key := r.config.Backend.Host
		if has := guarded[key]; has == nil || weaker(has.rule, r.rule) {
			guarded[key] = r
		}
	}
	old := routesByName(before)
	for _, r := range after.routes {
		if r.builtIn != nil {
			continue
		}
		was := guarded[r.config.Backend.Host]
		if was == nil || strictness(r.rule.Policy) >= strictness(was.rule.Policy) {
			continue
		}
		if same := old[r.config.Name]; same != nil && same.builtIn == nil && same.config.Backend.Host == r.config.Backend.Host &&
			same.config.Prefix == r.config.Prefix {
			continue // its own policy was lowered, which reach has said
		}
		d.Weaker = append(d.Weaker, fmt.Sprintf("backend %s: reached with %s at least → %s",
			r.config.Backend.Host, guardText(was), guardText(r)))
	}
}

// digest stands for a text that may be a secret: equal texts have equal ones.
func digest(text string) string {
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return "#" + hex.EncodeToString(sum[:4])
}

// digests writes a mapping whose values may be secrets.
func digests(values map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		list = append(list, name+"="+digest(values[name]))
	}
	return strings.Join(list, ", ")
}

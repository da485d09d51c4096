// This file finds mistakes with the addresses of clients: sets that nothing
// uses, routes that nobody reaches, and holes below a route with allow_from.

package lint

import (
	"fmt"
	"strings"

	"gatehouse/config"
)

func (l *linter) warnAddresses() {
	l.warnUnusedSets()
	parents := map[string][]candidate{} // routes that check addresses, by prefix
	for i, field := range l.file.Get("routes").Entries() {
		route := &l.table.Routes[i]
		if !route.ChecksAddresses() {
			continue
		}
		parents[route.Prefix] = append(parents[route.Prefix], candidate{route: route, field: field})
		if len(route.AllowFrom.Entries) > 0 && len(route.AllowedAddresses().Ranges()) == 0 {
			field.WarnAt("deny_from", field.Name()+": deny_from has every address of allow_from: every request is refused",
				"deny_from wins; list fewer addresses in it")
		}
	}
	if len(parents) == 0 {
		return
	}
	for i, field := range l.file.Get("routes").Entries() {
		warnHole(candidate{route: &l.table.Routes[i], field: field}, parents)
	}
	l.warnAddressBypass()
}

// warnAddressBypass warns about a route to every address that opens paths of a backend
// which another route keeps for some addresses.
func (l *linter) warnAddressBypass() {
	routes, guarding, prefixes := l.backendRoutes()
	guarded := stricterByBackend(guarding, (*config.Route).ChecksAddresses)
	var warned *config.Route // as in warnWeaker
	for _, open := range routes {
		behind := guarded[open.place]
		if behind == nil || open.route == warned || saysAddresses(candidate{route: open.route, field: open.field}) {
			continue
		}
		if d, path, found := behind.bypass(open, prefixes, everyRoute); found {
			warned = open.route
			open.field.WarnAt("prefix", fmt.Sprintf("%s bypasses the addresses of %s: what that route protects can be reached from every address under %s",
				open.field.Name(), d.field.Name(), path), "copy the key from there, or make its prefix or its backend's path longer")
		}
	}
}

// saysAddresses reports whether a route checks addresses, or says that it does not.
func saysAddresses(c candidate) bool {
	return c.route.ChecksAddresses() || c.field.Given("allow_from") || c.field.Given("deny_from")
}

// warnUnusedSets warns about sets of addresses that nothing names.
func (l *linter) warnUnusedSets() {
	if len(l.table.Addresses) == 0 {
		return
	}
	used := map[string]bool{}
	use := func(lists ...*config.AddressList) {
		for _, list := range lists {
			for _, entry := range list.Entries {
				used[entry] = true
			}
		}
	}
	use(&l.table.TrustedProxies, &l.table.ProxyProtocol)
	for i := range l.table.Routes {
		use(&l.table.Routes[i].AllowFrom, &l.table.Routes[i].DenyFrom)
	}
	sets := l.file.Get("addresses")
	for name := range sets.Keys() {
		if !used[name] {
			sets.WarnAt(name, fmt.Sprintf("addresses: nothing uses the set %q", name), "name it in allow_from, deny_from, trusted_proxies or proxy_protocol, or remove it")
		}
	}
}

// warnHole warns about a route without allow_from below a route that has it: the
// part behind the longer prefix is open to every address. A route that answers
// by itself reveals nothing, and a route with allow_from of its own is meant.
func warnHole(c candidate, parents map[string][]candidate) {
	if c.route.Redirect != nil || c.route.Respond != nil || saysAddresses(c) {
		return
	}
	for prefix := c.route.Prefix; prefix != "/"; {
		prefix = parentOf(prefix)
		for _, parent := range parents[prefix] {
			if !shareHosts(c.route, parent.route) {
				continue
			}
			c.field.WarnAt("prefix", fmt.Sprintf("%s opens a part of %s (%s) to every address: it has no allow_from or deny_from of its own",
				c.field.Name(), parent.field.Name(), parent.route.Prefix),
				"copy the key from there; if every address may come, write allow_from: [0.0.0.0/0, \"::/0\"]")
			return
		}
	}
}

// shareHosts reports whether two routes may match requests of the same host.
func shareHosts(a, b *config.Route) bool {
	if len(a.Hosts) == 0 || len(b.Hosts) == 0 {
		return true
	}
	for _, one := range a.Hosts {
		for _, other := range b.Hosts {
			if coversHost(one, other) || coversHost(other, one) {
				return true
			}
		}
	}
	return false
}

// coversHost reports whether a host of a route, such as *.example.com, matches
// every request that another one matches.
func coversHost(wide, narrow string) bool {
	suffix, wild := strings.CutPrefix(wide, "*")
	return wide == narrow || wild && strings.HasSuffix(narrow, suffix)
}

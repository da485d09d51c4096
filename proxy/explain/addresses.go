package explain

import (
	"maps"
	"slices"
	"strings"

	"gatehouse/config"
)

// addressText returns a list of addresses as text.
func addressText(list *config.AddressList) string {
	return strings.Join(slices.Sorted(slices.Values(list.Entries)), ", ")
}

// namesIn returns the names in two mappings, sorted.
func namesIn[V any](before, after map[string]V) []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(before)), maps.Keys(after))
	slices.Sort(names)
	return slices.Compact(names)
}

// addressKey returns a text that is equal for two routes that allow the same addresses.
func addressKey(r *config.Route) string {
	if !r.ChecksAddresses() {
		return ""
	}
	return strings.Join(texts(r.AllowedAddresses().Prefixes()), " ")
}

// addressChange describes the addresses that a request may now come from, and could not
// before. It returns "" when there are none.
func addressChange(old, now *config.Route) string {
	if !old.ChecksAddresses() {
		return ""
	}
	if now.ChecksAddresses() && config.CoversAddresses(old.AllowedAddresses(), now.AllowedAddresses()) {
		return ""
	}
	change := fromText(old) + " → " + fromText(now)
	if fromText(old) == fromText(now) { // a set has changed
		change += ", also from " + addedText(old, now)
	}
	return change
}

// addedText returns some of the networks that a route now allows, and did not before.
func addedText(old, now *config.Route) string {
	const most = 3
	added := texts(config.MoreAddresses(old.AllowedAddresses(), now.AllowedAddresses()))
	if len(added) > most {
		return strings.Join(added[:most], ", ") + ", …"
	}
	return strings.Join(added, ", ")
}

// addressChanges are the results of addressChange for pairs of routes.
type addressChanges map[[2]*config.Route]string

func (c addressChanges) between(old, now *config.Route) string {
	if !old.ChecksAddresses() {
		return ""
	}
	pair := [2]*config.Route{old, now}
	change, known := c[pair]
	if !known {
		change = addressChange(old, now)
		c[pair] = change
	}
	return change
}

// fromText returns where requests for a route may come from, with the route's name.
func fromText(r *config.Route) string {
	text := "from any address"
	if len(r.AllowFrom.Entries) > 0 {
		text = "from " + addressText(&r.AllowFrom)
	}
	if len(r.DenyFrom.Entries) > 0 {
		text += " without " + addressText(&r.DenyFrom)
	}
	return text + " (" + r.Name + ")"
}

// peers returns the networks of a list of proxies as texts.
func peers(list *config.AddressList) []string {
	all := texts(list.Networks)
	if list.Unix {
		all = append(all, config.AddressUnix)
	}
	return all
}

// comparePeers compares a list of proxies. The change is weaker when the new list has more
// of them: they say where requests come from. It is also weaker when it has less, and
// a route allows the address of one that is gone: its clients now have that address.
func comparePeers(changed report, key string, before, after *config.AddressList, now *config.Config) {
	old, list := slices.Sorted(slices.Values(peers(before))), slices.Sorted(slices.Values(peers(after)))
	isMore := slices.ContainsFunc(list, func(peer string) bool { return !slices.Contains(old, peer) })
	gone := config.MoreAddresses(after.Set(), before.Set())
	isAllowed := func(r config.Route) bool {
		return r.ChecksAddresses() && slices.ContainsFunc(gone, r.AllowedAddresses().OverlapsPrefix)
	}
	changed(key, strings.Join(old, ", "), strings.Join(list, ", "), isMore || len(gone) > 0 && slices.ContainsFunc(now.Routes, isAllowed))
}

// This file has the rules for sets of addresses, and for the lists that name
// them.

package config

import (
	"maps"
	"slices"

	"gatehouse/config/problem"
	"gatehouse/config/value"
	"gatehouse/config/yamldoc"
)

// addresses checks the sets of addresses.
func (v *validator) addresses() {
	for name, set := range v.file.Get("addresses").Keys() {
		if f := addressSetName(name); f != nil {
			set.RejectKey(f)
			continue
		}
		list := set
		if set.Valid() && set.IsMapping() {
			if !set.Given("networks") {
				set.Missing("networks", "a list of networks and addresses")
			}
			list = set.Get("networks")
		}
		if list.Valid() && list.IsEmpty() {
			list.Fail("is empty", "list its networks and addresses")
		}
	}
}

// addressSetName checks the name of a set. It must not look like an address.
func addressSetName(name string) *problem.Fault {
	const hint = "letters, digits, `_` and `-`, beginning with a letter"
	if name == AddressUnix {
		return &problem.Fault{Reason: "a reserved name", Hint: "in `trusted_proxies` and `proxy_protocol` it means the clients of unix sockets"}
	}
	for i, c := range []byte(name) {
		isDigit := '0' <= c && c <= '9'
		if i == 0 && (!isAlphanumeric(c) || isDigit) || !isAlphanumeric(c) && c != '_' && c != '-' {
			return &problem.Fault{Reason: "not a name for a set of addresses", Hint: hint}
		}
	}
	if name == "" || len(name) > MaxName {
		return &problem.Fault{Reason: "not a name for a set of addresses", Hint: hint + ", at most 64"}
	}
	return nil
}

// addressList checks the entries of a list of networks and names of sets. also are
// other valid entries.
func (v *validator) addressList(field *yamldoc.Field, key string, list *AddressList, also ...string) {
	field.CheckEach(key, list.Entries, func(entry string) *problem.Fault {
		if slices.Contains(also, entry) {
			return nil
		}
		_, f := value.ParseNetwork(entry)
		set, isSet := v.config.Addresses[entry]
		switch {
		case isSet:
			return v.nameRule(field, "addresses", entry, set.Share)
		case f == nil:
			return nil
		}
		if addressSetName(entry) != nil {
			return f
		}
		hint := problem.DidYouMean(entry, slices.Sorted(maps.Keys(v.config.Addresses)))
		if hint == "" {
			hint = "define it in `addresses:`, or write an address or a CIDR such as 10.0.0.0/8"
		}
		return &problem.Fault{Reason: "no set of addresses has this name", Hint: hint}
	})
}

// trustedProxies checks the networks of trusted proxies, and those of proxies that send a
// PROXY header.
func (v *validator) trustedProxies() {
	for key, list := range map[string]*AddressList{"trusted_proxies": &v.config.TrustedProxies, "proxy_protocol": &v.config.ProxyProtocol} {
		v.addressList(v.file, key, list, AddressUnix)
		for i, entry := range v.file.Get(key).Entries() {
			if everyAddress(networksOf(list.Entries[i], v.config.Addresses)) {
				entry.Warn(key+" "+problem.Quote(entry.Text())+": every client could then set the address that its request comes from",
					"list the networks of your own proxies")
			}
		}
	}
}

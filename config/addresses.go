// This file has named sets of addresses, and the lists that may name them.

package config

import (
	"net/netip"
	"reflect"
	"slices"

	"go4.org/netipx"

	"gatehouse/config/value"
	"gatehouse/config/yamldoc"
)

// AddressSet is a named set of addresses: a list of networks, or a mapping that
// may also share it.
type AddressSet struct {
	Networks []netip.Prefix `yaml:"networks"`
	Share    bool           `yaml:"share"` // files of other owners may name it, too; see owners.go
}

// DecodeField decodes a set, which is a mapping or its networks alone.
func (s *AddressSet) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if f.IsMapping() {
		d.Mapping(f, reflect.ValueOf(s).Elem(), yamldoc.Except{})
		return
	}
	if d.HasKind(f, reflect.TypeFor[[]netip.Prefix]()) {
		d.List(f, reflect.ValueOf(&s.Networks).Elem())
	}
}

// AddressList is a list of networks, addresses, and names of sets in
// `addresses:`.
type AddressList struct {
	Entries  []string       // as written
	Networks []netip.Prefix // of all entries
	Unix     bool           // it has the entry `unix`; see AddressUnix
}

// AddressUnix is an entry of a list of proxies: all clients of unix sockets, which have no
// address.
const AddressUnix = "unix"

// DecodeField decodes the entries. Load finds the networks when it knows all
// sets.
func (a *AddressList) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if d.HasKind(f, reflect.TypeFor[[]string]()) {
		d.List(f, reflect.ValueOf(&a.Entries).Elem())
	}
}

var (
	_ yamldoc.FieldDecoder = (*AddressSet)(nil)
	_ yamldoc.FieldDecoder = (*AddressList)(nil)
)

// resolve finds the networks of the list. Entries that are neither a network nor
// the name of a set are skipped, because validation refuses them.
func (a *AddressList) resolve(sets map[string]AddressSet) {
	a.Networks, a.Unix = nil, false
	for _, entry := range a.Entries {
		if entry == AddressUnix {
			a.Unix = true
			continue
		}
		a.Networks = append(a.Networks, networksOf(entry, sets)...)
	}
}

// networksOf returns the networks of one entry of an AddressList.
func networksOf(entry string, sets map[string]AddressSet) []netip.Prefix {
	if network, fault := value.ParseNetwork(entry); fault == nil {
		return []netip.Prefix{network}
	}
	return sets[entry].Networks
}

// Peers returns the networks of a list of proxies. The zero Prefix in it stands for peers
// without an address, those of unix sockets.
func (a *AddressList) Peers() []netip.Prefix {
	if !a.Unix {
		return a.Networks
	}
	return append(slices.Clone(a.Networks), netip.Prefix{})
}

// Set returns the addresses of the list.
func (a *AddressList) Set() *netipx.IPSet { return addressSet(a.Networks, nil) }

// EntryWith returns the first entry of the list that contains the address, and
// whether there is one.
func (c *Config) EntryWith(list *AddressList, address netip.Addr) (entry string, found bool) {
	for _, entry := range list.Entries {
		for _, network := range networksOf(entry, c.Addresses) {
			if network.Contains(address) {
				return entry, true
			}
		}
	}
	return "", false
}

// ChecksAddresses reports whether the route looks at the address of the client.
func (r *Route) ChecksAddresses() bool {
	return len(r.AllowFrom.Entries) > 0 || len(r.DenyFrom.Entries) > 0
}

// AllowedAddresses returns the addresses whose requests pass allow_from and
// deny_from.
func (r *Route) AllowedAddresses() *netipx.IPSet {
	allowed := r.AllowFrom.Networks
	if len(r.AllowFrom.Entries) == 0 {
		allowed = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	}
	return addressSet(allowed, r.DenyFrom.Networks)
}

// addressSet returns the addresses of the networks in with, without those of the
// networks in without.
func addressSet(with, without []netip.Prefix) *netipx.IPSet {
	var b netipx.IPSetBuilder
	for _, network := range with {
		b.AddPrefix(network)
	}
	for _, network := range without {
		b.RemovePrefix(network)
	}
	set, err := b.IPSet()
	if err != nil { // of invalid networks only, which validation refuses
		return new(netipx.IPSet)
	}
	return set
}

// CoversAddresses reports whether all addresses of part are in whole.
func CoversAddresses(whole, part *netipx.IPSet) bool { return len(MoreAddresses(whole, part)) == 0 }

// MoreAddresses returns the networks of the addresses that are in now, and not in old.
func MoreAddresses(old, now *netipx.IPSet) []netip.Prefix {
	var b netipx.IPSetBuilder
	b.AddSet(now)
	b.RemoveSet(old)
	rest, err := b.IPSet()
	if err != nil { // both sets are valid
		return now.Prefixes()
	}
	return rest.Prefixes()
}

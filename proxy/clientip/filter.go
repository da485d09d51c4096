package clientip

import (
	"go4.org/netipx"

	"gatehouse/config"
)

// Filter decides by the client's address whether a request may use a route.
type Filter struct {
	allow *netipx.IPSet // nil allows every address
	deny  *netipx.IPSet // nil denies none
}

// NewFilter returns the filter of a route, or nil when the route allows every
// address.
func NewFilter(route *config.Route) *Filter {
	if !route.ChecksAddresses() {
		return nil
	}
	f := new(Filter)
	if len(route.AllowFrom.Entries) > 0 {
		f.allow = route.AllowFrom.Set()
	}
	if len(route.DenyFrom.Entries) > 0 {
		f.deny = route.DenyFrom.Set()
	}
	return f
}

// FilterResult is the result of a Filter.
type FilterResult int

// The results of a Filter.
const (
	FilterAllowed   FilterResult = iota
	FilterUnknown                // the address of the client is not known for certain
	FilterDenied                 // the address is in deny_from
	FilterNotListed              // the address is not in allow_from
)

// Check decides about a caller. A caller is unknown when the listener has no addresses,
// or when a trusted proxy sent an address that cannot be read: then the address is that
// of a proxy.
func (f *Filter) Check(c *Caller) FilterResult {
	switch {
	case !c.IP.IsValid() || c.Unreadable:
		return FilterUnknown
	case f.deny != nil && f.deny.Contains(c.IP):
		return FilterDenied
	case f.allow != nil && !f.allow.Contains(c.IP):
		return FilterNotListed
	}
	return FilterAllowed
}

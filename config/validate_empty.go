// Keys that are there and empty. Where nothing would let more through than
// something, as an empty list of roles does, empty is no way to say so: a template
// or a variable without a value looks the same. Leaving the key out says it.

package config

import "gatehouse/config/yamldoc"

// emptyRouteKeys reports what of a route is there and empty, unless it overrides a
// value of `defaults:`, which start holds: then nothing else could be meant.
func (v *validator) emptyRouteKeys(s *yamldoc.Field, start *Route) {
	for _, k := range []struct {
		key, open string
		inherited bool
	}{
		{"hosts", "to take requests for any host", len(start.Hosts) > 0},
		{"methods", "to take any method", len(start.Methods) > 0},
		{"headers", "to ask for none", len(start.Headers) > 0},
		{"roles", "to let every role in", len(start.Roles) > 0},
		{"tls", "to go by the system's authorities", start.TLS != nil},
	} {
		if !k.inherited {
			s.RefuseEmpty(k.key, k.open)
		}
	}
}

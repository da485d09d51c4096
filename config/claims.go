// This file says which claims of a token a table uses.

package config

import (
	"maps"
	"slices"
)

// HeaderClaims returns the names of the claims whose text a header of the table
// carries, sorted. A remembered token keeps these claims only. Every kind of
// header that can carry a claim adds its names here.
func (c *Config) HeaderClaims() []string {
	names := slices.Collect(maps.Values(c.Identity.Headers))
	slices.Sort(names)
	return slices.Compact(names)
}

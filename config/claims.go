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
	for i := range c.Routes {
		if rules := c.Routes[i].RequestHeaders; rules != nil {
			names = rules.appendClaims(names)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// appendClaims appends the names of the claims in the values.
func (r *HeaderRules) appendClaims(names []string) []string {
	for _, values := range []map[string]HeaderValue{r.Set, r.Add} {
		for _, value := range values {
			for _, part := range value.Parts() {
				if part.Claim != "" {
					names = append(names, part.Claim)
				}
			}
		}
	}
	return names
}

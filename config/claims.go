// This file has the claims of a token that a table names: how they are written,
// and which of them a header carries.

package config

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"gatehouse/config/problem"
	"gatehouse/config/yamldoc"
)

// HeaderClaims returns the names of the claims whose text the table uses, sorted: a
// header carries it, or it chooses a server or a side of a split. A remembered token keeps
// these claims only. Every use of the text of a claim adds its names here.
func (c *Config) HeaderClaims() []string {
	names := slices.Collect(maps.Values(c.Identity.Headers))
	for _, backend := range c.Backends {
		if backend.Hash != nil && backend.Hash.Claim != "" {
			names = append(names, backend.Hash.Claim)
		}
	}
	for i := range c.Routes {
		if key := c.Routes[i].SplitBy; key != nil && key.Claim != "" {
			names = append(names, key.Claim)
		}
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

// DecodeField decodes the values of a claim: a plain value, or a list of them.
func (c *ClaimValues) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	var values []claimValue
	switch {
	case f.IsPlain():
		values = make([]claimValue, 1)
		values[0].DecodeField(d, f)
	case f.IsList():
		d.List(f, reflect.ValueOf(&values).Elem())
	default:
		f.FailKind("a value or a list of them", "a claim inside another is written as a path, such as realm_access.roles: [admin]")
	}
	*c = make(ClaimValues, len(values))
	for i, value := range values {
		(*c)[i] = string(value)
	}
}

// claimValue is one value of a claim, as text.
type claimValue string

// DecodeField decodes text, a number or a boolean. It accepts only those
// spellings of numbers and booleans that are the same text in a token.
func (c *claimValue) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if !f.IsPlain() || !jsonScalar.MatchString(f.Text()) {
		d.Scalar(f, reflect.ValueOf((*string)(c)).Elem())
		return
	}
	if text, ok := d.Text(f); ok {
		*c = claimValue(text)
	}
}

// jsonScalar matches booleans and decimal numbers that YAML and JSON write in
// the same way.
var jsonScalar = regexp.MustCompile(`^(?:true|false|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?)$`)

// claimNameRule checks the name of a claim, which may be a path.
func claimNameRule(name string) *problem.Fault {
	switch {
	case strings.TrimSpace(name) != name:
		return &problem.Fault{Reason: "has a space at an end"}
	case slices.Contains(strings.Split(name, "."), ""):
		return &problem.Fault{Reason: "has an empty part", Hint: "a path is written as realm_access.roles"}
	}
	return nil
}

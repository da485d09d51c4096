// This file validates a table: every rule that its types cannot express. It
// changes nothing, and reads nothing outside the file.

package config

import (
	"net/netip"
	"slices"
	"strings"

	"gatehouse/config/problem"
	"gatehouse/config/yamldoc"
)

// validator checks a decoded table and reports problems at its fields.
type validator struct {
	config *Config
	file   *yamldoc.Field   // the table, joined with the files that it includes
	parts  []*part          // the table itself, then the files that it includes; all have fields
	partOf map[string]*part // by the name of the file
}

// part returns the file that a field is written in.
func (v *validator) part(of *yamldoc.Field) *part {
	if len(v.parts) == 1 {
		return v.parts[0]
	}
	return v.partOf[of.File()]
}

// validate reports every problem of a table besides its types.
func validate(c *Config, parts []*part) {
	v := &validator{config: c, file: parts[0].fields, partOf: map[string]*part{}}
	for _, p := range parts {
		if p.fields != nil {
			v.parts = append(v.parts, p)
			v.partOf[p.fields.File()] = p
		}
	}
	v.name()
	v.identity()
	v.users()
	v.issuers()
	v.cors(v.file, v.config.CORS)
	v.addresses()
	v.backends()
	v.trustedProxies()
	v.responseHeaders()
	v.errorPages()
	v.defaults()
	v.routes()
	v.tests()
}

func (v *validator) name() {
	v.file.Check("name", v.config.Name, func(name string) *problem.Fault {
		if strings.TrimSpace(name) == "" {
			return &problem.Fault{Reason: "is empty", Hint: "omit it for the name Gatehouse"}
		}
		return nil
	})
}

func (v *validator) users() {
	if v.config.Users.Off {
		return
	}
	v.file.Get("users").Check("join", string(v.config.Users.Join), func(join string) *problem.Fault {
		return problem.OneOf("value", join, string(JoinListed), string(JoinAny))
	})
}

// everyAddress reports whether one of the networks has every address of IPv4 or
// IPv6.
func everyAddress(networks []netip.Prefix) bool {
	return slices.ContainsFunc(networks, func(network netip.Prefix) bool { return network.IsValid() && network.Bits() == 0 })
}

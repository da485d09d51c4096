// This file validates a table: every rule that its types cannot express. It
// changes nothing, and reads nothing outside the file.

package config

import (
	"net/netip"
	"strings"

	"gatehouse/config/problem"
	"gatehouse/config/yamldoc"
)

// validator checks a decoded table and reports problems at its fields.
type validator struct {
	config       *Config
	defaultRoute Route // a route with the file's `defaults:` only
	file         *yamldoc.Field
}

// validate reports every problem of a table besides its types.
func validate(c *Config, defaultRoute Route, file *yamldoc.Field) {
	v := &validator{config: c, defaultRoute: defaultRoute, file: file}
	v.name()
	v.identity()
	v.users()
	v.issuers()
	v.cors()
	v.trustedProxies()
	v.responseHeaders()
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

func (v *validator) trustedProxies() {
	for i, entry := range v.file.Get("trusted_proxies").Entries() {
		if coversEveryAddress(v.config.TrustedProxies[i]) {
			entry.Warn("trusted_proxies "+problem.Quote(entry.Text())+": every client could then set the address that its request comes from",
				"list the networks of your own proxies")
		}
	}
}

func coversEveryAddress(network netip.Prefix) bool { return network.IsValid() && network.Bits() == 0 }

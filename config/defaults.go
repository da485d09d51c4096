// What holds when the file says nothing, and the few values that are brought
// into one form after decoding.

package config

import (
	"net/netip"
	"reflect"
	"strings"
	"time"

	"gatehouse/config/problem"
	"gatehouse/config/yamldoc"
)

// builtInRoute is what a route starts from when there are no `defaults:`.
func builtInRoute() Route {
	return Route{
		Auth:           PolicyStrict,
		ForwardToken:   true,
		Protocol:       ProtocolAuto,
		Upgrade:        []string{"websocket"},
		Timeout:        60 * time.Second,
		ConnectTimeout: 10 * time.Second,
		IdleTimeout:    5 * time.Minute,
	}
}

// DefaultIdentityHeaders are the identity headers of a table that names none.
func DefaultIdentityHeaders() map[string]string {
	return map[string]string{
		"X-User-ID":    "sub",
		"X-Company-ID": "company_id",
		"X-User-Email": "email",
	}
}

// File is the file as written: a Config, and what its routes start from.
type File struct {
	Defaults RouteDefaults `yaml:"defaults"`
	Config
}

// NewDecoder returns a decoder for a File, with what holds when the file says nothing.
func NewDecoder(lookup func(name string) (string, bool)) *yamldoc.Decoder {
	d := yamldoc.NewDecoder(lookup, keyHint)
	route := builtInRoute()
	yamldoc.SetDefault(d, File{
		Defaults: RouteDefaults(route),
		Config: Config{
			Name:     "Gatehouse",
			Identity: Identity{Headers: DefaultIdentityHeaders()},
			Users:    Users{Join: JoinListed, Grace: 30 * time.Second},
			Limits:   Limits{Connections: 32768, ConnectionsPerClient: 8192, RequestsPerClient: 1024},
		},
	})
	yamldoc.SetDefault(d, CORS{MaxAge: 10 * time.Minute})
	yamldoc.SetDefault(d, route)
	return d
}

// RouteDefaults is the value of `defaults:`: a route without what makes it one.
type RouteDefaults Route

// DecodeField makes what the file gives the start of every route after it.
func (r *RouteDefaults) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if !d.HasKind(f, reflect.TypeFor[Route]()) {
		return
	}
	d.Mapping(f, reflect.ValueOf((*Route)(r)).Elem(), yamldoc.Except{Keys: RouteOnlyKeys(), What: "has no default", Hint: "give it to each route"})
	yamldoc.SetDefault(d, Route(*r))
}

// RouteOnlyKeys are the keys of a route that `defaults:` cannot hold.
func RouteOnlyKeys() []string { return []string{"name", "prefix", "backend", "handler"} }

// DecodeField reads a policy. To one that is written off or no, which YAML reads as
// something else, validation has the policies to answer.
func (p *Policy) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if !d.HasKind(f, reflect.TypeFor[Policy]()) {
		return
	}
	if text, ok := d.Text(f); ok {
		*p = Policy(text)
	}
}

// DecodeField reads `users:`, which is a mapping or the word off.
func (u *Users) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if !f.IsPlain() {
		if d.HasKind(f, reflect.TypeFor[Users]()) {
			d.Mapping(f, reflect.ValueOf(u).Elem(), yamldoc.Except{})
		}
		return
	}
	text, ok := d.Text(f)
	if !ok {
		return
	}
	switch strings.ToLower(text) {
	case "off", "false":
		// Tools that read YAML 1.1 and write it again, as Helm does, turn an
		// unquoted off into false.
		u.Off = true
	case "no", "none", "disabled", "n":
		f.Reject(&problem.Fault{Reason: "must be a mapping or off", Hint: "write `users: off`"})
	default:
		f.Reject(&problem.Fault{
			Reason: "must be a mapping or off",
			Hint:   "leave `users` out to have the built-in users with their defaults",
		})
	}
}

// DecodeField reads `audience:`, which is text or a list of it.
func (a *Audiences) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if f.IsPlain() {
		*a = make(Audiences, 1)
		d.Scalar(f, reflect.ValueOf(&(*a)[0]).Elem())
		return
	}
	if !f.IsList() {
		f.FailKind("text or a list of it", "")
		return
	}
	d.List(f, reflect.ValueOf(a).Elem())
}

// Types with a spelling of their own are found by these methods.
var (
	_ yamldoc.FieldDecoder = (*RouteDefaults)(nil)
	_ yamldoc.FieldDecoder = (*Policy)(nil)
	_ yamldoc.FieldDecoder = (*Users)(nil)
	_ yamldoc.FieldDecoder = (*Audiences)(nil)
)

// normalize brings into one form what may be written in several, and takes away
// what a route does not have.
func normalize(c *Config) {
	for i := range c.TrustedProxies {
		c.TrustedProxies[i] = c.TrustedProxies[i].Masked()
	}
	for i := range c.Routes {
		route := &c.Routes[i]
		route.Hosts = canonicalHosts(route.Hosts)
		if route.Handler != "" {
			// The endpoints of a handler carry their own policies. With no
			// policy at all, forgetting that refuses instead of letting in.
			route.Auth, route.Roles = "", nil
			// Nor is anything forwarded. They bound their bodies themselves.
			route.MaxBody, route.Upgrade = 0, nil
		}
		if route.Protocol == ProtocolH2C {
			// HTTP/2 has no way to switch (RFC 9113 section 8.6).
			route.Upgrade = nil
		}
	}
}

// canonicalHosts returns hosts in lower case, an IPv6 address without brackets.
// It makes a new list: several routes may share that of `defaults:`.
func canonicalHosts(hosts []string) []string {
	if len(hosts) == 0 {
		return nil
	}
	canonical := make([]string, len(hosts))
	for i, host := range hosts {
		canonical[i] = strings.ToLower(host)
		if address, ok := ipv6Literal(host); ok {
			canonical[i] = address.String()
		}
	}
	return canonical
}

// ipv6Literal reads an IPv6 address in brackets, as it stands in a Host header.
func ipv6Literal(host string) (netip.Addr, bool) {
	inner, opened := strings.CutPrefix(host, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	address, err := netip.ParseAddr(inner)
	return address, opened && closed && err == nil && address.Is6() && address.Zone() == ""
}

// This file has the defaults of a table. It also normalizes the few values that
// can be written in several forms.

package config

import (
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"gatehouse/config/problem"
	"gatehouse/config/value"
	"gatehouse/config/yamldoc"
)

// builtInRoute returns the defaults of a route before `defaults:` is applied.
func builtInRoute() Route {
	return Route{
		Auth:            PolicyStrict,
		RewriteLocation: true,
		ForwardToken:    true,
		Protocol:        ProtocolAuto,
		Upgrade:         []string{"websocket"},
		Timeout:         60 * time.Second,
		ConnectTimeout:  10 * time.Second,
		IdleTimeout:     5 * time.Minute,
	}
}

// DefaultIdentityHeaders returns the identity headers of a table without its
// own.
func DefaultIdentityHeaders() map[string]string {
	return map[string]string{
		"X-User-ID":    "sub",
		"X-Company-ID": "company_id",
		"X-User-Email": "email",
	}
}

// File is the file as written: a Config, and the defaults of its routes.
type File struct {
	Defaults RouteDefaults `yaml:"defaults"`
	Config
}

// NewDecoder returns a decoder for a File, with the built-in defaults.
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
	yamldoc.SetDefault(d, CORS{MaxAge: 10 * time.Minute, PrivateNetwork: true})
	yamldoc.SetDefault(d, Issuer{Leeway: 30 * time.Second})
	yamldoc.SetDefault(d, Redirect{Status: http.StatusPermanentRedirect})
	yamldoc.SetDefault(d, Respond{Status: http.StatusOK})
	yamldoc.SetDefault(d, route)
	setBackendDefaults(d)
	return d
}

// RouteDefaults is the value of `defaults:`: a route without the keys that make
// it one.
type RouteDefaults Route

// DecodeField decodes `defaults:` and makes it the default of every later
// route.
func (r *RouteDefaults) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if !d.HasKind(f, reflect.TypeFor[Route]()) {
		return
	}
	d.Mapping(f, reflect.ValueOf((*Route)(r)).Elem(), yamldoc.Except{Keys: RouteOnlyKeys(), What: "has no default", Hint: "give it to each route"})
	(*Route)(r).nameHeaders()
	yamldoc.SetDefault(d, Route(*r))
}

// TargetKeys returns the keys of a route of which it has exactly one.
func TargetKeys() []string { return []string{"backend", "handler", "redirect", "respond"} }

// RouteOnlyKeys returns the keys of a route that `defaults:` must not have.
func RouteOnlyKeys() []string {
	return append([]string{"name", "prefix", "rewrite", "basic", "split_by", "mirror"}, TargetKeys()...)
}

// DecodeField decodes a policy. It keeps the words off and no as text, although
// YAML reads them as booleans, so that validation can name the policies.
func (p *Policy) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if !d.HasKind(f, reflect.TypeFor[Policy]()) {
		return
	}
	if text, ok := d.Text(f); ok {
		*p = Policy(text)
	}
}

// DecodeField decodes a switch.
func (s *Switch) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if !d.HasKind(f, reflect.TypeFor[Switch]()) {
		return
	}
	text, ok := d.Text(f)
	if !ok {
		return
	}
	if strings.EqualFold(text, "off") {
		*s = false
		return
	}
	on, fault := value.ParseBool(text)
	if fault != nil {
		f.Reject(fault)
		return
	}
	*s = Switch(on)
}

// DecodeField decodes `users:`, which is a mapping or the word off.
func (u *Users) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	u.Off = orOff(d, f, reflect.ValueOf(u).Elem(), "omit `users` for the built-in users with their defaults")
}

// DecodeField decodes `cors:`, which is a mapping or the word off.
func (c *CORS) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	c.Off = orOff(d, f, reflect.ValueOf(c).Elem(), "write `cors: {origins: [\"https://app.example.com\"]}`")
}

// orOff decodes a mapping into v, or the word off. It reports whether the word
// was there. hint says what to write in place of any other word.
func orOff(d *yamldoc.Decoder, f *yamldoc.Field, v reflect.Value, hint string) (off bool) {
	if !f.IsPlain() {
		if d.HasKind(f, v.Type()) {
			d.Mapping(f, v, yamldoc.Except{})
		}
		return false
	}
	text, ok := d.Text(f)
	if !ok {
		return false
	}
	switch strings.ToLower(text) {
	case "off", "false":
		// Tools that read YAML 1.1 and write it again, such as Helm, turn an
		// unquoted off into false.
		return true
	case "no", "none", "disabled", "n":
		hint = "write `" + f.Name() + ": off`"
	}
	f.Reject(&problem.Fault{Reason: "must be a mapping or off", Hint: hint})
	return false
}

// DecodeField decodes `response_headers:` of the table: HeaderRules, or a mapping of
// headers to set.
func (h *TableHeaders) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if !d.HasKind(f, reflect.TypeFor[TableHeaders]()) {
		return
	}
	if areHeaderRules(f) {
		d.Mapping(f, reflect.ValueOf(h).Elem(), yamldoc.Except{})
		return
	}
	var values map[string]string
	d.Table(f, reflect.ValueOf(&values).Elem())
	h.Set = make(map[string]HeaderValue, len(values))
	for name, value := range values {
		h.Set[name] = LiteralHeader(value)
	}
}

// areHeaderRules reports whether `response_headers:` of the table has rules, not headers:
// the values of headers are plain.
func areHeaderRules(f *yamldoc.Field) bool {
	return f.HasCollection("set") || f.HasCollection("add") || f.HasCollection("remove")
}

// DecodeField decodes `audience:`, which is text or a list of text.
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

// The decoder finds types with their own syntax by these methods.
var (
	_ yamldoc.FieldDecoder = (*RouteDefaults)(nil)
	_ yamldoc.FieldDecoder = (*Policy)(nil)
	_ yamldoc.FieldDecoder = (*Switch)(nil)
	_ yamldoc.FieldDecoder = (*Users)(nil)
	_ yamldoc.FieldDecoder = (*CORS)(nil)
	_ yamldoc.FieldDecoder = (*Audiences)(nil)
	_ yamldoc.FieldDecoder = (*TableHeaders)(nil)
	_ yamldoc.FieldDecoder = (*ClaimValues)(nil)
	_ yamldoc.FieldDecoder = (*claimValue)(nil)
)

// normalize converts values to their canonical form, and removes what does not
// apply to a route.
func normalize(c *Config) {
	if c.CORS != nil && c.CORS.Off {
		c.CORS = nil
	}
	c.TrustedProxies.resolve(c.Addresses)
	c.ProxyProtocol.resolve(c.Addresses)
	for i := range c.Routes {
		route := &c.Routes[i]
		route.nameHeaders()
		route.AllowFrom.resolve(c.Addresses)
		route.DenyFrom.resolve(c.Addresses)
		route.Hosts = canonicalHosts(route.Hosts)
		if route.Handler != "" {
			// The endpoints of a handler have their own policies. Without any
			// policy, code that forgets this refuses the request.
			route.Auth, route.Roles, route.Claims = "", nil, nil
			// Nothing is forwarded. The endpoints bound their bodies
			// themselves.
			route.MaxBody, route.Upgrade, route.RequestHeaders = 0, nil, nil
		}
		if route.Handler != "" || route.Redirect != nil {
			// Such answers are tiny, or have tokens.
			route.Compress = nil
		}
		if route.Redirect != nil || route.Respond != nil {
			// Nothing is forwarded, and no body is read.
			route.MaxBody, route.Upgrade, route.TLS, route.RequestHeaders = 0, nil, nil, nil
		}
		if route.Basic.File != "" {
			// The password is for the gateway alone.
			route.ForwardToken = false
		}
		if route.Protocol == ProtocolH2C {
			// HTTP/2 has no upgrade (RFC 9113 section 8.6).
			route.Upgrade = nil
		}
	}
}

// nameHeaders moves the headers that a request must have to the one field where they
// are read.
func (r *Route) nameHeaders() {
	if r.MatchHeaders != nil {
		r.Headers, r.MatchHeaders = r.MatchHeaders, nil
	}
}

// canonicalHosts returns hosts in lower case, with IPv6 addresses without
// brackets. It returns a new list, because several routes may share the one of
// `defaults:`.
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

// ipv6Literal parses an IPv6 address in brackets, as in a Host header.
func ipv6Literal(host string) (netip.Addr, bool) {
	inner, opened := strings.CutPrefix(host, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	address, err := netip.ParseAddr(inner)
	return address, opened && closed && err == nil && address.Is6() && address.Zone() == ""
}

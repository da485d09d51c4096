// This file has the rules for routes: the values of each, and unique names.

package config

import (
	"slices"
	"strings"

	"gatehouse/config/problem"
	"gatehouse/config/value"
	"gatehouse/config/yamldoc"
)

func (v *validator) routes() {
	list := v.file.Get("routes")
	switch {
	case !v.file.Given("routes"):
		v.file.Missing("routes", "a table needs at least one route")
		return
	case list.IsEmpty():
		list.Fail("is empty", "a table needs at least one route")
		return
	}
	for _, part := range v.parts[1:] {
		part.fields.RefuseEmpty("routes", "to have none")
	}
	first := map[string]*yamldoc.Field{}
	for i, field := range list.Entries() {
		route := &v.config.Routes[i]
		v.confine(field, route)
		v.route(field, route)
		if earlier, taken := first[route.Name]; taken && route.Name != "" {
			field.FailValue("name", "the name is taken", "first used at "+earlier.PlaceFrom(field))
			continue
		}
		first[route.Name] = field
	}
	v.conflicts()
}

// defaults checks the default values of routes where they are written. They are
// not checked again at each route.
func (v *validator) defaults() {
	v.confineInherited()
	inherited := new(Route)
	for _, part := range v.parts {
		if field := part.fields.Get("defaults"); field.IsMapping() {
			v.confineDefaults(part, field)
			v.routeValues(field, &part.defaults)
			v.emptyRouteKeys(field, inherited)
		}
		inherited = &v.parts[0].defaults
	}
}

// route checks one route: first its values, then their combinations.
func (v *validator) route(field *yamldoc.Field, route *Route) {
	field.Require("name", route.Name, "a unique name; it is the label in metrics and logs")
	if route.Name != "" {
		field.Check("name", route.Name, routeName)
	}
	field.Require("prefix", route.Prefix, "such as /api/v1/query; / matches everything")
	if route.Prefix != "" {
		field.Check("prefix", route.Prefix, prefixRule)
	}
	v.target(field, route)
	v.routeValues(field, route)
	v.emptyRouteKeys(field, &v.part(field).defaults)
	v.known(field, route)
	v.basic(field, route)
	v.claimsOfNobody(field, route)
	v.inheritedCORS(field, route)
	v.backendTLS(field, route)
	v.forwarding(field, route)
	v.split(field, route)
	v.mirror(field, route)
	v.rewrite(field, route)
	if given := field.Get("upgrade"); given != nil && !given.IsEmpty() && route.Protocol == ProtocolH2C {
		field.Forbid("upgrade", "needs HTTP/1.1, and protocol is h2c", "HTTP/2 has no upgrade: remove it, or use protocol: auto")
	}
}

// target checks that a route has exactly one target, and that it exists.
func (v *validator) target(field *yamldoc.Field, route *Route) {
	var given []string
	for _, key := range TargetKeys() {
		if field.Given(key) {
			given = append(given, key)
		}
	}
	if len(given) > 1 {
		field.Forbid(given[1], "and "+given[0]+" exclude each other", "a route leads to one of them")
		return
	}
	switch {
	case field.Given("handler"):
		v.handler(field, route)
	case field.Given("redirect"):
		v.redirect(field, route)
		v.withoutBackend(field, "redirect")
	case field.Given("respond"):
		v.respond(field, route)
		v.withoutBackend(field, "respond")
	case field.Given("backend"):
		v.backendRef(field.Get("backend"), route.Backend)
	default:
		field.Missing("backend", "a URL such as http://query-service:8080; or redirect, respond or handler in its place")
	}
}

// handler checks a route to a built-in handler. Keys about forwarding and about
// who may pass would have no effect there.
func (v *validator) handler(field *yamldoc.Field, route *Route) {
	field.Check("handler", route.Handler, func(handler string) *problem.Fault {
		switch {
		case handler != HandlerUsers:
			return problem.OneOf("handler", handler, HandlerUsers)
		case v.config.Users.Off:
			return &problem.Fault{Reason: "there are no built-in users with `users: off`", Hint: "remove the route, or the `users: off`"}
		}
		return nil
	})
	for key, given := range field.Keys() {
		if key == "backend" || slices.Contains(HandlerKeys(), key) {
			continue
		}
		hint := "remove it: a handler forwards nothing"
		switch key {
		case "auth", "roles", "claims", "basic":
			hint = "remove it: the endpoints of a handler have their own policies"
		case "compress":
			hint = "remove it: the answers of a handler are small, and have tokens"
		case "max_body":
			hint = "remove it: the endpoints of a handler have their own bounds"
		}
		given.FailKey("does not apply to a built-in handler", hint)
	}
}

// withoutBackend refuses the keys about forwarding on a route whose target is
// not a backend.
func (v *validator) withoutBackend(field *yamldoc.Field, target string) {
	for key, given := range field.Keys() {
		if !slices.Contains(AnsweredKeys(target), key) {
			hint := "remove it: nothing is forwarded"
			if key == "compress" {
				hint = "remove it: such an answer has almost no content"
			}
			given.FailKey("does not apply to `"+target+"`", hint)
		}
	}
}

// AnsweredKeys returns the keys that a route may have when the gateway itself answers its
// requests. target is redirect or respond.
func AnsweredKeys(target string) []string {
	keys := []string{target, "name", "prefix", "hosts", "methods", "headers", "match_headers", "auth", "roles", "claims", "basic", "allow_from", "deny_from", "allow_encoded_slashes", "cors", "response_headers"}
	if target == "respond" {
		keys = append(keys, "compress")
	}
	return keys
}

// HandlerKeys returns the keys that a route to a built-in handler may have.
func HandlerKeys() []string {
	return []string{"name", "prefix", "handler", "hosts", "methods", "headers", "match_headers", "allow_from", "deny_from", "cors", "response_headers"}
}

// routeValues checks the keys that `defaults:` may have, too.
func (v *validator) routeValues(field *yamldoc.Field, route *Route) {
	field.CheckEach("hosts", route.Hosts, hostRule)
	field.CheckEach("methods", route.Methods, methodRule)
	v.matchedHeaders(field, route)
	v.cors(field, route.CORS)
	v.codings(field, route)
	v.requestHeaders(field, route)
	v.answeredHeaders(field, route)
	field.CheckEach("roles", route.Roles, func(role string) *problem.Fault {
		if strings.TrimSpace(role) == "" {
			return &problem.Fault{Reason: "is empty"}
		}
		return nil
	})
	v.claimValues(field, route)
	v.addressList(field, "allow_from", &route.AllowFrom)
	v.addressList(field, "deny_from", &route.DenyFrom)
	if route.Handler == "" {
		field.Check("auth", string(route.Auth), policyRule)
	}
	field.Check("protocol", string(route.Protocol), protocolRule)
	field.CheckEach("upgrade", route.Upgrade, upgradeRule)
	v.certificate(field.Get("tls"), route.TLS)
}

// upgradeRule checks a protocol that a client may switch to. Protocols that
// carry requests are refused: nobody would check the requests on that
// connection.
func upgradeRule(protocol string) *problem.Fault {
	switch {
	case protocol == "*":
		return &problem.Fault{Reason: "not a protocol", Hint: "list the protocols: an unknown one cannot be trusted"}
	case !isToken(protocol):
		return &problem.Fault{Reason: "not a protocol", Hint: "such as websocket"}
	case protocol != strings.ToLower(protocol):
		return &problem.Fault{Reason: "protocols are lower case", Write: strings.ToLower(protocol)}
	case slices.Contains(RequestProtocols(), protocol):
		return &problem.Fault{
			Reason: "requests could be smuggled through it: nothing on the upgraded connection is matched or authorised",
			Hint:   "remove it; HTTP/2 needs no upgrade",
		}
	}
	return nil
}

// RequestProtocols returns protocols that carry requests after an upgrade (RFC
// 7540 section 3.2, RFC 2817, RFC 9110 section 7.8).
func RequestProtocols() []string { return []string{"h2c", "h2", "http", "tls"} }

// certificate checks that a client certificate has both its parts.
func (v *validator) certificate(field *yamldoc.Field, tls *TLS) {
	if !field.IsMapping() || tls == nil {
		return
	}
	switch {
	case field.Given("cert") && !field.Given("key"):
		field.Forbid("cert", "needs key", "the PEM file of the certificate's private key")
	case field.Given("key") && !field.Given("cert"):
		field.Forbid("key", "needs cert", "the PEM file of the client certificate")
	}
	field.Check("ca", tls.CA, notEmptyRule)
	field.Check("cert", tls.Cert, notEmptyRule)
	field.Check("key", tls.Key, notEmptyRule)
	field.Check("server_name", tls.ServerName, func(name string) *problem.Fault {
		if f := notEmptyRule(name); f != nil || !strings.HasPrefix(name, "*") {
			return problem.First(f, value.CheckHost(name))
		}
		return &problem.Fault{Reason: "not one name", Hint: "the name that the backend's certificate is for"}
	})
}

// backendTLS checks the TLS keys against the backend's scheme.
func (v *validator) backendTLS(field *yamldoc.Field, route *Route) {
	if !route.Backend.IsURL() || field.Get("backend") == nil {
		return
	}
	secure := route.Backend.URL.Scheme == "https"
	if field.Given("tls") && !secure {
		field.Forbid("tls", "is for https backends", "make the backend https://…, or remove tls")
	}
	if route.Protocol != ProtocolH2C || !secure {
		return
	}
	at := "protocol"
	if !field.Given(at) {
		at = "backend"
	}
	field.FailAt(at, "protocol h2c is HTTP/2 without TLS, and the backend is https", "use protocol: auto, which uses HTTP/2 when TLS negotiates it")
}

// emptyRouteKeys refuses empty keys where an empty value would let more
// through, such as an empty list of roles: a template or a variable without a
// value looks the same. Omitting the key has a clear meaning. A route may use
// an empty value to undo `defaults:`, because nothing else can be meant.
func (v *validator) emptyRouteKeys(field *yamldoc.Field, defaults *Route) {
	for _, k := range []struct {
		key, open string
		inherited bool
	}{
		{"hosts", "to match every host", len(defaults.Hosts) > 0},
		{"methods", "to match every method", len(defaults.Methods) > 0},
		{"headers", "to require none", len(defaults.Headers) > 0},
		{"match_headers", "to require none", len(defaults.Headers) > 0},
		{"roles", "to let every role pass", len(defaults.Roles) > 0},
		{"claims", "to require none", len(defaults.Claims) > 0},
		{"allow_from", "to let every address pass", len(defaults.AllowFrom.Entries) > 0},
		{"deny_from", "to refuse no address", len(defaults.DenyFrom.Entries) > 0},
		{"tls", "to use the system's authorities", defaults.TLS != nil},
		{"request_headers", "to change none", defaults.RequestHeaders != nil},
		{"response_headers", "to change none", defaults.ResponseHeaders != nil},
	} {
		if !k.inherited {
			field.RefuseEmpty(k.key, k.open)
		}
	}
}

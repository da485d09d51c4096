// Rules for routes: what each may say, and that their names are their own.

package config

import (
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"gatehouse/config/problem"
	"gatehouse/config/value"
)

func (v *validator) routes(file section) {
	list := file.valid("routes")
	switch {
	case !file.given("routes"):
		v.fail(file.node, "routes is missing", "a table needs at least one route")
		return
	case list == nil || list.Kind != yaml.SequenceNode:
		return
	case len(list.Content) == 0:
		v.fail(list, "routes is empty", "a table needs at least one route")
		return
	}
	first := map[string]int{}
	for i, n := range file.decodedEntries("routes", len(v.config.Routes)) {
		route := &v.config.Routes[i]
		s := file.entry("routes", i, n)
		v.route(s, route)
		if line, taken := first[route.Name]; taken && route.Name != "" {
			name := child(n, "name")
			v.fail(name, s.within+"the name is taken", "first used at line "+strconv.Itoa(line))
			continue
		}
		first[route.Name] = n.Line
	}
	v.conflicts(file)
}

// defaults checks the values that routes start from, once and where they are
// written, and not again at each route.
func (v *validator) defaults(s section) {
	if s.node == nil || s.node.Kind != yaml.MappingNode {
		return
	}
	v.routeValues(s, &v.defaultRoute)
	v.emptyRouteKeys(s, new(Route))
}

// route checks one route: its own values, then whether they go together.
func (v *validator) route(s section, route *Route) {
	s.require("name", route.Name, "a unique name; it is the label in metrics and logs")
	if route.Name != "" {
		s.check("name", route.Name, routeName)
	}
	s.require("prefix", route.Prefix, "such as /api/v1/query; / matches everything")
	if route.Prefix != "" {
		s.check("prefix", route.Prefix, prefixRule)
	}
	v.target(s, route)
	v.routeValues(s, route)
	v.emptyRouteKeys(s, &v.defaultRoute)
	v.roles(s, route)
	v.backendTLS(s, route)
	if n := s.valid("upgrade"); n != nil && len(n.Content) > 0 && route.Protocol == ProtocolH2C {
		s.forbid("upgrade", "needs HTTP/1.1, and protocol is h2c", "HTTP/2 has no upgrade: remove it, or use protocol: auto")
	}
}

// target checks that a route leads to exactly one place that exists.
func (v *validator) target(s section, route *Route) {
	switch {
	case s.given("backend") && s.given("handler"):
		s.forbid("handler", "and backend exclude each other", "a route leads to one of them")
	case s.given("handler"):
		v.handler(s, route)
	case s.given("backend"):
		n := s.valid("backend")
		if n == nil || route.Backend == nil {
			return
		}
		if f := backendRule(route.Backend); f != nil {
			s.reject(place{s.within, "backend"}, n, f)
		}
	default:
		s.fail(s.node, s.within+"backend is missing", "a URL such as http://query-service:8080")
	}
}

// handler checks a route to something built in. What says how to forward, or
// whom to let through, would be without effect there.
func (v *validator) handler(s section, route *Route) {
	s.check("handler", route.Handler, func(handler string) *problem.Fault {
		switch {
		case handler != HandlerUsers:
			return problem.OneOf("handler", handler, HandlerUsers)
		case v.config.Users.Off:
			return &problem.Fault{Reason: "there are no built-in users with `users: off`", Hint: "remove the route, or the `users: off`"}
		}
		return nil
	})
	for i := 0; i+1 < len(s.node.Content); i += 2 {
		key := resolveAlias(s.node.Content[i])
		if key.Value == "backend" || slices.Contains(handlerKeys(), key.Value) || s.failed[key] {
			continue
		}
		hint := "remove it: a handler forwards nothing"
		switch key.Value {
		case "auth", "roles":
			hint = "remove it: the endpoints of a handler carry their own policies"
		case "max_body":
			hint = "remove it: the endpoints of a handler take no more than they need"
		}
		s.fail(key, s.within+key.Value+" does not apply to a built-in handler", hint)
	}
}

// handlerKeys are the keys of a route to something built in.
func handlerKeys() []string {
	return []string{"name", "prefix", "handler", "hosts", "methods", "headers"}
}

// routeValues checks those keys that `defaults:` may hold too, where given.
func (v *validator) routeValues(s section, route *Route) {
	s.checkEach("hosts", route.Hosts, hostRule)
	s.checkEach("methods", route.Methods, methodRule)
	v.matchedHeaders(s, route)
	s.checkEach("roles", route.Roles, func(role string) *problem.Fault {
		if strings.TrimSpace(role) == "" {
			return &problem.Fault{Reason: "is empty"}
		}
		return nil
	})
	if route.Handler == "" {
		s.check("auth", string(route.Auth), policyRule)
	}
	s.check("protocol", string(route.Protocol), func(protocol string) *problem.Fault {
		return problem.OneOf("protocol", protocol, string(ProtocolAuto), string(ProtocolHTTP1), string(ProtocolH2C))
	})
	s.checkEach("upgrade", route.Upgrade, upgradeRule)
	v.certificate(s.child("tls"), route.TLS)
}

// policyRule is the rule for a policy. Whoever writes off may mean any of them.
func policyRule(policy string) *problem.Fault {
	policies := []string{string(PolicyStrict), string(PolicyInitial), string(PolicyNone)}
	if slices.Contains([]string{"off", "no", "false", "n", "on", "yes", "true", "y"}, strings.ToLower(policy)) {
		return &problem.Fault{Reason: "unknown policy", Hint: "one of " + strings.Join(policies, ", ")}
	}
	return problem.OneOf("policy", policy, policies...)
}

// upgradeRule is the rule for a protocol that a client may switch to. Those that
// carry requests are out: nobody would look at what follows on the connection.
func upgradeRule(protocol string) *problem.Fault {
	switch {
	case protocol == "*":
		return &problem.Fault{Reason: "not a protocol", Hint: "list them: what is not known cannot be trusted"}
	case !isToken(protocol):
		return &problem.Fault{Reason: "not a protocol", Hint: "such as websocket"}
	case protocol != strings.ToLower(protocol):
		return &problem.Fault{Reason: "protocols are lower case", Write: strings.ToLower(protocol)}
	case slices.Contains(requestProtocols(), protocol):
		return &problem.Fault{
			Reason: "requests could be smuggled through it: nothing on the upgraded connection is matched or authorised",
			Hint:   "remove it; HTTP/2 is spoken without an upgrade",
		}
	}
	return nil
}

// requestProtocols are those that carry requests after an upgrade (RFC 7540
// section 3.2, RFC 2817, RFC 9110 section 7.8).
func requestProtocols() []string { return []string{"h2c", "h2", "http", "tls"} }

func (v *validator) matchedHeaders(s section, route *Route) {
	first := map[string]bool{}
	claimed := map[string]bool{}
	for name := range v.config.Identity.Headers {
		claimed[foldHeader(name)] = true
	}
	v.eachPair(s, "headers", func(key, value *yaml.Node) {
		f := matchedHeader(key.Value)
		if f == nil && claimed[foldHeader(key.Value)] {
			f = &problem.Fault{Reason: "an identity header, which is removed from what clients send", Hint: "a client could choose the route by it: see `identity:`"}
		}
		if folded := strings.ToLower(key.Value); f == nil && first[folded] {
			f = &problem.Fault{Reason: "the same header in another spelling"}
		} else {
			first[folded] = true
		}
		if f != nil {
			v.reject(place{s.within, "headers"}, key, f)
			return
		}
		if v.failed[value] {
			return
		}
		if f := headerValue(route.Headers[key.Value]); f != nil {
			v.reject(place{s.within + "headers: ", key.Value}, value, f)
		}
	})
}

// roles checks that somebody's roles are asked for only where somebody is known.
func (v *validator) roles(s section, route *Route) {
	if route.Auth != PolicyNone || len(route.Roles) == 0 {
		return
	}
	const reason = "need a policy: with `auth: none` nobody's role is known"
	if s.given("roles") {
		s.forbid("roles", reason, "use auth: initial or strict")
		return
	}
	n := s.node
	if key := keyOf(s.node, "auth"); key != nil {
		n = key
	}
	s.fail(n, s.within+"the roles in `defaults:` "+reason, "write `roles: []` here to let everybody in")
}

// certificate checks that a client certificate is whole.
func (v *validator) certificate(s section, tls *TLS) {
	if s.node == nil || s.node.Kind != yaml.MappingNode || tls == nil {
		return
	}
	switch {
	case s.given("cert") && !s.given("key"):
		s.forbid("cert", "needs key", "the PEM file of the certificate's private key")
	case s.given("key") && !s.given("cert"):
		s.forbid("key", "needs cert", "the PEM file of the client certificate")
	}
	notEmpty := func(text string) *problem.Fault {
		if text == "" {
			return &problem.Fault{Reason: "is empty", Hint: "give it a value, or leave it out"}
		}
		return nil
	}
	s.check("ca", tls.CA, notEmpty)
	s.check("cert", tls.Cert, notEmpty)
	s.check("key", tls.Key, notEmpty)
	s.check("server_name", tls.ServerName, func(name string) *problem.Fault {
		if f := notEmpty(name); f != nil || !strings.HasPrefix(name, "*") {
			return problem.First(f, value.CheckHost(name))
		}
		return &problem.Fault{Reason: "not one name", Hint: "the name that the backend's certificate is for"}
	})
}

// backendTLS checks what is said about TLS against the backend's scheme.
func (v *validator) backendTLS(s section, route *Route) {
	if route.Backend == nil || s.valid("backend") == nil {
		return
	}
	secure := route.Backend.Scheme == "https"
	if s.given("tls") && !secure {
		s.forbid("tls", "is for https backends", "make the backend https://…, or remove tls")
	}
	if route.Protocol != ProtocolH2C || !secure {
		return
	}
	n := keyOf(s.node, "protocol")
	if n == nil {
		n = keyOf(s.node, "backend")
	}
	s.fail(n, s.within+"protocol h2c is HTTP/2 without TLS, and the backend is https", "use protocol: auto, which speaks HTTP/2 where TLS negotiates it")
}

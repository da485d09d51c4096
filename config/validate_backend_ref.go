// This file has the rules for routes that name backends: the names themselves, splits and
// mirrors.

package config

import (
	"maps"
	"slices"
	"strings"

	"gatehouse/config/problem"
	"gatehouse/config/yamldoc"
)

// backendRef checks a URL, or the names of backends.
func (v *validator) backendRef(given *yamldoc.Field, ref *BackendRef) {
	switch {
	case given == nil || ref == nil:
	case given.IsEmpty():
		given.Fail("is empty", "a URL, the name of a backend, or names with weights")
	case given.IsMapping():
		v.shares(given, ref)
	case ref.URL != nil:
		if f := backendRule(ref.URL); f != nil {
			given.Reject(f)
		}
	default:
		if f := v.backendName(given, ref.Shares[0].Name); f != nil {
			given.Reject(f)
		}
	}
}

// shares checks names with weights.
func (v *validator) shares(given *yamldoc.Field, ref *BackendRef) {
	idle := true
	for _, share := range ref.Shares {
		at := given.Get(share.Name)
		if at == nil {
			idle = false
			continue
		}
		idle = idle && share.Weight == 0
		if f := v.backendName(at, share.Name); f != nil {
			at.RejectKey(f)
		}
	}
	if idle {
		given.Fail("has no weight", "all weights are 0, so no backend would get a request")
	}
}

// backendName checks a name that a route gives.
func (v *validator) backendName(at *yamldoc.Field, name string) *problem.Fault {
	backend := v.config.Backends[name]
	if backend != nil {
		return v.nameRule(at, "backends", name, backend.Share)
	}
	if v.file.Get("backends").Given(name) || v.file.Given("backends") && v.file.Get("backends") == nil {
		return nil // it has a problem of its own
	}
	hint := problem.DidYouMean(name, slices.Sorted(maps.Keys(v.config.Backends)))
	switch {
	case strings.Contains(name, "://"):
		return &problem.Fault{Reason: "not the name of a backend", Hint: "give the URL a name in `backends`, and write that here"}
	case hint == "":
		hint = "define it in `backends`, or write a URL, such as http://query-service:8080"
	}
	return &problem.Fault{Reason: "no backend has this name", Hint: hint}
}

// split checks what keeps a caller on one side of a split.
func (v *validator) split(field *yamldoc.Field, route *Route) {
	given := field.Get("split_by")
	if given == nil || route.SplitBy == nil {
		return
	}
	v.hashKey(given, route.SplitBy)
	switch {
	case field.Get("backend") != nil && route.Backend != nil && len(route.Backend.Shares) < 2:
		field.Forbid("split_by", "needs a backend with several names", "such as backend: {orders: 95, orders-v2: 5}")
	case route.SplitBy.Claim != "" && route.Auth == PolicyNone && given.Get("claim") != nil:
		given.Get("claim").Fail("needs a policy: with `auth: none` no token is read", "use auth: initial or strict, or split by a cookie, a header or client_ip")
	}
}

// mirror checks where the copies of requests go.
func (v *validator) mirror(field *yamldoc.Field, route *Route) {
	given := field.Get("mirror")
	if given == nil || route.Mirror == nil {
		return
	}
	if !given.Given("backend") {
		given.Missing("backend", "a name in `backends`, or a URL")
	}
	if !given.Given("percent") {
		given.Missing("percent", "the share of the requests that are copied, such as 5%")
	}
	if to := given.Get("backend"); to.IsMapping() {
		to.Fail("must be a URL or one name", "a mirror has one backend")
	} else {
		v.backendRef(to, route.Mirror.Backend)
	}
	given.Check("percent", "", func(string) *problem.Fault {
		if route.Mirror.Percent <= 0 {
			return &problem.Fault{Reason: "must be more than 0", Hint: "remove `mirror` to copy nothing"}
		}
		return nil
	})
}

// forwarding checks a route against each of the backends that it names: what the route
// says itself comes first.
func (v *validator) forwarding(field *yamldoc.Field, route *Route) {
	at := field.Get("backend")
	if at == nil || route.Backend == nil {
		return
	}
	for _, share := range route.Backend.Shares {
		if share.Route == nil || share.Route.Backend.First() == nil || !v.file.Get("backends").Get(share.Name).Valid() {
			continue
		}
		secure := share.Route.Backend.First().Scheme == "https"
		name := problem.Quote(share.Name)
		switch {
		case field.Given("tls") && !secure:
			field.Forbid("tls", "is for https servers, and those of the backend "+name+" are http", "remove it")
			return
		case share.Route.Protocol == ProtocolH2C && secure && (share.Backend.Protocol == nil || field.Given("protocol")):
			field.FailAt("protocol", "protocol h2c is HTTP/2 without TLS, and the servers of the backend "+name+" are https", "use protocol: auto, which uses HTTP/2 when TLS negotiates it")
			return
		case share.Route.Protocol == ProtocolH2C && route.Protocol != ProtocolH2C && field.Given("upgrade") && len(route.Upgrade) > 0:
			field.Forbid("upgrade", "needs HTTP/1.1, and the protocol of the backend "+name+" is h2c", "HTTP/2 has no upgrade: remove it, or use protocol: auto")
			return
		}
	}
}

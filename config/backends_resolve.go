// This file connects routes with the backends that they name.

package config

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"gatehouse/config/problem"
	"gatehouse/config/yamldoc"
)

// builtInPassive returns the defaults of `passive`.
func builtInPassive() Passive { return Passive{Fails: 5, Eject: 30 * time.Second, MaxEjected: 50} }

// builtInRetry returns the defaults of `retry`.
func builtInRetry() Retry {
	return Retry{
		Attempts: 2, When: []RetryCause{RetryConnect, RetryReset},
		Methods: []string{http.MethodGet, http.MethodHead, http.MethodOptions}, Budget: 20,
	}
}

// setBackendDefaults sets the defaults of the types of backends.
func setBackendDefaults(d *yamldoc.Decoder) {
	yamldoc.SetDefault(d, Backend{Balance: BalanceP2C, MaxWait: time.Second})
	yamldoc.SetDefault(d, Server{Weight: 1})
	yamldoc.SetDefault(d, Discover{Refresh: 10 * time.Second})
	yamldoc.SetDefault(d, Health{
		Interval: 10 * time.Second, Timeout: 2 * time.Second, Expect: []StatusRange{{http.StatusOK, 299}}, Fails: 3, Passes: 2,
	})
	yamldoc.SetDefault(d, builtInPassive())
	yamldoc.SetDefault(d, builtInRetry())
}

// mayHaveTwo reports whether the backend can have two servers at the same time.
func (b *Backend) mayHaveTwo() bool { return b.Discover != nil || len(b.Servers) > 1 }

// normalize sets what depends on the other keys of the backend.
func (b *Backend) normalize(name string) {
	b.Name = name
	if b.Passive == nil && b.mayHaveTwo() {
		passive := builtInPassive()
		b.Passive = &passive
	}
	if b.Retry == nil && b.mayHaveTwo() {
		retry := builtInRetry()
		b.Retry = &retry
	}
	if b.Passive != nil && b.Passive.Off {
		b.Passive = nil
	}
	if b.Retry != nil && b.Retry.Off {
		b.Retry = nil
	}
	b.Hash.normalize()
}

// normalize writes the name of a header as a http.Header does.
func (h *HashKey) normalize() {
	if h != nil {
		h.Header = http.CanonicalHeaderKey(h.Header)
	}
}

// resolveBackends finds the backends that routes name. file is the table with all that it
// includes.
func (c *Config) resolveBackends(file *yamldoc.Field) {
	for name, field := range file.Get("backends").Keys() {
		if backend := c.Backends[name]; backend != nil {
			backend.normalize(name)
			backend.Position = field.KeyPosition()
		}
	}
	for i, field := range file.Get("routes").Entries() {
		route := &c.Routes[i]
		route.SplitBy.normalize()
		if route.Backend != nil {
			c.resolveShares(route, route.Backend, field)
		}
		if route.Mirror != nil && route.Mirror.Backend != nil {
			c.resolveMirror(route, field)
		}
	}
}

// resolveShares sets the backends of a reference, and how a route forwards to them. given
// is the route.
func (c *Config) resolveShares(route *Route, ref *BackendRef, given *yamldoc.Field) {
	for i := range ref.Shares {
		share := &ref.Shares[i]
		if share.Backend = c.Backends[share.Name]; share.Backend == nil {
			continue // validation refuses it
		}
		share.Route = route.forwardingTo(share.Backend, given)
		share.Route.Backend = &BackendRef{Shares: []Share{{Name: share.Name, Weight: share.Weight, Backend: share.Backend}}}
	}
}

// resolveMirror sets how a route forwards to the backend of its mirror.
func (c *Config) resolveMirror(route *Route, given *yamldoc.Field) {
	mirror := route.Mirror
	c.resolveShares(route, mirror.Backend, given)
	if len(mirror.Backend.Shares) == 1 {
		mirror.Route = mirror.Backend.Shares[0].Route
		return
	}
	if mirror.Backend.URL != nil {
		copied := *route
		copied.Backend = mirror.Backend
		mirror.Route = &copied
	}
}

// forwardingTo returns the route as it forwards to a backend. What the route itself does
// not give is the backend's. given is the route in the file; nil gives nothing.
func (r *Route) forwardingTo(backend *Backend, given *yamldoc.Field) *Route {
	copied := *r
	inherit(&copied.Timeout, backend.Timeout, given.Given("timeout"))
	inherit(&copied.ConnectTimeout, backend.ConnectTimeout, given.Given("connect_timeout"))
	inherit(&copied.IdleTimeout, backend.IdleTimeout, given.Given("idle_timeout"))
	inherit(&copied.Protocol, backend.Protocol, given.Given("protocol"))
	inherit(&copied.PreserveHost, backend.PreserveHost, given.Given("preserve_host"))
	if backend.TLS != nil && !given.Given("tls") {
		copied.TLS = backend.TLS
	}
	if copied.Protocol == ProtocolH2C {
		copied.Upgrade = nil // see normalize
	}
	return &copied
}

// NeedsSecretKeys returns a problem for each thing of the table that is sealed or signed
// with the keys of GATEWAY_SECRET_KEYS_FILE. A process without them must not serve it.
func (c *Config) NeedsSecretKeys() problem.List {
	var list problem.List
	for _, name := range slices.Sorted(maps.Keys(c.Backends)) {
		if backend := c.Backends[name]; backend.Sticky != nil {
			list = append(list, problem.Problem{
				Position: backend.Position, Message: "backend " + problem.Quote(name) + ": sticky needs GATEWAY_SECRET_KEYS_FILE",
				Hint: "a file with a random key, such as `openssl rand -base64 48` gives; it signs the cookies",
			})
		}
	}
	return list
}

// CheckRoute returns a route by which the servers of the backend are reached for health
// checks: with the built-in values where the backend has none. gRPC without TLS uses h2c.
func (b *Backend) CheckRoute() *Route {
	route := builtInRoute()
	route.Name, route.Backend = b.Name, &BackendRef{Shares: []Share{{Name: b.Name, Weight: 1, Backend: b}}}
	checks := route.forwardingTo(b, nil)
	if b.Health != nil && b.Health.GRPC != nil && b.URLs()[0].Scheme == "http" {
		checks.Protocol = ProtocolH2C
	}
	return checks
}

// inherit sets a value of a route to that of its backend, if the backend has one and the
// route itself does not.
func inherit[T any](of *T, backend *T, given bool) {
	if backend != nil && !given {
		*of = *backend
	}
}

// This file warns about named backends: what has no effect, and what may send a request
// more often than it should be.

package lint

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gatehouse/config"
	"gatehouse/config/value"
	"gatehouse/config/yamldoc"
)

// warnBackends warns about the backends and the routes that name them.
func (l *linter) warnBackends() {
	if len(l.table.Backends) == 0 {
		return
	}
	used := map[string]bool{}
	for i, field := range l.file.Get("routes").Entries() {
		route := &l.table.Routes[i]
		for _, ref := range []*config.BackendRef{route.Backend, mirrored(route)} {
			if ref == nil {
				continue
			}
			for _, share := range ref.Shares {
				used[share.Name] = true
			}
		}
		l.warnShares(field, route)
		warnMirror(field, route)
	}
	for name, field := range l.file.Get("backends").Keys() {
		backend := l.table.Backends[name]
		if !used[name] {
			field.WarnKey("is not used: no route names it", "remove it, or name it in `backend` of a route")
		}
		warnHealth(field, backend)
		warnPassive(field, backend)
		l.warnRetry(field, backend)
		warnSingle(field, backend)
	}
}

func mirrored(route *config.Route) *config.BackendRef {
	if route.Mirror == nil {
		return nil
	}
	return route.Mirror.Backend
}

// warnShares warns about sides of a split that get no request, and about callers that
// nothing keeps on one side or at one server.
func (l *linter) warnShares(field *yamldoc.Field, route *config.Route) {
	if route.Backend == nil {
		return
	}
	for _, share := range route.Backend.Shares {
		if share.Weight == 0 {
			field.Get("backend").Get(share.Name).WarnKey("has the weight 0: it gets no request", "give it a weight, or remove it")
		}
		warnChecksOtherwise(field, share)
		if key := share.Backend.Hash; key != nil && key.Claim != "" && route.Auth == config.PolicyNone {
			field.WarnAt("auth", field.Name()+": the backend "+share.Name+" is balanced by the claim "+key.Claim+", and with `auth: none` no token is read",
				"these requests are balanced by p2c; use a header, a cookie or client_ip")
		}
	}
}

// warnChecksOtherwise warns about a route that reaches servers in another way than their
// health checks, which know the backend only.
func warnChecksOtherwise(field *yamldoc.Field, share config.Share) {
	of := share.Backend
	if of.Health == nil {
		return
	}
	secure := of.URLs()[0].Scheme == "https"
	h2c := of.Protocol == nil && of.Health.GRPC == nil && share.Route.Protocol == config.ProtocolH2C
	for _, other := range []struct {
		key string
		is  bool
	}{{"tls", secure && share.Route.TLS != of.TLS}, {"protocol", h2c}} {
		if other.is {
			field.WarnAt(other.key, field.Name()+": the health checks of the backend "+share.Name+" do not use `"+other.key+"` of the route",
				"write it into the backend, which has it for the routes as well")
		}
	}
}

// warnMirror warns about copies that go where the request itself goes.
func warnMirror(field *yamldoc.Field, route *config.Route) {
	if route.Mirror == nil {
		return
	}
	hosts := map[string]bool{}
	for _, server := range route.Backend.Servers() {
		hosts[serverKey(server)] = true
	}
	for _, server := range route.Mirror.Backend.Servers() {
		if hosts[serverKey(server)] {
			field.WarnAt("mirror", field.Name()+": mirror sends the copies to a server that gets the requests, too", "it would process them twice; name another backend")
			return
		}
	}
}

// warnHealth warns about checks that cannot succeed, or do not come in time.
func warnHealth(field *yamldoc.Field, backend *config.Backend) {
	health := backend.Health
	if health == nil {
		return
	}
	at := field.Get("health")
	if health.Timeout > health.Interval {
		at.WarnAt("timeout", title(field)+": health: the timeout is longer than the interval", "a check of a silent server delays the next one")
	}
	named := backend.TLS != nil && backend.TLS.ServerName != ""
	for _, server := range backend.URLs() {
		if server.Scheme == "https" && value.IsAddress(server.Hostname()) && !named {
			at.WarnAt("path", title(field)+": health: the checks verify a certificate for the address "+server.Hostname(),
				"if the certificate has a name instead, write it into `tls: {server_name: …}` of the backend")
			return
		}
	}
}

// warnPassive warns about limits on ejections that have no effect.
func warnPassive(field *yamldoc.Field, backend *config.Backend) {
	at := field.Get("passive")
	if backend.Passive == nil || !at.IsMapping() {
		return
	}
	servers := 0
	for _, server := range backend.Servers {
		if server.Weight > 0 {
			servers++
		}
	}
	share := float64(backend.Passive.MaxEjected) / 100
	switch {
	case backend.Discover == nil && servers == 1:
		at.WarnKey("has no effect: the only server is never ejected", "remove it, or list a second server")
	case share == 1:
		at.WarnAt("max_ejected", title(field)+": passive: max_ejected allows to eject the last server, which is never ejected", "write a smaller share, such as 50%")
	case backend.Discover == nil && math.Floor(share*float64(servers)) == 0:
		at.WarnAt("max_ejected", fmt.Sprintf("%s: passive: %s of %d servers is less than one: none is ejected", title(field), backend.Passive.MaxEjected, servers),
			fmt.Sprintf("write %d%% or more", int(math.Ceil(100/float64(servers)))))
	}
}

// warnRetry warns about requests that are sent again although a server may have processed
// them, and about attempts that never come.
func (l *linter) warnRetry(field *yamldoc.Field, backend *config.Backend) {
	at, retry := field.Get("retry"), backend.Retry
	if retry == nil || !at.IsMapping() {
		return
	}
	for i, entry := range at.Get("methods").Entries() {
		if method := retry.Methods[i]; !config.IsIdempotent(method) {
			entry.Warn(title(field)+": retry: methods "+method+" is sent again after a server may have processed it",
				"right if the servers know a request that comes twice; after a failed connection "+method+" is sent again anyway")
		}
	}
	if retry.Attempts == 1 {
		at.WarnAt("attempts", title(field)+": retry: with attempts 1 nothing is sent again", "write `retry: off` for that")
	}
	if slices.Contains(retry.When, config.RetryTimeout) && retry.PerTry == 0 {
		at.WarnAt("when", title(field)+": retry: when timeout needs per_try: without it the timeout of the route ends the request", "such as per_try: 5s")
	}
	if retry.PerTry == 0 {
		return
	}
	for i := range l.table.Routes {
		route := &l.table.Routes[i]
		if route.Backend == nil {
			continue
		}
		for _, share := range route.Backend.Shares {
			if timeout := share.Route.Timeout; share.Backend == backend && timeout > 0 && retry.PerTry >= timeout {
				at.WarnAt("per_try", fmt.Sprintf("%s: retry: per_try %s is not shorter than the timeout %s of the route %q: no time is left for a second attempt", title(field), retry.PerTry, timeout, route.Name),
					"make per_try shorter, or the timeout longer")
				return
			}
		}
	}
}

// warnSingle warns about a choice among servers where there is one only.
func warnSingle(field *yamldoc.Field, backend *config.Backend) {
	if backend.Discover != nil || len(backend.Servers) > 1 {
		return
	}
	if field.Given("sticky") {
		field.Get("sticky").WarnKey("has no effect: the backend has one server", "remove it, or list a second server")
	}
}

// title returns the name of a backend in messages.
func title(field *yamldoc.Field) string { return "backend " + strings.TrimSpace(field.Name()) }

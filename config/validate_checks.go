// This file has the rules for what a backend does about servers that fail: health checks,
// ejections, retries and the queue.

package config

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/config/problem"
	"gatehouse/config/value"
	"gatehouse/config/yamldoc"
)

// health checks the active checks of a backend.
func (v *validator) health(of *yamldoc.Field, backend *Backend) {
	field, health := of.Get("health"), backend.Health
	if field == nil || health == nil {
		return
	}
	switch {
	case field.Given("path") && field.Given("grpc"):
		field.Forbid("grpc", "and path exclude each other", "a check is a GET, or a call of grpc.health.v1.Health")
	case !field.Given("path") && !field.Given("grpc"):
		field.Missing("path", "such as /healthz; or `grpc` with the name of a service")
	}
	field.Check("path", health.Path, healthPathRule)
	if health.GRPC != nil {
		field.Check("grpc", *health.GRPC, grpcServiceRule)
		if field.Given("expect") {
			field.Forbid("expect", "does not apply to `grpc`", "remove it: such a check passes with SERVING")
		}
		if backend.Protocol != nil && *backend.Protocol == ProtocolHTTP1 {
			field.Forbid("grpc", "needs HTTP/2, and protocol is http1", "use protocol: h2c, or auto for https servers")
		}
	}
	atLeast(field, "interval", health.Interval, time.Second)
	atLeast(field, "timeout", health.Timeout, time.Millisecond)
	field.RefuseEmpty("expect", "to expect 200-299")
	positive(field, "fails", health.Fails)
	positive(field, "passes", health.Passes)
}

// healthPathRule checks the path of a health check, which may have a query.
func healthPathRule(path string) *problem.Fault {
	switch {
	case strings.Contains(path, "://"):
		return &problem.Fault{Reason: "not a path", Hint: "it is asked of each server: write its path alone, such as /healthz"}
	case !strings.HasPrefix(path, "/"):
		return &problem.Fault{Reason: "must begin with a slash", Write: "/" + path}
	case strings.Contains(path, "#"):
		return &problem.Fault{Reason: "must not have a fragment", Hint: "remove the # and what follows"}
	case strings.ContainsFunc(path, func(c rune) bool { return c <= ' ' || c >= 0x7f }):
		return &problem.Fault{Reason: "has a space or a character outside ASCII", Hint: "percent-encode it"}
	}
	if _, err := url.ParseRequestURI(path); err != nil || strings.HasPrefix(path, "//") {
		return &problem.Fault{Reason: "not a path", Hint: "such as /healthz"}
	}
	return nil
}

// grpcServiceRule checks the name of a gRPC service. "" stands for the whole server.
func grpcServiceRule(name string) *problem.Fault {
	for _, c := range []byte(name) {
		if !isAlphanumeric(c) && c != '.' && c != '_' && c != '-' {
			return &problem.Fault{Reason: "not the name of a service", Hint: "such as orders.v1.Orders, without a method"}
		}
	}
	return nil
}

// passive checks when servers are ejected.
func passive(field *yamldoc.Field, of *Passive) {
	if !field.IsMapping() || of == nil {
		return
	}
	refuseNothing(field, "passive")
	positive(field, "fails", of.Fails)
	atLeast(field, "eject", of.Eject, time.Second)
	field.Check("max_ejected", "", func(string) *problem.Fault {
		if of.MaxEjected == 0 {
			return &problem.Fault{Reason: "no server would be ejected", Hint: "write `passive: off` for that"}
		}
		return nil
	})
}

// retry checks when a request is sent again.
func retry(field *yamldoc.Field, of *Retry) {
	if !field.IsMapping() || of == nil {
		return
	}
	refuseNothing(field, "retry")
	positive(field, "attempts", of.Attempts)
	field.RefuseEmpty("when", "for connect and reset")
	causes := make([]string, len(of.When))
	for i, cause := range of.When {
		causes[i] = string(cause)
	}
	field.CheckEach("when", causes, retryCauseRule)
	field.RefuseEmpty("methods", "for GET, HEAD and OPTIONS")
	field.CheckEach("methods", of.Methods, methodRule)
}

// RetryCauses returns the values of `retry.when`.
func RetryCauses() []string {
	return []string{string(RetryConnect), string(RetryReset), string(RetryTimeout), "502", "503", "504"}
}

// retryCauseRule checks a cause. Other statuses are no sign that another server would
// answer differently, or that the request had no effect.
func retryCauseRule(cause string) *problem.Fault {
	if slices.Contains(RetryCauses(), cause) {
		return nil
	}
	if _, err := strconv.Atoi(cause); err == nil || strings.EqualFold(cause, "5xx") {
		return &problem.Fault{Reason: "not a status that is tried again", Hint: "only 502, 503 and 504 are: another answer is the server's own"}
	}
	return problem.OneOf("cause", cause, RetryCauses()...)
}

// refuseNothing refuses a mapping without keys. With the defaults alone it says nothing.
func refuseNothing(field *yamldoc.Field, key string) {
	if field.IsEmpty() {
		field.Fail("is empty", "omit it for the defaults, or write `"+key+": off`")
	}
}

// queue checks the bound on the requests of a backend.
func queue(field *yamldoc.Field, backend *Backend) {
	if field.Given("max_waiting") && backend.MaxRequests == 0 && field.Get("max_waiting") != nil {
		field.Forbid("max_waiting", "needs max_requests", "requests wait when that many are in flight")
	}
	if field.Given("max_wait") && !field.Given("max_waiting") {
		field.Forbid("max_wait", "needs max_waiting", "how many requests may wait")
	}
	atLeast(field, "max_wait", backend.MaxWait, time.Millisecond)
}

// positive rejects the count 0.
func positive(field *yamldoc.Field, key string, count value.Count) {
	field.Check(key, "", func(string) *problem.Fault {
		if count == 0 {
			return &problem.Fault{Reason: "must be at least 1"}
		}
		return nil
	})
}

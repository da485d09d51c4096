// This file has the rules for named backends, and for the routes that name them.

package config

import (
	"maps"
	"slices"

	"gatehouse/config/problem"
	"gatehouse/config/yamldoc"
)

// backendRef checks the backend of a route: a URL, or names.
func (v *validator) backendRef(given *yamldoc.Field, ref *BackendRef) {
	switch {
	case given == nil || ref == nil:
	case given.IsEmpty():
		given.Fail("is empty", "a URL, the name of a backend, or names with weights")
	case ref.URL != nil:
		if f := backendRule(ref.URL); f != nil {
			given.Reject(f)
		}
	case given.IsPlain():
		if f := v.backendName(given, ref.Shares[0].Name); f != nil {
			given.Reject(f)
		}
	default:
		for _, share := range ref.Shares {
			at := given.Get(share.Name)
			if at == nil {
				continue
			}
			if f := v.backendName(at, share.Name); f != nil {
				at.RejectKey(f)
			}
		}
	}
}

// split checks what keeps a caller on one side of a split.
func (v *validator) split(field *yamldoc.Field, route *Route) {
	v.hashKey(field.Get("split_by"), route.SplitBy)
}

// hashKey checks what of a request chooses a server or a side.
func (v *validator) hashKey(given *yamldoc.Field, key *HashKey) {
	if given == nil || key == nil {
		return
	}
	if given.IsEmpty() {
		given.Fail("is empty", "client_ip, or one of header, cookie and claim")
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
	v.backendRef(given.Get("backend"), route.Mirror.Backend)
}

// backendName checks a name that a route gives.
func (v *validator) backendName(at *yamldoc.Field, name string) *problem.Fault {
	backend := v.config.Backends[name]
	if backend == nil {
		if v.file.Get("backends").Given(name) {
			return nil // it has a problem of its own
		}
		hint := problem.DidYouMean(name, slices.Sorted(maps.Keys(v.config.Backends)))
		if hint == "" {
			hint = "define it in `backends`, or write a URL, such as http://query-service:8080"
		}
		return &problem.Fault{Reason: "no backend has this name", Hint: hint}
	}
	return v.nameRule(at, "backends", name, backend.Share)
}

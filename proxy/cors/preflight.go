package cors

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"gatehouse/internal/httperr"
)

// Methods are the methods that the answer to every preflight allows, unless the policy
// lists others. A route may still refuse one of them, with an answer that the page can
// read.
const Methods = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"

// never are methods that no route accepts.
var never = []string{http.MethodConnect, http.MethodTrace, "TRACK"}

// ErrOrigin is the answer to a preflight from an origin that is not listed.
var ErrOrigin = &httperr.Error{Status: http.StatusForbidden, Detail: "Disallowed CORS origin"}

// IsPreflight reports whether a request is a preflight. Other OPTIONS requests are not.
func IsPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions &&
		len(r.Header["Origin"]) > 0 && len(r.Header["Access-Control-Request-Method"]) > 0
}

// MethodsFor returns the methods that a preflight may allow: those that the policy lists,
// or the usual ones and more.
func (p *Policy) MethodsFor(more []string) []string {
	if p.methods != nil {
		return slices.Clone(p.methods)
	}
	methods := strings.Split(Methods, ", ")
	more = slices.DeleteFunc(slices.Clone(more), func(method string) bool {
		return slices.Contains(methods, method) || slices.Contains(never, method)
	})
	slices.Sort(more)
	return append(methods, slices.Compact(more)...)
}

// Preflight answers a preflight, without a backend or a token. No limit on requests
// applies: a browser reports every refused preflight as a CORS error, and would not say
// that the client must wait (issue 10).
//
// allowOrigin is the result of AllowedOrigin. If it is "", Preflight returns a refusal.
// methods are the methods to allow.
func (p *Policy) Preflight(w http.ResponseWriter, r *http.Request, allowOrigin string, methods []string) *httperr.Error {
	header := w.Header()
	header.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	if allowOrigin == "" {
		return ErrOrigin
	}
	if len(methods) > 0 {
		header.Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
	}
	if len(p.headers) > 0 {
		header.Set("Access-Control-Allow-Headers", strings.Join(p.headers, ", "))
	} else if asked := r.Header["Access-Control-Request-Headers"]; p.headers == nil && len(asked) > 0 {
		header.Set("Access-Control-Allow-Headers", strings.Join(asked, ", "))
	}
	// A public page asks before it sends a request into a private network. "*" does not
	// include that.
	if asked := r.Header["Access-Control-Request-Private-Network"]; p.private && len(asked) == 1 && asked[0] == "true" && allowOrigin != "*" {
		header.Set("Access-Control-Allow-Private-Network", "true")
	}
	header.Set("Access-Control-Max-Age", strconv.Itoa(p.maxAge))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// Strictest returns a policy for preflights that allows what both policies allow. Nil
// allows nothing by the gateway, so with nil the result allows no origin.
func Strictest(p, q *Policy) *Policy {
	if p == q {
		return p
	}
	if p == nil || q == nil {
		return &Policy{varies: []string{"Origin"}}
	}
	both := *p
	both.also = slices.Concat(p.also, []*Policy{q}, q.also)
	if q.credentials == nil {
		both.credentials = nil
	}
	both.private = p.private && q.private
	both.maxAge = min(p.maxAge, q.maxAge)
	both.methods = common(p.methods, q.methods)
	both.headers = common(p.headers, q.headers)
	return &both
}

// common returns the names in both lists. A nil list has every name.
func common(a, b []string) []string {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	both := []string{} // not nil, which would be every name
	for _, name := range a {
		if slices.ContainsFunc(b, func(other string) bool { return strings.EqualFold(name, other) }) {
			both = append(both, name)
		}
	}
	return both
}

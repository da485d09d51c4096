package ops

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"gatehouse/internal/httperr"
)

// The answers to operators who may not do what they ask for.
var (
	refuseBrowsers = &httperr.Error{Status: http.StatusForbidden, Detail: "Not for browsers."}
	refuseNoToken  = &httperr.Error{Status: http.StatusForbidden, Detail: "Changes need GATEWAY_OPS_TOKEN, which is not set."}
	refuseToken    = &httperr.Error{Status: http.StatusUnauthorized, Detail: "The operators' token is missing or wrong.", Challenge: "Bearer"}
)

// token is GATEWAY_OPS_TOKEN. "" means that there is none.
type token string

// required serves a handler to those who have the token. Without a token, it serves
// everybody.
func (t token) required(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if t != "" && !t.isIn(r) {
			refuseToken.WriteTo(w)
			return
		}
		next(w, r)
	}
}

// forChanges serves a handler that changes something. Web pages are refused. Without a
// token nobody may make the change, unless it is open.
func (t token) forChanges(open bool, next http.HandlerFunc) http.HandlerFunc {
	checked := t.required(next)
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "": // a web page
			refuseBrowsers.WriteTo(w)
		case t == "" && !open:
			refuseNoToken.WriteTo(w)
		default:
			checked(w, r)
		}
	}
}

// isIn reports whether a request has the token as a bearer token (RFC 6750 section 2.1).
func (t token) isIn(r *http.Request) bool {
	values := r.Header["Authorization"]
	if len(values) != 1 {
		return false
	}
	scheme, given, _ := strings.Cut(values[0], " ")
	want, got := sha256.Sum256([]byte(t)), sha256.Sum256([]byte(given))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

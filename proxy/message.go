package proxy

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"gatehouse/internal/httperr"
	"gatehouse/proxy/listener"
)

// refuseMessage refuses TRACE, which asks a backend to send back what it got:
// the token and the identity headers would be in the answer (RFC 9110 section
// 9.3.8), and the framing of HTTP/1.0 that nobody can be sure of (RFC 9112 section
// 6.1). It also refuses what only HTTP/2 can carry, and net/http lets pass
// there: to write it down as HTTP/1.1 would be to send another request, or to
// blame the backend for it (RFC 9113 sections 8.1.1 and 8.3.1).
func refuseMessage(r *http.Request) *httperr.Error {
	switch {
	case isTrace(r.Method):
		return refuseTrace
	case isBadlyFramed(r):
		return httperr.BodyMalformed
	case r.ProtoMajor < 2:
		return nil
	case !isToken(r.Method):
		return refuseMethod
	case r.Host == "" || slices.ContainsFunc(r.Header["Host"], func(host string) bool { return host != r.Host }):
		return refuseHost
	case !isLength(r.Header["Content-Length"]) || endsTooEarly(r):
		return httperr.BodyMalformed
	}
	return nil
}

// isBadlyFramed reports whether the request is of HTTP/1.0 and nobody knows where
// it ends: it has a Transfer-Encoding, which HTTP/1.0 has not (RFC 9112 section
// 6.1). net/http hides that field. Over TLS, and where net/http reads all requests
// of a connection, a request that is to have a body has to have the Content-Length
// that HTTP/1.0 asks for (RFC 1945 section 8.3).
func isBadlyFramed(r *http.Request) bool {
	if !isHTTP10(r) {
		return false
	}
	if coded, known := listener.HTTP10Coded(r.Context()); known {
		return coded
	}
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		return len(r.Header["Content-Length"]) == 0
	}
	return false
}

// isTrace reports whether a method is TRACE or TRACK, to a backend that does not
// heed the case of methods either.
func isTrace(method string) bool {
	return len(method) == len(methodTrack) && (strings.EqualFold(method, http.MethodTrace) || strings.EqualFold(method, methodTrack))
}

// methodTrack is TRACE as old servers of Microsoft know it.
const methodTrack = "TRACK"

// endsTooEarly reports whether the request ends with its headers though they
// announce a body (RFC 9113 section 8.1.1). net/http reads such a request as one
// without a body. Where the data end too early, reading them fails.
func endsTooEarly(r *http.Request) bool {
	announced := r.Header["Content-Length"]
	return len(announced) == 1 && r.ContentLength == 0 && strings.Trim(announced[0], "0") != ""
}

// isLength takes no length, or one. net/http reads what is no number as 0, and
// goes on.
func isLength(values []string) bool {
	if len(values) == 0 {
		return true
	}
	_, err := strconv.ParseUint(values[0], 10, 63)
	return len(values) == 1 && err == nil
}

// isToken tells a token of RFC 9110 section 5.6.2, which a method is.
func isToken(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return text != ""
}

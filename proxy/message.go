package proxy

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"gatehouse/internal/httperr"
	"gatehouse/proxy/listener"
)

// refuseMessage returns a refusal for messages that must not be forwarded, and nil for all
// others. It refuses
//
//   - TRACE. The backend would answer with the headers that it got, among them the token
//     and the identity headers (RFC 9110 section 9.3.8).
//   - HTTP/1.0 requests with unclear framing (RFC 9112 section 6.1).
//   - HTTP/2 requests with a larger header than MaxHeader. Over HTTP/1.1, net/http answers
//     them by itself; see serveranswers.go.
//   - HTTP/2 requests that HTTP/1.1 cannot express, which net/http accepts (RFC 9113
//     sections 8.1.1 and 8.3.1). In HTTP/1.1 they would be different requests, or
//     the backend would get the blame for an error.
func refuseMessage(r *http.Request) *httperr.Error {
	switch {
	case isTrace(r.Method):
		return refuseTrace
	case isBadlyFramed(r):
		return httperr.BodyMalformed
	case r.ProtoMajor < 2:
		return nil
	case headerListSize(r) > MaxHeader+headerSlop:
		return refuseLargeHead
	case !isToken(r.Method):
		return refuseMethod
	case r.Host == "" || slices.ContainsFunc(r.Header["Host"], func(host string) bool { return host != r.Host }):
		return refuseHost
	case !isLength(r.Header["Content-Length"]) || endsTooEarly(r):
		return httperr.BodyMalformed
	}
	return nil
}

// MaxHeader is the largest header of a request, in bytes. headerSlop is the number of
// bytes by which net/http lets an HTTP/2 header exceed it.
const (
	MaxHeader  = 64 << 10
	headerSlop = 10 * headerListOverhead
)

// headerListOverhead is what each field of an HTTP/2 header counts in addition to its
// name and value (RFC 9113 section 6.5.2).
const headerListOverhead = 32

// headerListSize returns the size of an HTTP/2 header, without its pseudo-fields.
func headerListSize(r *http.Request) (size int) {
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + headerListOverhead
		}
	}
	return size
}

// isBadlyFramed reports whether it is unclear where an HTTP/1.0 request ends. That is so
// when it has a Transfer-Encoding, which HTTP/1.0 does not define (RFC 9112 section 6.1).
// net/http hides that field, and it reads the requests over TLS. For such requests,
// isBadlyFramed instead requires a Content-Length for methods with a body, as HTTP/1.0
// does (RFC 1945 section 8.3).
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

// isTrace reports whether a method is TRACE or TRACK. It ignores case, because some
// backends do.
func isTrace(method string) bool {
	return len(method) == len(methodTrack) && (strings.EqualFold(method, http.MethodTrace) || strings.EqualFold(method, methodTrack))
}

// methodTrack is the name of TRACE in old Microsoft servers.
const methodTrack = "TRACK"

// endsTooEarly reports whether an HTTP/2 request ends with its headers although they
// announce a body (RFC 9113 section 8.1.1). net/http accepts it as a request without a
// body. When a body ends too early, reading it fails, so that case needs no check.
func endsTooEarly(r *http.Request) bool {
	announced := r.Header["Content-Length"]
	return len(announced) == 1 && r.ContentLength == 0 && strings.Trim(announced[0], "0") != ""
}

// isLength reports whether the values of Content-Length are none, or one number. net/http
// reads any other text as 0.
func isLength(values []string) bool {
	if len(values) == 0 {
		return true
	}
	_, err := strconv.ParseUint(values[0], 10, 63)
	return len(values) == 1 && err == nil
}

// isToken reports whether text is a token (RFC 9110 section 5.6.2), as a method must be.
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

// This file has the rules for names and values of headers, identity headers
// included.

package config

import (
	"slices"
	"strings"
	"unicode"

	"gatehouse/config/problem"
	"gatehouse/config/yamldoc"
)

// isToken reports whether text is a token (RFC 9110 section 5.6.2). Header
// names and methods are tokens.
func isToken(text string) bool {
	for _, c := range []byte(text) {
		letterOrDigit := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letterOrDigit && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return text != ""
}

// headerName checks the name of any header.
func headerName(name string) *problem.Fault {
	if !isToken(name) {
		return &problem.Fault{Reason: "not the name of a header", Hint: "letters, digits and hyphens, such as X-User-ID"}
	}
	return nil
}

// matchedHeader checks the name of a header that a route matches.
func matchedHeader(name string) *problem.Fault {
	if strings.EqualFold(name, "Host") {
		return &problem.Fault{Reason: "the host is not matched as a header", Hint: "use `hosts:`"}
	}
	says := func(prefix string) bool { return strings.HasPrefix(FoldHeader(name), prefix) }
	if isToken(name) && slices.ContainsFunc(ProxyHeaderPrefixes(), says) {
		return &problem.Fault{Reason: "only proxies set this header", Hint: "a client could choose the route by it: use a header of your own, or `hosts:`"}
	}
	return headerName(name)
}

// headerValue checks the value of a header that a route matches.
func headerValue(value string) *problem.Fault {
	switch {
	case value == "":
		return &problem.Fault{Reason: "is empty", Hint: "a header without a value protects nothing: omit it, or give it a value"}
	case strings.ContainsFunc(value, unicode.IsControl):
		return &problem.Fault{Reason: "contains a control character, which a header cannot"}
	case strings.TrimSpace(value) != value:
		return &problem.Fault{Reason: "begins or ends with a space, which a header's value cannot", Write: strings.TrimSpace(value)}
	}
	return nil
}

// identityHeader checks the name of a header that carries a claim. The gateway
// removes the header from requests of clients and sets it itself. So it must
// not be one that the protocol or the gateway uses otherwise.
func identityHeader(name string) *problem.Fault {
	if f := headerName(name); f != nil {
		return f
	}
	folded := FoldHeader(name)
	hasPrefix := func(prefix string) bool { return strings.HasPrefix(folded, prefix) }
	if slices.Contains(ReservedHeaders(), folded) || slices.ContainsFunc(ReservedHeaderPrefixes(), hasPrefix) {
		return &problem.Fault{Reason: "this header has another use", Hint: "choose a name of your own, such as X-User-ID"}
	}
	return nil
}

// ReservedHeaders returns the folded names of headers that cannot be identity
// headers.
func ReservedHeaders() []string {
	return []string{
		"accept", "accept-encoding", "authorization", "connection", "content-encoding", "content-length", "content-type",
		"cookie", "date", "expect", "forwarded", "host", "keep-alive", "origin", "range", "te", "traceparent", "tracestate",
		"trailer", "transfer-encoding", "upgrade", "user-agent", "via", "x-forwarded-for", "x-forwarded-host",
		"x-forwarded-port", "x-forwarded-proto", "x-process-time", "x-real-ip", "x-request-id",
	}
}

// ReservedHeaderPrefixes returns prefixes of such folded names.
func ReservedHeaderPrefixes() []string { return []string{"proxy-", "sec-", "access-control-", "if-"} }

// ProxyHeaderPrefixes returns the prefixes of the folded names of headers in
// which proxies describe a client to each other.
func ProxyHeaderPrefixes() []string { return []string{"forwarded", "x-forwarded", "x-real-ip"} }

// MatchHeadersKey returns the key under which a route, or `defaults:`, has the headers
// that a request must have.
func MatchHeadersKey(field *yamldoc.Field) string {
	if field.Given("match_headers") {
		return "match_headers"
	}
	return "headers"
}

// matchedHeaders checks the headers that a request must have.
func (v *validator) matchedHeaders(field *yamldoc.Field, route *Route) {
	if field.Given("headers") && field.Given("match_headers") {
		field.Forbid("headers", "and match_headers are two names of one key", "keep match_headers")
	}
	first := map[string]bool{}
	claimed := map[string]bool{}
	for name := range v.config.Identity.Headers {
		claimed[FoldHeader(name)] = true
	}
	for name, header := range field.Get(MatchHeadersKey(field)).Keys() {
		f := matchedHeader(name)
		if f == nil && claimed[FoldHeader(name)] {
			f = &problem.Fault{Reason: "an identity header, which is removed from requests of clients", Hint: "a client could choose the route by it: see `identity:`"}
		}
		if folded := strings.ToLower(name); f == nil && first[folded] {
			f = &problem.Fault{Reason: "the same header in another spelling"}
		} else {
			first[folded] = true
		}
		if f != nil {
			header.RejectKey(f)
			continue
		}
		if !header.Valid() {
			continue
		}
		if f := headerValue(route.Headers[name]); f != nil {
			header.Reject(f)
		}
	}
}

// FoldHeader returns the same form for two spellings of a header. CGI-like
// servers replace every character that is not a letter or digit by `_` (RFC
// 3875 section 4.1.18).
func FoldHeader(name string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 && isAlphanumeric(byte(r)) {
			return r
		}
		return '-'
	}, strings.ToLower(name))
}

func (v *validator) identity() {
	first := map[string]string{}
	for name, header := range v.file.Get("identity").Get("headers").Keys() {
		folded := FoldHeader(name)
		f := identityHeader(name)
		if other, taken := first[folded]; taken && f == nil {
			f = &problem.Fault{Reason: "the same header as " + problem.Quote(other), Hint: "case makes no difference, nor which character stands between words"}
		}
		first[folded] = name
		switch {
		case f != nil:
			header.RejectKey(f)
		case header.Valid() && v.config.Identity.Headers[name] == "":
			header.Fail("names no claim", "such as sub, email or company_id")
		}
	}
}

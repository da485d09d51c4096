// This file finds headers that a route matches although hardly any client sends them.
// Somebody probably meant to set them.

package lint

import (
	"net/textproto"
	"regexp"
	"slices"
	"strings"

	"gatehouse/config"
	"gatehouse/config/yamldoc"
)

// answerHeaders are headers of answers, in canonical form. No client has a reason to
// send them.
func answerHeaders() []string {
	return []string{
		"Accept-Patch", "Accept-Ranges", "Age", "Allow", "Alt-Svc", "Clear-Site-Data", "Content-Security-Policy",
		"Content-Security-Policy-Report-Only", "Cross-Origin-Embedder-Policy", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy",
		"Etag", "Expect-Ct", "Expires", "Feature-Policy", "Last-Modified", "Location", "Nel", "Origin-Agent-Cluster", "P3p",
		"Permissions-Policy", "Public-Key-Pins", "Referrer-Policy", "Refresh", "Report-To", "Reporting-Endpoints", "Retry-After", "Server",
		"Server-Timing", "Set-Cookie", "Sourcemap", "Strict-Transport-Security", "Timing-Allow-Origin", "Vary", "Www-Authenticate",
		"X-Accel-Buffering", "X-Accel-Expires", "X-Accel-Redirect", "X-Cache", "X-Content-Type-Options", "X-Dns-Prefetch-Control",
		"X-Download-Options", "X-Frame-Options", "X-Permitted-Cross-Domain-Policies", "X-Powered-By", "X-Process-Time", "X-Robots-Tag",
		"X-Ua-Compatible", "X-Xss-Protection",
	}
}

// answerHeaderPrefixes are prefixes of such headers. Those of a preflight,
// Access-Control-Request-*, do come from clients.
func answerHeaderPrefixes() []string {
	return []string{"Access-Control-Allow-", "Access-Control-Expose-", "Access-Control-Max-"}
}

// changingHeaders are headers whose value is another in each request, so that no exact
// value matches.
func changingHeaders() []string {
	return []string{"Date", "Traceparent", "Via", "X-Correlation-Id", "X-Request-Id", "X-Trace-Id"}
}

// answerDirectives are the directives of Cache-Control that only answers have (RFC 9111
// section 5.2.2, RFC 5861, RFC 8246). A browser that reloads a page sends others.
func answerDirectives() []string {
	return []string{
		"immutable", "must-revalidate", "must-understand", "private", "proxy-revalidate", "public", "s-maxage", "stale-while-revalidate",
	}
}

// doubledBraces matches what looks like a placeholder in two braces. JSON has quotes there.
var doubledBraces = regexp.MustCompile(`\{\{[ .]*[A-Za-z_][A-Za-z0-9_.]* *\}\}`)

// warnMatchedHeaders warns about the headers that a route, or `defaults:`, matches.
func warnMatchedHeaders(field *yamldoc.Field) {
	key := config.MatchHeadersKey(field)
	for name, header := range field.Get(key).Keys() {
		if !header.IsPlain() {
			continue
		}
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case isAnswerHeader(canonical, header.Text()):
			header.WarnKey("is a header of answers, and hardly any request has it: `"+key+"` matches requests",
				"to set it in answers, write response_headers: {set: {"+name+": …}}")
		case slices.Contains(changingHeaders(), canonical):
			header.WarnKey("has another value in each request: `"+key+"` matches exact values",
				"omit it, or match a header of your own, such as X-Canary")
		}
	}
}

// warnDoubledBraces warns about values in which a placeholder has two braces on each side, as
// in other template languages. They are sent as literal text.
func warnDoubledBraces(field *yamldoc.Field) {
	for _, key := range []string{"request_headers", "response_headers"} {
		for _, change := range []string{"set", "add"} {
			for _, header := range field.Get(key).Get(change).Keys() {
				if header.IsPlain() && doubledBraces.MatchString(header.Text()) {
					header.WarnValue("two braces stand for a literal one, so this is text and no placeholder", "write a placeholder with one brace on each side, such as {host}")
				}
			}
		}
	}
}

// isAnswerHeader reports whether a header is one of answers. name is in canonical form.
func isAnswerHeader(name, value string) bool {
	if name == "Cache-Control" {
		for directive := range strings.SplitSeq(strings.ToLower(value), ",") {
			word, _, _ := strings.Cut(strings.TrimSpace(directive), "=")
			if slices.Contains(answerDirectives(), word) {
				return true
			}
		}
		return false
	}
	has := func(prefix string) bool { return strings.HasPrefix(name, prefix) }
	return slices.Contains(answerHeaders(), name) || slices.ContainsFunc(answerHeaderPrefixes(), has)
}

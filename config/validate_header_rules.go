// This file has the rules for `request_headers` and `response_headers`.

package config

import (
	"slices"
	"strings"

	"gatehouse/config/problem"
	"gatehouse/config/yamldoc"
)

// headerRule are the rules for the headers of requests or of answers. name checks a header
// in `set`, `add` or `remove`; value checks the parts of a value and may be nil;
// placeholders lists those that a value may have.
type headerRule struct {
	name         func(change, name string) *problem.Fault
	value        func(parts []HeaderPart) *problem.Fault
	placeholders string
}

// headerRules checks the changes to headers under a key of a route or of `defaults:`.
func (v *validator) headerRules(field *yamldoc.Field, key string, rules *HeaderRules, rule headerRule) {
	given := field.Get(key)
	if !given.IsMapping() || rules == nil {
		return
	}
	for _, change := range []string{"set", "add", "remove"} {
		given.RefuseEmpty(change, "to "+change+" none")
	}
	changedHeaders(given, "set", rules.Set, rule)
	changedHeaders(given, "add", rules.Add, rule)
	first := map[string]int{}
	given.CheckEach("remove", rules.Remove, func(name string) *problem.Fault {
		f := rule.name("remove", name)
		if _, repeated := first[FoldHeader(name)]; repeated && f == nil {
			f = repeatedHeader()
		}
		first[FoldHeader(name)]++
		return f
	})
}

func repeatedHeader() *problem.Fault {
	return &problem.Fault{Reason: "the same header in another spelling", Hint: "case makes no difference, nor which character stands between words"}
}

// changedHeaders checks the names and values of headers that are set or added.
func changedHeaders(given *yamldoc.Field, change string, values map[string]HeaderValue, rule headerRule) {
	first := map[string]bool{}
	for name, header := range given.Get(change).Keys() {
		f := rule.name(change, name)
		if folded := FoldHeader(name); f == nil && first[folded] {
			f = repeatedHeader()
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
		if f := changedValue(values[name], header.Text(), rule); f != nil {
			header.Reject(f)
		}
	}
}

// changedValue checks the value of a header that is set or added. written is the value as
// the file has it, without the values of variables.
func changedValue(value HeaderValue, written string, rule headerRule) *problem.Fault {
	if value == "" {
		return &problem.Fault{Reason: "is empty", Hint: "to send none, list the header under `remove`"}
	}
	if f := headerValue(string(value)); f != nil {
		return f
	}
	parts, f := value.parse(rule.placeholders)
	switch {
	case f != nil && string(value) != written:
		f.Reason = "has braces that are no placeholder" // the name could be a part of a secret
	case f == nil && rule.value != nil:
		f = rule.value(parts)
	}
	return f
}

// changedHeaderName checks a name, whatever the header is.
func changedHeaderName(name string) *problem.Fault {
	if strings.Contains(name, "*") {
		return &problem.Fault{Reason: "not the name of one header", Hint: "name each header"}
	}
	return headerName(name)
}

// requestHeaders checks the changes to the headers of requests.
func (v *validator) requestHeaders(field *yamldoc.Field, route *Route) {
	owned := map[string]bool{}
	for name := range v.config.Identity.Headers {
		owned[FoldHeader(name)] = true
	}
	if len(owned) == 0 { // see identity.headers
		for name := range DefaultIdentityHeaders() {
			owned[FoldHeader(name)] = true
		}
	}
	v.headerRules(field, "request_headers", route.RequestHeaders, headerRule{placeholders: requestPlaceholders, name: func(change, name string) *problem.Fault {
		folded := FoldHeader(name)
		has := func(prefix string) bool { return strings.HasPrefix(folded, prefix) }
		switch f := changedHeaderName(name); {
		case f != nil:
			return f
		case folded == "host":
			return &problem.Fault{Reason: "the host is not a header of its own", Hint: "use preserve_host, or the host in `backend`"}
		case owned[folded]:
			return &problem.Fault{Reason: "an identity header: only the gateway sets it", Hint: "see `identity:`"}
		case slices.Contains(OwnRequestHeaders(), folded):
			return &problem.Fault{Reason: "the gateway itself sets this header, or removes it"}
		case slices.Contains(FramingHeaders(), folded), slices.ContainsFunc(FramingHeaderPrefixes(), has):
			return &problem.Fault{Reason: "this header belongs to the connection or to the form of the message"}
		case change == "add" && slices.Contains(SingleRequestHeaders(), folded):
			return &problem.Fault{Reason: "a request has this header once", Hint: "use `set`"}
		}
		return nil
	}})
}

// claimsOfNobody refuses {claim.NAME} on a route that asks for no token.
func (v *validator) claimsOfNobody(field *yamldoc.Field, route *Route) {
	given := field.Get("request_headers")
	if route.Auth != PolicyNone || !given.IsMapping() || route.RequestHeaders == nil {
		return
	}
	for change, values := range map[string]map[string]HeaderValue{"set": route.RequestHeaders.Set, "add": route.RequestHeaders.Add} {
		for name, header := range given.Get(change).Keys() {
			if header.Valid() && slices.ContainsFunc(values[name].Parts(), isClaim) {
				header.Fail("has a claim, and with `auth: none` the caller is unknown", "use auth: initial or strict, or remove it")
			}
		}
	}
}

func isClaim(part HeaderPart) bool { return part.Claim != "" }

// OwnRequestHeaders returns the folded names of headers that the gateway sends to backends
// in its own way, and of those that nobody may send.
func OwnRequestHeaders() []string {
	return []string{"forwarded", "proxy", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-request-id"}
}

// FramingHeaders returns the folded names of headers for one hop only (RFC 9110 section
// 7.6.1), and of headers that define the form of a message.
func FramingHeaders() []string {
	return []string{
		"connection", "content-length", "expect", "host", "http2-settings", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
	}
}

// FramingHeaderPrefixes returns prefixes of such folded names. The headers of a WebSocket
// handshake depend on each other (RFC 6455 section 4).
func FramingHeaderPrefixes() []string { return []string{"proxy-", "sec-websocket-"} }

// SingleRequestHeaders returns the folded names of headers that a request has at most
// once.
func SingleRequestHeaders() []string {
	return []string{"authorization", "content-encoding", "content-type", "cookie", "origin", "range", "referer", "user-agent"}
}

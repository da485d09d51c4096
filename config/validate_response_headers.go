// This file has the rules for changes to the headers of answers, of one route and of all.

package config

import (
	"maps"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"gatehouse/config/problem"
	"gatehouse/config/yamldoc"
)

// PerResponseHeaders returns the folded names of headers that describe one
// answer, so that a mapping for all answers cannot set them.
func PerResponseHeaders() []string {
	return []string{
		"connection", "content-encoding", "content-length", "content-range", "content-type", "date", "keep-alive", "location",
		"retry-after", "set-cookie", "te", "trailer", "transfer-encoding", "upgrade", "vary", "www-authenticate",
		"x-process-time", "x-request-id",
	}
}

// UnchangedResponseHeaders returns the folded names of headers of answers that no rule may
// set, add or remove: they belong to one hop, to the form of a message or to its meaning,
// or the gateway sets them itself.
func UnchangedResponseHeaders() []string {
	return []string{
		"connection", "content-encoding", "content-length", "content-range", "content-type", "date", "keep-alive", "location", "te",
		"trailer", "transfer-encoding", "upgrade", "www-authenticate", "x-process-time", "x-request-id",
	}
}

// RemovedOnlyHeaders returns the folded names of headers of answers whose values depend on
// the content, so that rules may only remove them.
func RemovedOnlyHeaders() []string { return []string{"accept-ranges", "age", "etag", "last-modified"} }

// ListedResponseHeaders returns the folded names of headers of answers to which the
// gateway or the backend adds values, so that rules may not set them.
func ListedResponseHeaders() []string { return []string{"set-cookie", "vary"} }

// responseHeaders checks the changes to the headers of every answer.
func (v *validator) responseHeaders() {
	v.file.RefuseEmpty("response_headers", "to add none")
	given, rules := v.file.Get("response_headers"), v.config.ResponseHeaders
	if given == nil || rules == nil {
		return
	}
	if areHeaderRules(given) {
		anyCORS := v.config.CORS != nil || slices.ContainsFunc(v.config.Routes, func(r Route) bool { return v.config.CORSOf(&r) != nil })
		v.headerRules(v.file, "response_headers", rules.Rules(), v.responseRule(anyCORS))
		return
	}
	for name, header := range given.Keys() {
		folded, value := FoldHeader(name), rules.Set[name]
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			header.RejectKey(&problem.Fault{Reason: "not a header's name", Hint: "such as Strict-Transport-Security"})
		case slices.Contains(PerResponseHeaders(), folded):
			header.RejectKey(&problem.Fault{Reason: "this header describes one answer only"})
		case strings.HasPrefix(folded, corsPrefix):
			header.RejectKey(setByCORS())
		case !header.Valid():
		case strings.TrimSpace(string(value)) == "":
			header.Fail("is empty", "omit it to keep the backend's")
		case !httpguts.ValidHeaderFieldValue(string(value)):
			header.Fail("has control characters", "")
		}
	}
}

// corsPrefix begins the folded names of the headers of the cross-origin rules.
const corsPrefix = "access-control-"

func setByCORS() *problem.Fault {
	return &problem.Fault{Reason: "the cross-origin rules set this header", Hint: "see `cors:`"}
}

// answeredHeaders checks the changes to the headers of a route's answers.
func (v *validator) answeredHeaders(field *yamldoc.Field, route *Route) {
	v.headerRules(field, "response_headers", route.ResponseHeaders, v.responseRule(v.config.CORSOf(route) != nil))
}

// inheritedCORS refuses a route with cross-origin rules whose inherited response_headers set
// the same headers: they would be sent to origins that the rules do not allow.
func (v *validator) inheritedCORS(field *yamldoc.Field, route *Route) {
	if v.config.CORSOf(route) == nil || route.ResponseHeaders == nil || field.Given("response_headers") {
		return
	}
	rules := route.ResponseHeaders
	names := slices.Concat(slices.Sorted(maps.Keys(rules.Set)), slices.Sorted(maps.Keys(rules.Add)), rules.Remove)
	at := slices.IndexFunc(names, func(name string) bool { return strings.HasPrefix(FoldHeader(name), corsPrefix) })
	if at >= 0 {
		field.FailAt("cors", "the response_headers in `defaults:` change "+names[at]+", which the cross-origin rules set", "write response_headers of the route, or cors: off")
	}
}

// responseRule returns the rule for headers of answers. cors says that the gateway answers
// by cross-origin rules. Without them, a table may set these headers.
func (v *validator) responseRule(cors bool) headerRule {
	return headerRule{placeholders: answerPlaceholders, name: func(change, name string) *problem.Fault {
		folded := FoldHeader(name)
		has := func(prefix string) bool { return strings.HasPrefix(folded, prefix) }
		switch f := changedHeaderName(name); {
		case f != nil:
			return f
		case slices.Contains(UnchangedResponseHeaders(), folded), slices.ContainsFunc(FramingHeaderPrefixes(), has):
			return &problem.Fault{Reason: "this header belongs to one answer, or the gateway itself sets it"}
		case cors && has(corsPrefix):
			return setByCORS()
		case change != "remove" && slices.Contains(RemovedOnlyHeaders(), folded):
			return &problem.Fault{Reason: "its value depends on the content of an answer", Hint: "it can only be removed"}
		case change == "set" && slices.Contains(ListedResponseHeaders(), folded):
			return &problem.Fault{Reason: "answers have values of their own in it", Hint: "use `add`"}
		}
		return nil
	}, value: func(parts []HeaderPart) *problem.Fault {
		if slices.ContainsFunc(parts, isClaim) {
			return &problem.Fault{Reason: "answers have no claims", Hint: "{claim.NAME} is for `request_headers`"}
		}
		return nil
	}}
}

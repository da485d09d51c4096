// This file has the rules for the expectations of a file about itself.

package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"gatehouse/config/problem"
	"gatehouse/config/value"
	"gatehouse/config/yamldoc"
)

func (v *validator) tests() {
	names := make([]string, len(v.config.Routes))
	for i, route := range v.config.Routes {
		names[i] = route.Name
	}
	slices.Sort(names)
	for i, field := range v.file.Get("tests").Entries() {
		test := &v.config.Tests[i]
		field.Require("request", test.Request, "METHOD /path, such as GET /api/v1/query/chats")
		if test.Request != "" {
			field.Check("request", test.Request, requestRule)
		}
		v.confineTest(field, test)
		callerRules(field, &test.As)
		field.Check("host", test.Host, func(host string) *problem.Fault {
			return problem.First(notEmptyRule(host), hostAndPort(host))
		})
		testHeaders(field, "headers", test.Headers, headerValue)
		field.RefuseEmpty("headers", "to send none")
		field.Check("from", test.From, addressRule)
		expectRules(field, &test.Expect, names)
	}
}

// callerRules checks the caller of a test. Its role and its company have keys of
// their own, because the gateway treats these claims in its own way.
func callerRules(field *yamldoc.Field, caller *Caller) {
	const hint = "anonymous, newcomer or member; or a user such as {roles: [admin]}"
	as := field.Get("as")
	switch {
	case !field.Given("as"):
		field.Missing("as", hint)
		return
	case as == nil:
		return
	case as.IsPlain() && caller.Name == "":
		as.Fail("is empty", hint)
		return
	case as.IsPlain():
		if f := problem.OneOf("person", caller.Name, CallerNames()...); f != nil {
			as.Reject(f)
		}
		return
	case as.IsEmpty():
		as.Fail("is empty", hint)
		return
	}
	as.Check("basic", caller.Basic, notEmptyRule)
	if as.Given("basic") {
		for _, key := range []string{"roles", "company", "claims"} {
			as.Forbid(key, "and basic exclude each other", "a user with a password has no token")
		}
	}
	as.RefuseEmpty("roles", "for a user with the role of new users")
	as.CheckEach("roles", caller.Roles, claimTextRule)
	as.Check("company", string(caller.Company), claimTextRule)
	as.RefuseEmpty("claims", "for a token without others")
	for name, claim := range as.Get("claims").Keys() {
		switch name {
		case "":
			claim.RejectKey(&problem.Fault{Reason: "a claim needs a name"})
		case "role":
			claim.FailKey("has its own key", "write roles: [admin] beside `claims`")
		case "company_id":
			claim.FailKey("has its own key", "write company: beside `claims`; company: off for a user without one")
		}
	}
}

// claimTextRule checks text that becomes a claim and then a header.
func claimTextRule(text string) *problem.Fault {
	if strings.TrimSpace(text) == "" {
		return &problem.Fault{Reason: "is empty"}
	}
	return headerValue(text)
}

// hostAndPort checks a host as clients send it, with or without a port.
func hostAndPort(host string) *problem.Fault {
	parsed, err := url.Parse("http://" + host)
	if err != nil || parsed.Host != host || parsed.Hostname() == "" {
		return &problem.Fault{Reason: "not a host", Hint: "such as shop.example.com, with or without a port"}
	}
	return nil
}

// addressRule checks one IP address.
func addressRule(text string) *problem.Fault {
	if _, err := netip.ParseAddr(text); err != nil {
		return &problem.Fault{Reason: "not an IP address", Hint: "it looks like 192.0.2.7 or 2001:db8::7"}
	}
	return nil
}

// testHeaders checks the names and the values of headers in a test.
func testHeaders(field *yamldoc.Field, key string, values map[string]string, valueRule func(string) *problem.Fault) {
	first := map[string]bool{}
	for name, header := range field.Get(key).Keys() {
		f := headerName(name)
		folded := strings.ToLower(name)
		switch {
		case f == nil && folded == "host" && key == "headers":
			f = &problem.Fault{Reason: "the host has its own key", Hint: "use `host:`"}
		case f == nil && first[folded]:
			f = &problem.Fault{Reason: "the same header in another spelling"}
		}
		first[folded] = true
		if f != nil {
			header.RejectKey(f)
			continue
		}
		if !header.Valid() {
			continue
		}
		if f := valueRule(values[name]); f != nil {
			header.Reject(f)
		}
	}
}

// expectRules checks what a test expects. names are those of all routes, sorted.
func expectRules(field *yamldoc.Field, expect *Expectation, names []string) {
	const hint = "a status, such as 401, or the name of a route"
	given := field.Get("expect")
	switch {
	case !field.Given("expect"):
		field.Missing("expect", hint)
		return
	case given == nil:
		return
	case given.IsPlain():
		if expect.Status == 0 && expect.To == "" {
			given.Fail("is empty", hint)
		} else if f := expectedRoute(expect.To, names); expect.Status == 0 && f != nil {
			given.Reject(f)
		}
		return
	case given.IsEmpty():
		given.Fail("is empty", "expect at least a status, or where the request must go")
		return
	}
	isForwarded := strings.HasPrefix(expect.To, "/") || strings.Contains(expect.To, "://")
	given.Check("to", expect.To, func(to string) *problem.Fault {
		switch {
		case !isForwarded:
			return expectedRoute(to, names)
		case strings.HasPrefix(to, "/"):
			return targetCharacters(to)
		}
		_, f := value.ParseURL(to)
		return f
	})
	if isForwarded && given.Given("status") {
		given.Forbid("status", "and a `to` that is not a route exclude each other", "the status of a forwarded request is the backend's")
	}
	if isForwarded && given.Given("location") {
		given.Forbid("location", "and a `to` that is not a route exclude each other", "only redirects have a location")
	}
	given.Check("location", expect.Location, notEmptyRule)
	given.RefuseEmpty("header", "to compare none")
	testHeaders(given, "header", expect.Header, func(value string) *problem.Fault {
		if value == "" {
			return nil
		}
		return headerValue(value)
	})
}

// requestRule checks the request of a test.
func requestRule(request string) *problem.Fault {
	const hint = "METHOD /path, such as GET /api/v1/query/chats"
	method, target, found := strings.Cut(request, " ")
	if !found || !isToken(method) || !strings.HasPrefix(target, "/") {
		return &problem.Fault{Reason: "not a request", Hint: hint}
	}
	if f := methodRule(method); f != nil {
		return f
	}
	return targetCharacters(target)
}

// targetCharacters checks the characters of a request's target.
func targetCharacters(target string) *problem.Fault {
	if strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '#' }) {
		return &problem.Fault{Reason: "its target contains a space, a control character or a fragment", Hint: "percent-encode it"}
	}
	return nil
}

// expectedRoute checks the name of a route that a request must reach.
func expectedRoute(name string, names []string) *problem.Fault {
	if _, found := slices.BinarySearch(names, name); found {
		return nil
	}
	hint := problem.DidYouMean(name, names)
	if hint == "" {
		hint = "a status, such as 401, or the name of a route"
	}
	return &problem.Fault{Reason: "no route has this name", Hint: hint}
}

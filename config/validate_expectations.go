// This file has the rules for the expectations of a file about itself.

package config

import (
	"slices"
	"strconv"
	"strings"

	"gatehouse/config/problem"
)

func (v *validator) tests() {
	names := make([]string, len(v.config.Routes))
	for i, route := range v.config.Routes {
		names[i] = route.Name
	}
	slices.Sort(names)
	expectation := func(expect string) *problem.Fault { return expectRule(expect, names) }
	for i, field := range v.file.Get("tests").Entries() {
		test := v.config.Tests[i]
		field.Require("request", test.Request, "METHOD /path, such as GET /api/v1/query/chats")
		field.Require("as", test.As, "anonymous, newcomer or member")
		field.Require("expect", test.Expect, "a status, such as 401, or the name of a route")
		if test.Request != "" {
			field.Check("request", test.Request, requestRule)
		}
		v.confineTest(field, &test)
		if test.As != "" {
			field.Check("as", test.As, func(as string) *problem.Fault {
				return problem.OneOf("person", as, "anonymous", "newcomer", "member")
			})
		}
		if test.Expect != "" {
			field.Check("expect", test.Expect, expectation)
		}
	}
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
	if strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '#' }) {
		return &problem.Fault{Reason: "its target contains a space, a control character or a fragment", Hint: "percent-encode it"}
	}
	return nil
}

// expectRule checks the expected result of a test: a status, or a route's name.
func expectRule(expect string, names []string) *problem.Fault {
	if strings.Trim(expect, "0123456789") == "" {
		status, err := strconv.Atoi(expect)
		if err != nil || status < 100 || status > 599 {
			return &problem.Fault{Reason: "a status is between 100 and 599"}
		}
		return nil
	}
	if _, found := slices.BinarySearch(names, expect); found {
		return nil
	}
	hint := problem.DidYouMean(expect, names)
	if hint == "" {
		hint = "a status, such as 401, or the name of a route"
	}
	return &problem.Fault{Reason: "no route has this name", Hint: hint}
}

// This file has the rules for rewrites: which paths they match, and what they
// make of them.

package config

import (
	"slices"
	"strings"

	"gatehouse/config/pathexp"
	"gatehouse/config/problem"
	"gatehouse/config/yamldoc"
)

// rewrite checks how a route rewrites paths. Whether the new paths are canonical is
// checked when the table is compiled.
func (v *validator) rewrite(field *yamldoc.Field, route *Route) {
	given := field.Get("rewrite")
	if given == nil || route.Rewrite == nil || field.Get("backend") == nil {
		return
	}
	if route.StripPrefix {
		hint := "remove strip_prefix, and leave out the prefix in `to`"
		if !field.Given("strip_prefix") {
			hint = "`defaults:` strips the prefix: write strip_prefix: false here, and leave out the prefix in `to`"
		}
		field.Forbid("rewrite", "and strip_prefix exclude each other", hint)
		return
	}
	given.Require("from", route.Rewrite.From, "such as ^/api/v1/orders/(.*)$")
	given.Require("to", route.Rewrite.To, "such as /orders/$1")
	if given.Get("from") == nil || given.Get("to") == nil || route.Rewrite.From == "" || route.Rewrite.To == "" {
		return
	}
	from, f := pathexp.Parse(route.Rewrite.From)
	if f == nil && field.Get("prefix") != nil && !from.MatchesBelow(route.Prefix) {
		f = &problem.Fault{Reason: "matches no path of the route, whose prefix is " + problem.Quote(route.Prefix), Hint: "it is matched with the whole path and its escapes, before anything is removed"}
	}
	if f != nil {
		given.Get("from").Reject(f)
		return
	}
	given.Check("to", route.Rewrite.To, func(to string) *problem.Fault {
		template, f := pathexp.ParseTemplate(to, from.Groups())
		if f != nil {
			return f
		}
		return rewrittenPath(template.With("x"))
	})
}

// rewrittenPath checks the path that a rewrite makes, with a sample for each group.
func rewrittenPath(path string) *problem.Fault {
	if !strings.HasPrefix(path, "/") {
		return &problem.Fault{Reason: "must begin with a slash", Hint: "it is a path; another server needs a route with another backend"}
	}
	for i := range len(path) {
		if f := rewrittenByte(path[i:]); f != nil {
			return f
		}
	}
	return redirectSegments(path)
}

// rewrittenByte checks the first byte of the text (RFC 3986 section 3.3).
func rewrittenByte(text string) *problem.Fault {
	switch c := text[0]; {
	case c == '%' && len(text) >= 3 && slices.Contains([]string{"%2F", "%5C", "%3B"}, strings.ToUpper(text[:3])):
		return &problem.Fault{Reason: "contains " + problem.Quote(text[:3]), Hint: "backends disagree on what it means in a path"}
	case c == '%':
		return prefixEscape(text)
	case c == '?':
		return &problem.Fault{Reason: "must not have a query", Hint: "the query of the request stays"}
	case c == '#':
		return &problem.Fault{Reason: "must not have a fragment", Hint: "remove the # and what follows"}
	case c == '{' || c == '}':
		return &problem.Fault{Reason: "contains " + problem.Quote(string(c)), Hint: "there are no placeholders: a group is written $1"}
	}
	return pathByte(text[0], "/-._~!$&'()*+,=:@")
}

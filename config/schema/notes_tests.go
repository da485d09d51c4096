// This file has the notes about the entries of `tests:`.

package schema

import "gatehouse/config"

// testNotes returns the notes about an entry of `tests:`.
func testNotes() map[string]note {
	return map[string]note{
		"tests.request": {
			title:       "Request",
			description: "METHOD /path, with a query if necessary. Nothing is sent.",
			examples:    []any{"GET /api/v1/query/chats?limit=2"},
			required:    true,
			value:       requestValue,
		},
		"tests.as": {
			title: "Caller",
			description: "anonymous: no token. newcomer: a token without a company. member: a token with a company. " +
				"Or a mapping, which describes another user with a good token.",
			examples: []any{"member", map[string]any{"roles": []string{"admin"}}},
			required: true,
			value:    func() *schema { return oneWord(config.CallerNames()...) },
		},
		"tests.as.roles": {
			title:       "Roles",
			description: "The user's roles. Without it, the role of new users.",
			examples:    []any{[]string{"admin"}},
			value:       notBlankText,
			unique:      true,
			notEmpty:    true,
		},
		"tests.as.company": {
			title:       "Company",
			description: "The user's company, or off for none. Without it, the company of member.",
			examples:    []any{"9b8f7e6d-5c4b-4a39-8877-665544332222", "off"},
			value:       func() *schema { return anyOf(notBlankText(), &schema{Const: false}) },
		},
		"tests.as.claims": {
			title:       "Claims",
			description: "Other claims of the token, as they are in it: text, numbers, booleans, lists and mappings.",
			examples:    []any{map[string]any{"scope": "orders:read", "realm_access": map[string]any{"roles": []string{"clerk"}}}},
			keys:        &schema{MinLength: 1, Not: &schema{Enum: []string{"role", "company_id"}}},
		},
		"tests.as.basic": {
			title:       "User of basic authentication",
			description: "The name of a user in the file of `basic`, who sends the right password instead of a token.",
			examples:    []any{"ops"},
			value:       notEmptyText,
		},
		"tests.host": {
			title:       "Host",
			description: "The host that the request asks for, with or without a port.",
			examples:    []any{"shop.example.com"},
			value:       func() *schema { return matchingToken(`^[^/?#@\s]+$`) },
		},
		"tests.headers": {
			title:       "Headers",
			description: "Headers of the request.",
			examples:    []any{map[string]string{"X-Canary": "1"}},
			keys:        &schema{Pattern: tokenPattern, Not: &schema{Pattern: "^[Hh][Oo][Ss][Tt]$"}},
			value:       func() *schema { return text(headerText) },
			notEmpty:    true,
		},
		"tests.from": {
			title:       "Address",
			description: "The address that the request comes from. Without it, 127.0.0.1. When it is a trusted proxy, `headers` may have an X-Forwarded-For.",
			examples:    []any{"192.0.2.7"},
			value:       func() *schema { return matching(addressPattern) },
		},
		"tests.expect": {
			title:       "Expectation",
			description: "A status, such as 401; or the name of a route to which the request must pass; or a mapping, to compare more.",
			examples:    []any{401, "query", map[string]any{"to": "/orders/7", "header": map[string]string{"X-Env": "prod"}}},
			required:    true,
			value:       expectValue,
		},
		"tests.expect.status": {
			title:       "Status",
			description: "The status of an answer of the gateway itself: a refusal, a redirect or a fixed answer.",
			examples:    []any{308},
			value:       answerStatusValue,
		},
		"tests.expect.to": {
			title:       "Target",
			description: "Where the request must pass: the name of a route, or the URL or the path with the query that the backend is asked for.",
			examples:    []any{"orders", "/orders/7?full=1", "http://orders:8080/orders/7"},
			value:       notEmptyText,
		},
		"tests.expect.header": {
			title:       "Headers",
			description: "Headers that the backend must get; or those of the answer, when the gateway itself answers. An empty value: the header must be absent.",
			examples:    []any{map[string]string{"X-Env": "prod"}},
			keys:        &schema{Pattern: tokenPattern},
			notEmpty:    true,
		},
		"tests.expect.location": {
			title:       "Location",
			description: "The address to which the request must be redirected.",
			examples:    []any{"/new"},
			value:       notEmptyText,
		},
	}
}

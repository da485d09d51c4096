// This file has the notes that an editor shows about each key, and restrictions
// of values besides their type. Generate refuses a key without a note, and a
// note without a key.

package schema

import (
	"maps"

	"gatehouse/config"
)

// note describes one key.
type note struct {
	title       string
	description string
	examples    []any

	required bool
	value    func() *schema // of one plain value: its own, an entry's, a mapping's; nil means by the type
	keys     *schema        // of a mapping whose keys the operator chooses
	unique   bool           // a list must not repeat an entry
	notEmpty bool           // a list or mapping needs an entry
}

// keyNotes returns the note of every key, by its path in the file.
func keyNotes() map[string]note {
	notes := map[string]note{}
	for _, some := range []map[string]note{
		tableNotes(), includeNotes(), limitNotes(), userNotes(), issuerNotes(), corsNotes("cors"), corsNotes("routes.cors"), targetNotes(), matchNotes(), forwardNotes(), routeHeaderNotes(), boundNotes(), testNotes(),
		backendNotes(), checkNotes(), referenceNotes(), hashKeyNotes("backends.hash"), hashKeyNotes("routes.split_by"), connectionNotes("routes"), connectionNotes("backends"),
		headerNotes("response_headers"), headerNotes("routes.response_headers"),
	} {
		maps.Copy(notes, some)
	}
	return notes
}

// tableNotes returns the notes about the top-level keys.
func tableNotes() map[string]note {
	return map[string]note{
		"name": {
			title:       "Name of the gateway",
			description: "The name of the gateway in the answers to GET / and GET /health.",
			examples:    []any{"Atenex API Gateway"},
			value:       notBlankText,
		},
		"identity": {
			title:       "Identity headers",
			description: "What backends learn about the caller.",
		},
		"identity.headers": {
			title: "Header: claim",
			description: "The headers that carry a token's claims to the backend. All of them are removed from requests of clients, on every route. " +
				"They replace the default headers. {} sends none, and removes the default headers from requests of clients.",
			examples: []any{map[string]string{"X-User-ID": "sub", "X-Company-ID": "company_id"}},
			keys:     identityHeaderName(),
			value:    notEmptyText,
		},
		"users": {
			title: "Built-in users",
			description: "The users that log in here. With `users: off` the gateway only verifies tokens: " +
				"it has no store and no login, and does not check the user of a token.",
			examples: []any{"off", map[string]string{"join": "listed"}},
		},
		"tokens": {
			title:       "Tokens of other issuers",
			description: "Issuers whose tokens are accepted, besides those signed here.",
		},
		"cors": {
			title:       "Cross-origin policy",
			description: "Which pages may call from a browser. Without it, or with `cors: off`, the gateway adds nothing, and the backends decide. A route may have its own.",
		},
		"addresses": {
			title: "Sets of addresses",
			description: "Named sets of addresses and networks (CIDR), for `allow_from`, `deny_from`, `trusted_proxies` and `proxy_protocol`. " +
				"A set that is {networks: […], share: true} may be named in files of other owners, too.",
			examples: []any{map[string][]string{"office": {"192.0.2.0/24", "2001:db8::/32"}}},
			keys:     &schema{Pattern: addressSetPattern, MaxLength: config.MaxName},
			value:    addressSetValue,
		},
		"trusted_proxies": {
			title:       "Trusted proxies",
			description: "Addresses, networks (CIDR) and sets (`addresses`) of your own proxies, whose X-Forwarded-* headers are believed. `unix` means every client of a unix socket. Without it, no proxy is trusted.",
			examples:    []any{[]string{"10.0.0.0/8", "2001:db8::/32", "192.0.2.7"}},
			value:       addressValue,
			unique:      true,
		},
		"proxy_protocol": {
			title: "Peers with the PROXY protocol",
			description: "Addresses, networks (CIDR) and sets (`addresses`) of load balancers that send a header of the PROXY protocol (version 1 or 2). " +
				"Each of their connections must begin with one; from all others it is refused. `unix` means every client of a unix socket.",
			examples: []any{[]string{"10.0.0.5/32"}},
			value:    addressValue,
			unique:   true,
		},
		"response_headers": {
			title:       "Headers of every answer",
			description: "Headers that are set on every answer, in place of the backend's; or `remove`, `set` and `add`, as on a route. Those of the route come later.",
			examples:    []any{map[string]string{"Strict-Transport-Security": "max-age=31536000"}, map[string]any{"remove": []string{"Server"}}},
			keys:        responseHeaderName(),
			value:       notBlankText,
		},
		"errors": {
			title: "Pages for errors",
			description: "Pages that replace the bodies of the gateway's own errors, by status or class (4xx, 5xx), for clients that prefer HTML. " +
				"Errors of backends pass as they are. A page may have {request_id}, {status} and {detail}.",
			examples: []any{map[string]string{"503": "maintenance.html", "4xx": "oops.html"}},
			keys:     &schema{Pattern: errorKeyPattern},
			value:    notEmptyText,
			notEmpty: true,
		},
		"defaults": {
			title:       "Defaults of routes",
			description: "Defaults for every route: any of its keys except name, prefix, rewrite, basic, backend, handler, redirect and respond. A route's own key replaces the default.",
			examples:    []any{map[string]string{"auth": "strict", "timeout": "60s"}},
		},
		"routes": {
			title: "Routes",
			description: "Where requests go. The longest prefix wins; then a route with a host comes before one with methods, and that before one with headers. " +
				"Two routes for the same requests are an error.",
			notEmpty: true,
		},
		"tests": {
			title:       "Tests",
			description: "What must stay true. A reload that fails one of these is refused, and the last good table stays in use.",
		},
	}
}

// limitNotes returns the notes about the bounds on what clients hold open.
func limitNotes() map[string]note {
	return map[string]note{
		"limits": {
			title:       "Limits on clients",
			description: "What clients may have open at the same time. A client is an address, or the /64 of an IPv6 address. 0 means no bound.",
		},
		"limits.connections": {
			title:       "Connections",
			description: "Open connections to the public listener. More are closed at once.",
			examples:    []any{32768},
		},
		"limits.connections_per_client": {
			title:       "Connections of one client",
			description: "Open connections of one client. More are closed at once. Those of trusted proxies do not count.",
			examples:    []any{8192},
		},
		"limits.requests_per_client": {
			title:       "Requests of one client at once",
			description: "Requests of one client without a complete answer, including open streams. More are answered 429.",
			examples:    []any{1024},
		},
	}
}

// userNotes returns the notes about the keys of `users:`.
func userNotes() map[string]note {
	return map[string]note{
		"users.companies": {
			title:       "Companies that may be joined",
			description: "UUIDs of companies that users may join, besides GATEWAY_DEFAULT_COMPANY_ID.",
			examples:    []any{[]string{"9b8f7e6d-5c4b-4a39-8877-665544332222"}},
		},
		"users.join": {
			title:       "Companies to join",
			description: "`listed`: the default company and those under `companies`. `any`: users may join every company whose id they know.",
			value:       func() *schema { return oneWord(string(config.JoinListed), string(config.JoinAny)) },
		},
		"users.grace": {
			title: "Grace without the feed",
			description: "How long users pass by their last known state while changes to users cannot be received, such as when the database is down. " +
				"After that, the database is asked on each request, and a request is refused with 503 when it cannot be asked. 0 means no grace.",
			examples: []any{"30s"},
		},
	}
}

// issuerNotes returns the notes about an entry of `tokens:`.
func issuerNotes() map[string]note {
	return map[string]note{
		"tokens.issuer": {
			title:       "Issuer",
			description: "The exact `iss` claim of its tokens.",
			examples:    []any{"https://login.example.com/"},
			required:    true,
			value:       notEmptyText,
		},
		"tokens.keys": {
			title:       "Keys",
			description: "Where its public keys are: an https URL or a file, with JWKS or PEM. http is for loopback addresses only.",
			examples:    []any{"https://login.example.com/.well-known/jwks.json", "/etc/gatehouse/issuer.pem"},
			required:    true,
			value:       keysValue,
		},
		"tokens.audience": {
			title:       "Audience",
			description: "A name, or a list of names, of which the `aud` claim must have one. Without it, tokens that the issuer made for other services are accepted, too.",
			examples:    []any{"atenex", []string{"atenex", "https://api.example.com/"}},
			value:       notBlankText,
		},
		"tokens.algorithms": {
			title:       "Algorithms",
			description: "The accepted signature algorithms. They must be listed, because the gateway never takes them from a token.",
			examples:    []any{[]string{"RS256", "ES256"}},
			required:    true,
			value:       func() *schema { return oneWord(config.AlgorithmNames()...) },
			unique:      true,
			notEmpty:    true,
		},
		"tokens.leeway": {
			title:       "Leeway",
			description: "How long after `exp` a token is still accepted, at most 5m. It is for clocks that differ.",
			examples:    []any{"0", "1m"},
		},
		"tokens.claims": {
			title:       "Claims",
			description: "Names of claims, as our name: the issuer's name, which may be a path. Other claims have the same name in both.",
			examples:    []any{map[string]string{"company_id": "org_id", "role": "realm_access.roles"}},
			keys:        &schema{MinLength: 1},
			value:       func() *schema { return anyOf(text(claimNamePattern), ref("reference")) },
			notEmpty:    true,
		},
	}
}

// corsNotes returns the notes about the keys of `cors:` at a path.
func corsNotes(path string) map[string]note {
	return map[string]note{
		path + ".origins": {
			title: "Origins",
			description: "The origins that may call: scheme://host, with the port if it is not the default. " +
				"`*` stands for letters, digits and hyphens within one label, `[0-9]` for one character. \"*\" alone means every origin, and is not allowed with credentials.",
			examples: []any{[]string{"https://app.example.com", "https://preview-*.example.com", "http://localhost:300[0-9]"}},
			required: true,
			value:    originValue,
			unique:   true,
			notEmpty: true,
		},
		path + ".credentials": {
			title:       "Credentials",
			description: "Whether a page may send cookies and Authorization, and act for a signed-in user.",
		},
		path + ".allow_methods": {
			title:       "Allowed methods",
			description: "The methods that preflights allow. Without it, the usual ones and those of the routes that the request can reach.",
			examples:    []any{[]string{"GET", "POST"}},
			value:       methodValue,
			unique:      true,
			notEmpty:    true,
		},
		path + ".allow_headers": {
			title:       "Allowed headers",
			description: "The headers of requests that preflights allow. Without it, every header.",
			examples:    []any{[]string{"Authorization", "Content-Type"}},
			value:       func() *schema { return matchingToken(tokenPattern, "*") },
			unique:      true,
			notEmpty:    true,
		},
		path + ".private_network": {
			title:       "Private network",
			description: "Whether public pages of these origins may send requests into the private network where the gateway is. The origin \"*\" never allows that.",
		},
		path + ".expose": {
			title:       "Exposed headers",
			description: "Headers of answers that a page may read, besides those that browsers always allow.",
			examples:    []any{[]string{"X-Request-ID", "X-Process-Time"}},
			value:       func() *schema { return matchingToken(tokenPattern) },
			unique:      true,
		},
		path + ".max_age": {
			title:       "Age of preflights",
			description: "How long a browser may remember the answer to a preflight: a number and a unit (ms, s, m, h).",
			examples:    []any{"10m"},
		},
	}
}

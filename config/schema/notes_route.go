// This file has the notes about the keys of a route.

package schema

import "gatehouse/config"

// targetNotes returns the notes about where a request goes.
func targetNotes() map[string]note {
	return map[string]note{
		"routes.backend": {
			title:       "Backend",
			description: "Where requests go: an http or https URL, a name in `backends`, or several names with weights. A path of the URL is put before the request's path. No user name, password or query.",
			examples:    []any{"http://query-service:8080", "${INGEST_URL:-http://ingest-api-service}", "orders", map[string]int{"orders": 95, "orders-v2": 5}},
		},
		"routes.handler": {
			title:       "Handler",
			description: "A built-in handler instead of a backend: `users` has login and ensure-company. Its endpoints have their own policies.",
			value:       func() *schema { return oneWord(config.HandlerUsers) },
		},
		"routes.redirect": {
			title:       "Redirect",
			description: "The address that clients must ask instead. Nothing is forwarded.",
		},
		"routes.redirect.to": {
			title: "Address",
			description: "A path, or an http or https URL. The path behind the prefix and the query follow. When it has a query, even an empty one, they do not. " +
				"{rest} places the path behind the prefix. {host} is the host of the request, on routes with `hosts`.",
			examples: []any{"/new", "https://{host}/v2/{rest}"},
			required: true,
			value:    func() *schema { return matching(redirectPattern) },
		},
		"routes.redirect.status": {
			title:       "Status",
			description: "301 or 308 for ever, 302 or 307 for now; 307 and 308 keep the method. 303: ask with GET.",
			examples:    []any{302},
			value:       redirectStatusValue,
		},
		"routes.respond": {
			title:       "Fixed answer",
			description: "The answer to every request of the route: a status, and a body or a file. Nothing is forwarded.",
			examples:    []any{map[string]any{"status": 503, "body": "Back at noon."}},
		},
		"routes.respond.status": {
			title:       "Status",
			description: "From 200 to 599. Conditional requests and ranges are answered when it is 200.",
			examples:    []any{503},
			value:       answerStatusValue,
		},
		"routes.respond.body": {
			title:       "Body",
			description: "The text of the answer. Not together with `file`.",
			examples:    []any{"Back at noon."},
			value:       notEmptyText,
		},
		"routes.respond.file": {
			title: "File",
			description: "The file of the answer, at most 10 MiB: an absolute path, or one in the folder of the table. It is read with the table, " +
				"and again when it changes.",
			examples: []any{"maintenance.html"},
			value:    notEmptyText,
		},
		"routes.respond.content_type": {
			title:       "Media type",
			description: "The Content-Type. Without it: by the extension of the file, or text/plain.",
			examples:    []any{"text/html; charset=utf-8"},
			value:       func() *schema { return matching(mediaTypePattern) },
		},
		"routes.respond.headers": {
			title:       "Headers",
			description: "Headers of the answer, except those that the gateway computes.",
			examples:    []any{map[string]string{"Retry-After": "600"}},
			keys:        answerHeaderName(),
			value:       func() *schema { return text(answerHeaderText) },
			notEmpty:    true,
		},
	}
}

// matchNotes returns the notes about what a request must have, and who may pass.
func matchNotes() map[string]note {
	return map[string]note{
		"routes.name": {
			title:       "Name",
			description: "Unique; the label in metrics and logs. Letters, digits, `.`, `_` and `-`, at most 64.",
			examples:    []any{"query"},
			required:    true,
			value:       routeNameValue,
		},
		"routes.prefix": {
			title: "Prefix of the path",
			description: "Matches itself and everything below it: /api/v1/query matches /api/v1/query/chats, never /api/v1/queryx. " +
				"It is literal, in canonical form, and without a slash at its end. / matches everything.",
			examples: []any{"/api/v1/query"},
			required: true,
			value:    prefixValue,
		},
		"routes.hosts": {
			title:       "Hosts",
			description: "Host names of matching requests, without port. *.example.com matches every name below example.com. Without it: every host. [] is allowed only to undo `defaults`.",
			examples:    []any{[]string{"api.example.com", "*.example.com"}},
			value:       func() *schema { return matchingToken(matchedHost) },
			unique:      true,
		},
		"routes.methods": {
			title:       "Methods",
			description: "Upper case. Other methods are answered 405. GET includes HEAD. Without it: every method. [] is allowed only to undo `defaults`.",
			examples:    []any{[]string{"GET", "POST"}},
			value:       methodValue,
			unique:      true,
		},
		"routes.headers": {
			title:       "Headers of matching requests",
			description: "The old name of `match_headers`. It sets nothing; see `request_headers` and `response_headers`.",
			examples:    []any{map[string]string{"X-Canary": "1"}},
			keys:        matchedHeaderName(),
			value:       func() *schema { return text(headerText) },
		},
		"routes.match_headers": {
			title:       "Headers of matching requests",
			description: "Headers with exact values; a matching request has all of them. {} is allowed only to undo `defaults`.",
			examples:    []any{map[string]string{"X-Canary": "1"}},
			keys:        matchedHeaderName(),
			value:       func() *schema { return text(headerText) },
		},
		"routes.auth": {
			title:       "Policy",
			description: "strict: a valid token with a company. initial: a valid token. optional: a valid token, or no credential at all. none: open to everybody.",
			value:       policyValue,
		},
		"routes.roles": {
			title:       "Roles",
			description: "The caller must have one of these roles. Without it: every role. [] is allowed only to undo `defaults`. Not with `auth: none` or `optional`.",
			examples:    []any{[]string{"admin"}},
			value:       notBlankText,
			unique:      true,
		},
		"routes.claims": {
			title: "Claims",
			description: "Claims that the caller's token must have, each with one of its values; 403 otherwise. A claim of the token may be text, words with spaces " +
				"between them, a list, a number or a boolean. A name may be a path, such as realm_access.roles. {} is allowed only to undo `defaults`. Not with `auth: none` or `optional`.",
			examples: []any{map[string][]string{"scope": {"orders:read"}}},
			keys:     &schema{Pattern: claimNamePattern},
			value:    claimValues,
		},
		"routes.basic": {
			title: "Basic authentication",
			description: "An htpasswd file with bcrypt hashes (`htpasswd -B`): callers must send the name and the password of one of its users. " +
				"With `auth: none` only. The path is an absolute one, or in the folder of the table. The file is read again when it changes.",
			examples: []any{"internal.htpasswd"},
			value:    notEmptyText,
		},
		"routes.allow_from": {
			title: "Allowed addresses",
			description: "Addresses, networks (CIDR) and sets (`addresses`) of clients that may use the route; others are answered 403. " +
				"The client is the one that `trusted_proxies` name. [] is allowed only to undo `defaults`.",
			examples: []any{[]string{"10.0.0.0/8", "office"}},
			value:    addressValue,
			unique:   true,
		},
		"routes.deny_from": {
			title:       "Denied addresses",
			description: "Addresses, networks (CIDR) and sets (`addresses`) of clients that are answered 403, also when allow_from has them.",
			examples:    []any{[]string{"192.0.2.7"}},
			value:       addressValue,
			unique:      true,
		},
	}
}

// forwardNotes returns the notes about how a request is forwarded.
func forwardNotes() map[string]note {
	return map[string]note{
		"routes.strip_prefix": {
			title:       "Strip the prefix",
			description: "Forward the path without the prefix: /api/v1/query/chats as /chats.",
		},
		"routes.rewrite": {
			title:       "Rewrite",
			description: "The path that the backend gets instead of the client's. The query stays. Not together with `strip_prefix`.",
			examples:    []any{map[string]string{"from": `^/api/v1/orders/(\d+)$`, "to": "/orders/$1"}},
		},
		"routes.rewrite.from": {
			title: "Expression",
			description: "A regular expression (RE2) for the whole path, from ^ to $, with its escapes. " +
				"A path that it does not match stays as it is.",
			examples: []any{`^/api/v1/orders/(\d+)$`},
			required: true,
			value:    rewriteFromValue,
		},
		"routes.rewrite.to": {
			title:       "New path",
			description: "The path instead. $1 to $9 are the groups of `from`; $$ is a dollar. A path in `backend` is put before it.",
			examples:    []any{"/orders/$1"},
			required:    true,
			value:       func() *schema { return matching(rewriteToPattern) },
		},
		"routes.rewrite_location": {
			title: "Map addresses back",
			description: "Map Location, Content-Location and the paths of cookies in the backend's answers back to the client's paths, " +
				"where strip_prefix, a path in `backend` or a rewrite without groups makes that certain. off leaves them.",
			value: switchValue,
		},
		"routes.forward_token": {
			title:       "Forward the token",
			description: "Forward the Authorization header to the backend.",
		},
		"routes.allow_encoded_slashes": {
			title:       "Allow encoded slashes",
			description: "Accept %2F as data that is not a separator. Otherwise a path with %2F is answered 400.",
		},
		"routes.upgrade": {
			title: "Upgrades",
			description: "Protocols that a client may switch to with an Upgrade header. [] means none. " +
				"Protocols that carry requests, such as h2c, are refused: requests could be smuggled through them.",
			examples: []any{[]string{"websocket"}, []string{}},
			value:    upgradeValue,
			unique:   true,
		},
		"routes.cors": {
			title: "Cross-origin policy",
			description: "Which pages may call this route from a browser, in place of `cors` of the table: nothing of that applies here. " +
				"With `cors: off` the gateway adds nothing, and the backend answers preflights, which need what `auth` asks for.",
			examples: []any{"off", map[string]any{"origins": []string{"https://admin.example.com"}}},
		},
	}
}

// routeHeaderNotes returns the notes about the changes to headers that a route makes.
func routeHeaderNotes() map[string]note {
	return map[string]note{
		"routes.request_headers": {
			title: "Headers of requests",
			description: "Changes to the headers that the backend gets: `remove`, then `set`, then `add`. Values may have {client_ip}, {request_id}, {host}, {route} and {claim.NAME}; " +
				"{{ and }} stand for one brace each. A value that is empty for a request sends none. {} is allowed only to undo `defaults`.",
			examples: []any{map[string]any{"set": map[string]string{"X-Env": "prod", "X-Plan": "{claim.plan}"}, "remove": []string{"X-Debug"}}},
		},
		"routes.request_headers.set": {
			title:       "Set",
			description: "Headers with values that replace those of the client, which may be spelled in any way.",
			examples:    []any{map[string]string{"X-Env": "prod"}},
			keys:        requestHeaderName(),
			value:       func() *schema { return text(headerText) },
			notEmpty:    true,
		},
		"routes.request_headers.add": {
			title:       "Add",
			description: "Headers with values that are added to those of the client.",
			examples:    []any{map[string]string{"X-Tag": "edge"}},
			keys:        requestHeaderName(config.SingleRequestHeaders()...),
			value:       func() *schema { return text(headerText) },
			notEmpty:    true,
		},
		"routes.request_headers.remove": {
			title:       "Remove",
			description: "Headers of the client that the backend does not get, spelled in any way.",
			examples:    []any{[]string{"X-Debug"}},
			value:       func() *schema { return anyOf(requestHeaderName(), &schema{Type: "integer"}, ref("reference")) },
			unique:      true,
			notEmpty:    true,
		},
		"routes.compress": {
			title: "Compression",
			description: "Whether answers are compressed for clients that accept it: true for zstd, br and gzip, or a list with the preferred codings first. " +
				"Only answers of 1 KiB and more, of types that become smaller, and without Set-Cookie.",
			examples: []any{true, []string{"zstd", "gzip"}},
			value:    func() *schema { return oneWord("zstd", "br", "gzip") },
		},
		"routes.response_headers": {
			title: "Headers of answers",
			description: "Changes to the headers of every answer of the route, also of the gateway's own: `remove`, then `set`, then `add`, after those of the table. " +
				"Values may have {client_ip}, {request_id}, {host} and {route}. {} is allowed only to undo `defaults`.",
			examples: []any{map[string]any{"set": map[string]string{"X-Frame-Options": "DENY"}, "remove": []string{"Server"}}},
		},
	}
}

// boundUnit ends the description of a bound that is a duration.
const boundUnit = " A number and a unit (ms, s, m, h); 0 means no bound."

// boundNotes returns the notes about the bounds of a route.
func boundNotes() map[string]note {
	return map[string]note{
		"routes.max_body": {
			title: "Largest body",
			description: "How large a request's body may be, counted while it streams. Larger bodies get 413. " +
				"Bytes, or a unit: KiB, MiB, GiB (1024) or kB, MB, GB (1000); 0 means no bound.",
			examples: []any{"100MiB", "64kB"},
		},
	}
}

// headerNotes returns the notes about the changes to the headers of answers at a path.
func headerNotes(path string) map[string]note {
	name := func(others ...string) *schema {
		return &schema{Pattern: tokenPattern, Not: &schema{Pattern: unchangedAnswerPattern(others...)}}
	}
	return map[string]note{
		path + ".set": {
			title:       "Set",
			description: "Headers with values that replace those of the backend. {{ and }} stand for one brace each.",
			examples:    []any{map[string]string{"X-Frame-Options": "DENY"}},
			keys:        name(append(config.RemovedOnlyHeaders(), config.ListedResponseHeaders()...)...),
			value:       func() *schema { return text(headerText) },
			notEmpty:    true,
		},
		path + ".add": {
			title:       "Add",
			description: "Headers with values that are added to those of the backend.",
			examples:    []any{map[string]string{"Vary": "Accept-Language"}},
			keys:        name(config.RemovedOnlyHeaders()...),
			value:       func() *schema { return text(headerText) },
			notEmpty:    true,
		},
		path + ".remove": {
			title:       "Remove",
			description: "Headers of the backend that clients do not get.",
			examples:    []any{[]string{"Server", "X-Powered-By"}},
			value:       func() *schema { return anyOf(name(), &schema{Type: "integer"}, ref("reference")) },
			unique:      true,
			notEmpty:    true,
		},
	}
}

// connectionNotes returns the notes about the keys that routes and backends have, at a path.
func connectionNotes(path string) map[string]note {
	return map[string]note{
		path + ".tls": {
			title:       "TLS to the backend",
			description: "TLS to an https backend. The backend's certificate is always verified.",
		},
		path + ".tls.ca": {
			title:       "Authorities",
			description: "PEM file of the authorities to trust instead of the system's.",
			examples:    []any{"/etc/gatehouse/ca.pem"},
			value:       notEmptyText,
		},
		path + ".tls.cert": {
			title:       "Client certificate",
			description: "PEM file of the certificate that the gateway presents. Needs `key`.",
			examples:    []any{"/etc/gatehouse/client.pem"},
			value:       notEmptyText,
		},
		path + ".tls.key": {
			title:       "Client key",
			description: "PEM file of the certificate's private key. Needs `cert`.",
			examples:    []any{"/etc/gatehouse/client-key.pem"},
			value:       notEmptyText,
		},
		path + ".tls.server_name": {
			title:       "Server name",
			description: "The name in the certificate that is verified, instead of the backend's host.",
			examples:    []any{"query.internal"},
			value:       func() *schema { return matchingToken(serverName) },
		},
		path + ".preserve_host": {
			title:       "Preserve the host",
			description: "Send the client's Host to the backend instead of the backend's own.",
		},
		path + ".protocol": {
			title:       "Protocol",
			description: "auto: HTTP/1.1, or HTTP/2 when TLS negotiates it. http1: HTTP/1.1 only. h2c: HTTP/2 without TLS, as gRPC uses.",
			value: func() *schema {
				return oneWord(string(config.ProtocolAuto), string(config.ProtocolHTTP1), string(config.ProtocolH2C))
			},
		},
		path + ".timeout": {
			title:       "Timeout",
			description: "How long the backend may take until its response headers; after that, 504. Streams are bounded by idle_timeout." + boundUnit,
			examples:    []any{"60s", "5m"},
		},
		path + ".connect_timeout": {
			title:       "Timeout of connecting",
			description: "How long opening a connection to the backend may take." + boundUnit,
			examples:    []any{"10s"},
		},
		path + ".idle_timeout": {
			title:       "Idle timeout",
			description: "How long a body or an upgraded stream may pause." + boundUnit,
			examples:    []any{"5m"},
		},
	}
}

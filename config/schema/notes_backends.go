// This file has the notes about named backends, and about the keys of a route that name
// them.

package schema

import (
	"math"

	"gatehouse/config"
)

// backendNotes returns the notes about `backends:`.
func backendNotes() map[string]note {
	return map[string]note{
		"backends": {
			title: "Backends",
			description: "Named backends with several servers, for `backend` of routes. " +
				"Balancing, health and retries belong to the name and the address of a server; a reload resets none of it.",
			examples: []any{map[string]any{"orders": map[string]any{"servers": []string{"http://10.0.0.1:8080", "http://10.0.0.2:8080"}}}},
			keys:     &schema{Pattern: backendNamePattern, MaxLength: config.MaxName},
		},
		"backends.share": {
			title:       "Share",
			description: "Whether files of other owners may name this backend, too.",
		},
		"backends.servers": {
			title:       "Servers",
			description: "The servers, which all have the same scheme and path: a URL, or {url: …, weight: …}.",
			examples:    []any{[]any{"http://10.0.0.1:8080", map[string]any{"url": "http://10.0.0.2:8080", "weight": 3}}},
			notEmpty:    true,
		},
		"backends.servers.url": {
			title:       "URL",
			description: "An http or https URL. Its path, if any, is put before the request's path. No user name, password or query.",
			examples:    []any{"http://10.0.0.2:8080"},
			required:    true,
		},
		"backends.servers.weight": {
			title:       "Weight",
			description: "The server's share of the requests, among the sum of all weights. 0 gives it none.",
			examples:    []any{3},
			value:       weightValue,
		},
		"backends.discover": {
			title:       "Discovery",
			description: "Servers that are looked up by DNS: instead of `servers`. A lookup that fails keeps the servers of the last one.",
			examples:    []any{map[string]string{"url": "http://orders-headless:8080", "refresh": "10s"}, map[string]string{"srv": "_http._tcp.orders"}},
		},
		"backends.discover.url": {
			title:       "URL",
			description: "A URL with a host name. Each of its addresses (A and AAAA) is a server.",
			examples:    []any{"http://orders-headless:8080"},
		},
		"backends.discover.srv": {
			title:       "SRV name",
			description: "A name whose SRV records give hosts, ports and weights (RFC 2782). With _https._tcp the servers have TLS.",
			examples:    []any{"_http._tcp.orders.example.com"},
			value:       func() *schema { return matching(srvPattern) },
		},
		"backends.discover.refresh": {
			title:       "Refresh",
			description: "The time between two lookups, at least 1s.",
			examples:    []any{"10s"},
			value:       positiveDuration,
		},
		"backends.balance": {
			title: "Balancing",
			description: "p2c: of two servers by chance, the one with fewer requests in flight. round_robin: one after the other, by weight. " +
				"hash: the same server for the same key.",
			value: func() *schema {
				return oneWord(string(config.BalanceP2C), string(config.BalanceRoundRobin), string(config.BalanceHash))
			},
		},
		"backends.hash": {
			title:       "Key of the hash",
			description: "What chooses the server with `balance: hash`: client_ip, or a header, a cookie or a claim. A request without it is balanced by p2c.",
			examples:    []any{"client_ip", map[string]string{"header": "X-Tenant"}},
		},
		"backends.sticky": {
			title:       "Sticky sessions",
			description: "Keeps a client at one server with a signed cookie. The process needs GATEWAY_SECRET_KEYS_FILE.",
			examples:    []any{map[string]string{"cookie": "gh_orders", "ttl": "1h"}},
		},
		"backends.sticky.cookie": {
			title:       "Cookie",
			description: "The name of the cookie.",
			examples:    []any{"gh_orders"},
			required:    true,
			value:       func() *schema { return matchingToken(tokenPattern) },
		},
		"backends.sticky.ttl": {
			title:       "Life",
			description: "How long the cookie lives. 0: until the browser ends its session.",
			examples:    []any{"1h"},
		},
		"backends.max_requests": {
			title:       "Requests at once",
			description: "The most requests in flight from this gateway, streams included. More wait (`max_waiting`), or are answered 503. 0 means no bound.",
			examples:    []any{1000},
		},
		"backends.max_waiting": {
			title:       "Waiting requests",
			description: "How many requests past max_requests may wait. 0: none.",
			examples:    []any{100},
		},
		"backends.max_wait": {
			title:       "Longest wait",
			description: "How long a request may wait for its turn; then 503.",
			examples:    []any{"1s"},
			value:       positiveDuration,
		},
	}
}

// checkNotes returns the notes about the health of servers.
func checkNotes() map[string]note {
	return map[string]note{
		"backends.health": {
			title:       "Health checks",
			description: "A request to each server again and again. A server that fails gets no requests, unless all fail.",
			examples:    []any{map[string]any{"path": "/healthz", "interval": "10s"}, map[string]any{"grpc": "orders.v1.Orders"}},
		},
		"backends.health.path": {
			title:       "Path",
			description: "The path of the check, a GET. A redirect is not followed. The path of the server's URL is put before it.",
			examples:    []any{"/healthz"},
			value:       func() *schema { return matching(healthPathPattern) },
		},
		"backends.health.grpc": {
			title:       "gRPC service",
			description: "Instead of a path: the service that grpc.health.v1.Health/Check is asked about. \"\" asks about the whole server.",
			examples:    []any{"orders.v1.Orders"},
			value:       func() *schema { return matchingToken(grpcServicePattern) },
		},
		"backends.health.interval": {title: "Interval", description: "The time between two checks of a server, at least 1s.", examples: []any{"10s"}, value: positiveDuration},
		"backends.health.timeout":  {title: "Timeout", description: "How long an answer may take.", examples: []any{"2s"}, value: positiveDuration},
		"backends.health.expect": {
			title:       "Statuses",
			description: "The statuses of a healthy server, each a status or a range.",
			examples:    []any{[]any{"200-299"}, []any{204, 401}},
			value:       statusRangeValue,
			notEmpty:    true,
		},
		"backends.health.fails":  {title: "Fails", description: "How many checks must fail, one after the other, until the server is down.", examples: []any{3}, value: positiveCount},
		"backends.health.passes": {title: "Passes", description: "How many checks must pass, one after the other, until it is up again.", examples: []any{2}, value: positiveCount},
		"backends.passive": {
			title: "Ejection",
			description: "Servers whose requests fail get none for a while. It is on where there can be two servers; `passive: off` ends that. " +
				"Failures are errors of the connection, and 502, 503 and 504.",
			examples: []any{"off", map[string]any{"fails": 5, "eject": "30s"}},
		},
		"backends.passive.fails": {title: "Fails", description: "How many requests must fail, one after the other.", examples: []any{5}, value: positiveCount},
		"backends.passive.eject": {title: "Time", description: "For how long; each further time twice as long, at most ten times.", examples: []any{"30s"}, value: positiveDuration},
		"backends.passive.max_ejected": {
			title:       "Most ejected",
			description: "The largest share of the servers that is ejected at the same time. The last one never is.",
			examples:    []any{"50%"},
			value:       positivePercent,
		},
		"backends.retry": {
			title: "Retries",
			description: "Sends a request again, to another server if there is one, while the client has nothing of an answer. " +
				"It is on where there can be two servers; `retry: off` ends that.",
			examples: []any{"off", map[string]any{"attempts": 3, "per_try": "5s", "when": []any{"connect", "reset", 503}}},
		},
		"backends.retry.attempts": {title: "Attempts", description: "How often a request is sent at most, the first time included.", examples: []any{2}, value: positiveCount},
		"backends.retry.per_try": {
			title:       "Time of one attempt",
			description: "How long each attempt may take until the response headers. 0: only the timeout of the route counts.",
			examples:    []any{"5s"},
		},
		"backends.retry.when": {
			title:       "Causes",
			description: "connect: no connection. reset: the connection ended before an answer. timeout: no answer in time. 502, 503, 504: that answer.",
			examples:    []any{[]any{"connect", "reset", "timeout", 503}},
			value:       retryCauseValue,
			unique:      true,
			notEmpty:    true,
		},
		"backends.retry.methods": {
			title:       "Methods",
			description: "The methods that may be sent again. After a failed connection every method is, because nothing was sent.",
			examples:    []any{[]string{"GET", "HEAD", "OPTIONS"}},
			value:       methodValue,
			unique:      true,
			notEmpty:    true,
		},
		"backends.retry.budget": {
			title:       "Budget",
			description: "The largest share of retries among the requests of the last ten seconds. Three a second are always allowed.",
			examples:    []any{"20%"},
			value:       percentValue,
		},
	}
}

// referenceNotes returns the notes about the keys of a route that name backends.
func referenceNotes() map[string]note {
	return map[string]note{
		"routes.split_by": {
			title:       "Key of the split",
			description: "What keeps a caller on one side when `backend` has several names: client_ip (the default), or a header, a cookie or a claim.",
			examples:    []any{"client_ip", map[string]string{"cookie": "session"}},
		},
		"routes.mirror": {
			title:       "Mirror",
			description: "Sends a copy of some requests to another backend, with X-Mirrored: 1. Its answers are thrown away, and clients never wait for them.",
			examples:    []any{map[string]string{"backend": "orders-v2", "percent": "5%"}},
		},
		"routes.mirror.backend": {
			title:       "Backend",
			description: "The backend that gets the copies: a name in `backends`, or a URL.",
			examples:    []any{"orders-v2"},
			required:    true,
		},
		"routes.mirror.percent": {
			title:       "Share",
			description: "The share of the requests that are copied: more than 0, at most 100%.",
			examples:    []any{"5%"},
			required:    true,
			value:       positivePercent,
		},
	}
}

// hashKeyNotes returns the notes about what chooses a server or a side, at a path.
func hashKeyNotes(path string) map[string]note {
	return map[string]note{
		path + ".header": {title: "Header", description: "The value of this header of the request.", examples: []any{"X-Tenant"}, value: func() *schema { return matchingToken(tokenPattern) }},
		path + ".cookie": {title: "Cookie", description: "The value of this cookie of the request.", examples: []any{"session"}, value: func() *schema { return matchingToken(tokenPattern) }},
		path + ".claim":  {title: "Claim", description: "The value of this claim of the caller's token. A name may be a path.", examples: []any{"sub"}, value: func() *schema { return matchingToken(claimNamePattern) }},
	}
}

// backendRefValue returns a schema for a URL, the name of a backend, or several names with
// weights.
func backendRefValue() *schema {
	return anyOf(oneBackendValue(), &schema{
		Type: "object", PropertyNames: &schema{Pattern: backendNamePattern}, AdditionalProperties: weightValue(), MinProperties: 1,
	})
}

// oneBackendValue returns a schema for a URL or the name of a backend.
func oneBackendValue() *schema {
	return anyOf(&schema{Type: "string", Pattern: backendPattern}, &schema{Type: "string", Pattern: backendNamePattern}, ref("reference"))
}

// statusRangeValue returns a schema for a status or a range of them.
func statusRangeValue() *schema {
	return anyOf(&schema{Type: "integer", Minimum: new(200), Maximum: new(599)}, &schema{Type: "string", Pattern: statusRangePattern}, ref("reference"))
}

// retryCauseValue returns a schema for a cause of a retry.
func retryCauseValue() *schema {
	return anyOf(
		&schema{Enum: []string{"connect", "reset", "timeout", "502", "503", "504"}},
		&schema{Type: "integer", Minimum: new(502), Maximum: new(504)},
		ref("reference"),
	)
}

// weightValue returns a schema for the weight of a server or of a side of a split.
func weightValue() *schema {
	return anyOf(&schema{Type: "integer", Minimum: new(0), Maximum: new(math.MaxInt32)}, &schema{Type: "string", Pattern: countPattern}, ref("reference"))
}

// positiveCount returns a schema for a whole number that is not 0.
func positiveCount() *schema {
	return anyOf(&schema{Type: "integer", Minimum: new(1)}, &schema{Type: "string", Pattern: positivePattern}, ref("reference"))
}

// positiveDuration returns a schema for a duration that is not 0.
func positiveDuration() *schema {
	return anyOf(&schema{Type: "string", Pattern: durationPattern, Not: &schema{Pattern: zeroPattern}}, ref("reference"))
}

// percentValue returns a schema for a share of 100.
func percentValue() *schema {
	return anyOf(&schema{Type: "number", Minimum: new(0), Maximum: new(100)}, &schema{Type: "string", Pattern: percentPattern}, ref("reference"))
}

// positivePercent returns a schema for a share of 100 that is not 0.
func positivePercent() *schema {
	return anyOf(
		&schema{Type: "number", Minimum: new(0), Maximum: new(100), Not: &schema{Const: 0}},
		&schema{Type: "string", Pattern: percentPattern, Not: &schema{Pattern: zeroPattern}},
		ref("reference"),
	)
}

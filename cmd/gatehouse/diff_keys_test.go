package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gatehouse/config"
)

// keyChange is one change of a key, from a value that lets less through to one that lets
// more through. neutral says that neither value lets more through; both, that each value
// lets something through that the other does not.
type keyChange struct {
	key          string // of the route, or of the table
	strict, weak string // keys of the route, or of the table
	target       string // of the route; "" for a backend
	neutral      bool
	both         bool
}

const (
	diffBackend = `backend: "https://b"`
	diffUsers   = `handler: users`
)

// routeKeyChanges are changes of every key of a route.
func routeKeyChanges() []keyChange {
	return []keyChange{
		{key: "auth", strict: `auth: strict`, weak: `auth: initial`},
		{key: "auth", strict: `auth: initial`, weak: `auth: optional`},
		{key: "auth", strict: `auth: optional`, weak: `auth: none`},
		{key: "auth", strict: ``, weak: `auth: none`},
		{key: "auth", strict: ``, weak: `auth: none`, target: `redirect: {to: /new}`},
		{key: "auth", strict: ``, weak: `auth: none`, target: `respond: {status: 204}`},
		{key: "roles", strict: `roles: [r]`, weak: ``},
		{key: "roles", strict: `roles: [r]`, weak: `roles: [r, s]`},
		{key: "roles", strict: `roles: [r]`, weak: ``, target: `respond: {body: x}`},
		{key: "claims", strict: `claims: {a: x}`, weak: ``},
		{key: "claims", strict: `claims: {a: x}`, weak: `claims: {a: [x, z]}`},
		{key: "claims", strict: `claims: {a: x, b: z}`, weak: `claims: {b: z}`},
		{key: "claims", strict: `claims: {a.b: x}`, weak: `claims: {a.c: x}`, both: true},
		{key: "allow_from", strict: `allow_from: [10.0.0.0/9]`, weak: `allow_from: [10.0.0.0/8]`},
		{key: "allow_from", strict: `allow_from: [10.0.0.0/8]`, weak: ``},
		{key: "allow_from", strict: `allow_from: [10.0.0.0/8]`, weak: `allow_from: [here]`},
		{key: "allow_from", strict: `allow_from: [10.0.0.0/8]`, weak: ``, target: diffUsers},
		{key: "allow_from", strict: `allow_from: [10.0.0.0/8]`, weak: ``, target: `redirect: {to: /new}`},
		{key: "deny_from", strict: `deny_from: [10.0.0.0/8]`, weak: `deny_from: [10.0.0.0/9]`},
		{key: "deny_from", strict: `deny_from: [10.0.0.0/8]`, weak: ``},
		{key: "basic", strict: `auth: none, basic: users.htpasswd`, weak: `auth: none`},
		{key: "basic", strict: `auth: none, basic: users.htpasswd`, weak: `auth: none, basic: others.htpasswd`, both: true},
		{key: "basic", strict: `auth: initial, forward_token: false`, weak: `auth: none, basic: users.htpasswd`},
		{key: "methods", strict: `methods: [GET]`, weak: ``},
		{key: "methods", strict: `methods: [GET]`, weak: `methods: [GET, POST]`},
		{key: "methods", strict: `methods: [GET]`, weak: ``, target: diffUsers},
		{key: "methods", strict: `methods: [GET]`, weak: ``, target: `respond: {body: x}`},
		{key: "hosts", strict: `hosts: [a.example.com]`, weak: ``},
		{key: "hosts", strict: `hosts: [a.example.com]`, weak: `hosts: [a.example.com, b.example.com]`},
		{key: "hosts", strict: `hosts: [a.example.com]`, weak: `hosts: ["*.example.com"]`},
		{key: "hosts", strict: `hosts: ["*.a.example.com"]`, weak: `hosts: ["*.example.com"]`},
		{key: "hosts", strict: `hosts: [a.example.com]`, weak: ``, target: diffUsers},
		{key: "headers", strict: `headers: {X-A: x}`, weak: ``},
		{key: "headers", strict: `headers: {X-A: x}`, weak: `headers: {X-A: z}`, both: true},
		{key: "headers", strict: `headers: {X-A: x}`, weak: ``, target: diffUsers},
		{key: "match_headers", strict: `match_headers: {X-A: x, X-B: z}`, weak: `match_headers: {X-B: z}`},
		{key: "strip_prefix", strict: ``, weak: `strip_prefix: true`},
		{key: "rewrite", strict: ``, weak: `rewrite: {from: "^/a/x$", to: /admin}`, both: true},
		{key: "rewrite", strict: `rewrite: {from: "^/a/x$", to: /b}`, weak: `rewrite: {from: "^/a/x$", to: /admin}`, both: true},
		{key: "rewrite_location", strict: ``, weak: `rewrite_location: off`, neutral: true},
		{key: "preserve_host", strict: ``, weak: `preserve_host: true`},
		{key: "preserve_host", strict: `hosts: [a.example.com]`, weak: `hosts: [a.example.com], preserve_host: true`, neutral: true},
		{key: "forward_token", strict: `forward_token: false`, weak: ``},
		{key: "allow_encoded_slashes", strict: ``, weak: `allow_encoded_slashes: true`},
		{key: "protocol", strict: ``, weak: `protocol: http1`, neutral: true},
		{key: "upgrade", strict: `upgrade: []`, weak: ``},
		{key: "upgrade", strict: ``, weak: `upgrade: [websocket, x]`},
		{key: "request_headers", strict: `request_headers: {remove: [X-Debug]}`, weak: ``},
		{key: "request_headers", strict: `request_headers: {set: {X-Debug: "0"}}`, weak: ``},
		{key: "request_headers", strict: `request_headers: {set: {X-Debug: "0"}}`, weak: `request_headers: {add: {X-Debug: "0"}}`},
		{key: "request_headers", strict: `request_headers: {set: {X-Debug: "0"}}`, weak: `request_headers: {set: {X-Debug: "{host}"}}`},
		{key: "request_headers", strict: `request_headers: {set: {X-A: "{claim.email}"}}`, weak: `request_headers: {set: {X-A: "{claim.nickname}"}}`, both: true},
		{key: "response_headers", strict: `response_headers: {remove: [X-Internal]}`, weak: ``},
		{key: "response_headers", strict: `response_headers: {set: {X-Frame-Options: DENY}}`, weak: ``},
		{key: "response_headers", strict: ``, weak: `response_headers: {remove: [X-Frame-Options]}`},
		{key: "response_headers", strict: ``, weak: `cors: off, response_headers: {set: {Access-Control-Allow-Origin: "*"}}`},
		{key: "response_headers", strict: `response_headers: {set: {X-Frame-Options: DENY}}`, weak: ``, target: diffUsers},
		{key: "response_headers", strict: `response_headers: {set: {X-Frame-Options: DENY}}`, weak: ``, target: `respond: {body: x}`},
		{key: "cors", strict: `cors: {origins: ["https://x.example.com"]}`, weak: `cors: {origins: ["https://x.example.com", "https://y.example.com"]}`},
		{key: "cors", strict: `cors: {origins: ["https://x.example.com"]}`, weak: `cors: {origins: ["https://x.example.com"], credentials: true}`},
		{key: "cors", strict: `cors: {origins: ["https://x.example.com"], allow_methods: [GET]}`, weak: `cors: {origins: ["https://x.example.com"]}`},
		{key: "cors", strict: `cors: {origins: ["https://x.example.com"], allow_headers: [X-A]}`, weak: `cors: {origins: ["https://x.example.com"], allow_headers: [X-A, X-B]}`},
		{key: "cors", strict: `cors: {origins: ["https://x.example.com"], private_network: false}`, weak: `cors: {origins: ["https://x.example.com"]}`},
		{key: "cors", strict: `cors: {origins: ["https://x.example.com"]}`, weak: `cors: {origins: ["https://x.example.com"], expose: [X-A]}`},
		{key: "cors", strict: `cors: {origins: ["https://x.example.com"]}`, weak: `cors: {origins: ["https://x.example.com"], max_age: 1s}`, neutral: true},
		{key: "cors", strict: `cors: {origins: ["https://x.example.com"]}`, weak: `cors: off`, both: true},
		{key: "compress", strict: ``, weak: `compress: true`, neutral: true},
		{key: "compress", strict: `compress: [gzip]`, weak: `compress: [zstd, gzip]`, neutral: true},
		{key: "mirror", strict: `mirror: {backend: "https://m", percent: 5}`, weak: `mirror: {backend: "http://m", percent: 5}`},
		{key: "mirror", strict: ``, weak: `mirror: {backend: "https://m", percent: 5}`, neutral: true},
		{key: "mirror", strict: `mirror: {backend: "https://m", percent: 5}`, weak: `mirror: {backend: "https://m", percent: 50}`, neutral: true},
		{key: "tls", strict: `tls: {ca: ca.pem}`, weak: ``},
		{key: "tls", strict: `tls: {ca: ca.pem}`, weak: `tls: {ca: other.pem}`, both: true},
		{key: "tls", strict: `tls: {server_name: b.example.com}`, weak: `tls: {server_name: c.example.com}`, both: true},
		{key: "timeout", strict: `timeout: 1s`, weak: `timeout: 1m`, neutral: true},
		{key: "connect_timeout", strict: `connect_timeout: 1s`, weak: `connect_timeout: 1m`, neutral: true},
		{key: "idle_timeout", strict: `idle_timeout: 1s`, weak: `idle_timeout: 1m`, neutral: true},
		{key: "max_body", strict: `max_body: 1KiB`, weak: `max_body: 2KiB`},
		{key: "max_body", strict: `max_body: 1KiB`, weak: `max_body: 0`},
		{key: "max_body", strict: `max_body: 1KiB`, weak: ``},
	}
}

// tableKeyChanges are changes of every key of the table.
func tableKeyChanges() []keyChange {
	const issuer = "tokens: [{issuer: \"https://i.example.com\", keys: \"https://i.example.com/keys\", algorithms: [RS256]"
	return []keyChange{
		{key: "name", strict: ``, weak: `name: x`, neutral: true},
		{key: "identity", strict: ``, weak: `identity: {headers: {X-User-ID: sub, X-Company-ID: company_id}}`},
		{key: "identity", strict: ``, weak: `identity: {headers: {X-User-ID: nickname, X-Company-ID: company_id, X-User-Email: email}}`, both: true},
		{key: "users", strict: ``, weak: `users: off`},
		{key: "users", strict: ``, weak: `users: {join: any}`},
		{key: "users", strict: `users: {grace: 1s}`, weak: ``},
		{key: "users", strict: ``, weak: `users: {companies: [9b8f7e6d-5c4b-4a39-8877-665544332222]}`},
		{key: "tokens", strict: ``, weak: issuer + ", audience: a}]"},
		{key: "tokens", strict: issuer + ", audience: a}]", weak: issuer + ", audience: [a, b]}]"},
		{key: "tokens", strict: issuer + ", audience: a, leeway: 0s}]", weak: issuer + ", audience: a}]"},
		{key: "tokens", strict: issuer + ", audience: a, claims: {role: r}}]", weak: issuer + ", audience: a}]", both: true},
		{key: "tokens", strict: issuer + ", audience: a}]", weak: strings.Replace(issuer, "[RS256", "[RS256, ES256", 1) + ", audience: a}]"},
		{key: "tokens", strict: issuer + ", audience: a}]", weak: strings.Replace(issuer, "/keys", "/more", 1) + ", audience: a}]", both: true},
		{key: "tokens", strict: issuer + ", audience: a}]", weak: strings.Replace(issuer, "/keys", "/keys?set=2", 1) + ", audience: a}]", both: true},
		{key: "cors", strict: ``, weak: `cors: {origins: ["https://x.example.com"]}`, both: true},
		{key: "cors", strict: `cors: {origins: ["https://x.example.com"]}`, weak: `cors: {origins: ["https://x.example.com"], expose: [X-A]}`},
		{key: "cors", strict: `cors: {origins: ["https://x.example.com"], private_network: false}`, weak: `cors: {origins: ["https://x.example.com"]}`},
		{key: "addresses", strict: `addresses: {here: [10.0.0.0/9], there: [10.0.0.0/16]}`, weak: `addresses: {here: [10.0.0.0/8], there: [10.0.0.0/16]}`},
		{key: "addresses", strict: `addresses: {here: [10.0.0.0/9], there: [10.0.0.0/16]}`, weak: `addresses: {here: [10.0.0.0/9], there: [10.0.0.0/17]}`},
		{key: "trusted_proxies", strict: ``, weak: `trusted_proxies: [192.0.2.1]`},
		{key: "trusted_proxies", strict: `trusted_proxies: [10.0.0.5]`, weak: `trusted_proxies: [10.0.0.6]`, both: true},
		{key: "trusted_proxies", strict: `trusted_proxies: [10.0.0.5]`, weak: ``, both: true}, // then all clients come from 10.0.0.5
		{key: "proxy_protocol", strict: `proxy_protocol: [10.0.0.5]`, weak: ``, both: true},
		{key: "proxy_protocol", strict: ``, weak: `proxy_protocol: [192.0.2.1]`},
		{key: "limits", strict: `limits: {connections: 100}`, weak: ``},
		{key: "limits", strict: `limits: {connections: 100}`, weak: `limits: {connections: 0}`},
		{key: "limits", strict: `limits: {connections_per_client: 100}`, weak: `limits: {connections_per_client: 200}`},
		{key: "limits", strict: `limits: {requests_per_client: 100}`, weak: `limits: {requests_per_client: 200}`},
		{key: "response_headers", strict: `response_headers: {X-Frame-Options: DENY}`, weak: ``},
		{key: "response_headers", strict: `response_headers: {remove: [X-Internal]}`, weak: ``},
		{key: "errors", strict: `errors: {503: page.html}`, weak: `errors: {503: other.html}`, neutral: true},
		{key: "backends", strict: ``, weak: `backends: {b: {servers: ["http://b"]}}`, neutral: true},
		{key: "backends", strict: `backends: {b: {servers: ["http://b"], max_requests: 5}}`, weak: `backends: {b: {servers: ["http://b"], max_requests: 10}}`},
		{key: "routes", strict: ``, weak: `# nothing`, neutral: true},
		{key: "tests", strict: `tests: [{request: GET /fixed, as: anonymous, expect: 401}]`, weak: ``, neutral: true},
		{key: "include", strict: `include: [{files: "team/*.yaml", prefix: /team, auth: strict}]`, weak: `include: [{files: "team/*.yaml", prefix: /team, auth: initial}]`},
		{key: "include", strict: `include: [{files: "team/*.yaml", prefix: /team}]`, weak: `include: ["team/*.yaml"]`},
		{key: "include", strict: `include: [{files: "team/*.yaml", prefix: /team/x}]`, weak: `include: [{files: "team/*.yaml", prefix: /team}]`},
		{key: "include", strict: `include: [{files: "team/*.yaml", prefix: /team}]`, weak: `include: [{files: "team/*.yaml", prefix: /team, variables: [A]}]`},
	}
}

// keyFiles are the files that the tables of this test name.
func keyFiles() map[string]string {
	const hash = "$2y$04$abcdefghijklmnopqrstuuOJfMGqUmLk5tSWQx5IhcTgRyH.YRN5a"
	return map[string]string{
		"users.htpasswd":  "one:" + hash + "\n",
		"others.htpasswd": "two:" + hash + "\n",
		"page.html":       "<p>sorry",
		"other.html":      "<p>sorry!",
		"team/a.yaml":     "routes: [{name: team, prefix: /team/x, backend: \"http://team\"}]\n",
	}
}

// writeTables writes a table and its files into a new folder. It returns the path of the table.
func writeTable(t *testing.T, table string, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(folder, "routes.yaml")
	if err := os.WriteFile(path, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// diffTables runs `gatehouse diff --fail-on-weaker`.
func diffTables(t *testing.T, before, after string) (status int, output string) {
	t.Helper()
	var out, failed bytes.Buffer
	status = run(context.Background(), []string{"diff", before, after, "--fail-on-weaker"}, terminal{
		in: strings.NewReader(""), out: &out, err: &failed, lookup: func(string) (string, bool) { return "", false },
	})
	if failed.Len() > 0 {
		t.Fatalf("status %d: %s", status, &failed)
	}
	return status, out.String()
}

func (c keyChange) routeTable(keys string) string {
	target := c.target
	if target == "" {
		target = diffBackend
	}
	return fmt.Sprintf("addresses: {here: [10.0.0.0/8, 192.0.2.0/24]}\nroutes:\n  - {name: a, prefix: /a, %s, %s}\n", target, keys)
}

func (c keyChange) table(keys string) string {
	if !strings.HasPrefix(keys, "addresses:") {
		keys += "\naddresses: {here: [10.0.0.0/8], there: [10.1.0.0/16]}"
	}
	return keys + "\nroutes:\n" +
		"  - {name: fixed, prefix: /fixed, backend: \"http://fixed\"}\n" +
		"  - {name: inside, prefix: /inside, backend: \"http://inside\", allow_from: [here], deny_from: [there]}\n"
}

// check compares the tables in both directions.
func (c keyChange) check(t *testing.T, strict, weak string) {
	t.Helper()
	before, after := writeTable(t, strict, keyFiles()), writeTable(t, weak, keyFiles())
	for _, test := range []struct {
		name, before, after string
		weaker              bool
	}{
		{"loosened", before, after, !c.neutral},
		{"tightened", after, before, c.both},
	} {
		status, output := diffTables(t, test.before, test.after)
		if marked := strings.Contains(output, "WEAKER"); marked != test.weaker || marked != (status == exitFailure) {
			t.Errorf("%s, from %q to %q: status %d, marked %v, want %v:\n%s", test.name, c.strict, c.weak, status, marked, test.weaker, output)
		}
		if output == "no change\n" && strict != weak && c.key != "routes" {
			t.Errorf("%s, from %q to %q: no change", test.name, c.strict, c.weak)
		}
	}
	for _, same := range []string{before, after} {
		if status, output := diffTables(t, same, same); status != exitOK || output != "no change\n" {
			t.Errorf("the same: %d %s", status, output)
		}
	}
}

// TestDiffOfEveryRouteKey changes each key of a route to a value that lets more through,
// and back.
func TestDiffOfEveryRouteKey(t *testing.T) {
	t.Parallel()
	untested := yamlKeys(reflect.TypeFor[config.Route]())
	for _, key := range append(config.TargetKeys(), "name", "prefix", "split_by") { // see TestDiffOfTargets and TestDiffOfEveryBackendKey
		delete(untested, key)
	}
	for i, c := range routeKeyChanges() {
		delete(untested, c.key)
		t.Run(fmt.Sprintf("%s-%d", c.key, i), func(t *testing.T) {
			t.Parallel()
			c.check(t, c.routeTable(c.strict), c.routeTable(c.weak))
		})
	}
	if len(untested) > 0 {
		t.Errorf("add changes of %v", slices.Sorted(maps.Keys(untested)))
	}
}

// TestDiffOfEveryTableKey does the same for the keys of the table.
func TestDiffOfEveryTableKey(t *testing.T) {
	t.Parallel()
	untested := yamlKeys(reflect.TypeFor[config.Config]())
	for i, c := range tableKeyChanges() {
		delete(untested, c.key)
		t.Run(fmt.Sprintf("%s-%d", c.key, i), func(t *testing.T) {
			t.Parallel()
			c.check(t, c.table(c.strict), c.table(c.weak))
		})
	}
	if len(untested) > 0 {
		t.Errorf("add changes of %v", slices.Sorted(maps.Keys(untested)))
	}
}

// backendKeyChanges are changes of every key of a backend.
func backendKeyChanges() []keyChange {
	return []keyChange{
		{key: "share", strict: ``, weak: `share: true`},
		{key: "servers", strict: `servers: ["https://b"]`, weak: `servers: ["http://b"]`},
		{key: "servers", strict: `servers: ["https://b", "https://c"]`, weak: `servers: ["https://b", "https://d"]`, neutral: true},
		{key: "servers", strict: `servers: ["https://b", "https://c"]`, weak: `servers: ["https://b", {url: "https://c", weight: 3}]`, neutral: true},
		{key: "servers", strict: `servers: ["https://b"]`, weak: `servers: ["https://b", "https://guarded"]`},
		{key: "servers", strict: `servers: ["https://b/base"], tls: {ca: ca.pem}`, weak: `servers: ["https://b/base"], tls: {ca: other.pem}`, both: true},
		{key: "discover", strict: `discover: {url: "https://b"}`, weak: `discover: {url: "http://b"}`},
		{key: "discover", strict: `discover: {url: "https://b"}`, weak: `discover: {url: "https://b", refresh: 1m}`, neutral: true},
		{key: "discover", strict: `discover: {srv: _https._tcp.b}`, weak: `discover: {srv: _http._tcp.b}`},
		{key: "discover", strict: `discover: {url: "https://b"}`, weak: `discover: {srv: _http._tcp.b}`},
		{key: "balance", strict: ``, weak: `balance: round_robin`, neutral: true},
		{key: "hash", strict: `balance: hash, hash: client_ip`, weak: `balance: hash, hash: {cookie: a}`, neutral: true},
		{key: "sticky", strict: ``, weak: `sticky: {cookie: a}`, neutral: true},
		{key: "sticky", strict: `sticky: {cookie: a}`, weak: `sticky: {cookie: a, ttl: 1h}`, neutral: true},
		{key: "health", strict: `health: {path: /a}`, weak: `health: {path: /a, passes: 1}`, neutral: true},
		{key: "health", strict: `health: {path: /a}`, weak: `health: {path: /a, fails: 5, interval: 20s, timeout: 3s}`, neutral: true},
		{key: "health", strict: `health: {path: /a}`, weak: `health: {path: /a, expect: [200-399]}`, neutral: true},
		{key: "health", strict: `health: {path: /a}`, weak: ``, neutral: true},
		{key: "health", strict: `health: {grpc: a}`, weak: `health: {grpc: ""}`, neutral: true},
		{key: "passive", strict: ``, weak: `passive: off`, neutral: true},
		{key: "passive", strict: `passive: {fails: 3}`, weak: `passive: {fails: 4}`, neutral: true},
		{key: "passive", strict: `passive: {max_ejected: 50}`, weak: `passive: {max_ejected: 60%}`, neutral: true},
		{key: "passive", strict: `passive: {eject: 10s}`, weak: `passive: {eject: 5s}`, neutral: true},
		{key: "retry", strict: ``, weak: `retry: off`, neutral: true},
		{key: "retry", strict: `retry: {attempts: 2}`, weak: `retry: {attempts: 3, per_try: 1s}`, neutral: true},
		{key: "retry", strict: `retry: {budget: 20}`, weak: `retry: {budget: 30%}`, neutral: true},
		{key: "retry", strict: `retry: {when: [connect]}`, weak: `retry: {when: [connect, 503]}`, neutral: true},
		{key: "retry", strict: `retry: {when: [503]}`, weak: `retry: {when: [503], methods: [GET, POST]}`, neutral: true},
		{key: "max_requests", strict: `max_requests: 5`, weak: `max_requests: 6`},
		{key: "max_requests", strict: `max_requests: 5`, weak: ``},
		{key: "max_requests", strict: `max_requests: 5`, weak: `max_requests: 0`},
		{key: "max_waiting", strict: `max_requests: 5`, weak: `max_requests: 5, max_waiting: 5`, neutral: true},
		{key: "max_wait", strict: `max_requests: 5, max_waiting: 5`, weak: `max_requests: 5, max_waiting: 5, max_wait: 5s`, neutral: true},
		{key: "timeout", strict: ``, weak: `timeout: 5m`, neutral: true},
		{key: "connect_timeout", strict: ``, weak: `connect_timeout: 5m`, neutral: true},
		{key: "idle_timeout", strict: ``, weak: `idle_timeout: 50m`, neutral: true},
		{key: "protocol", strict: ``, weak: `protocol: http1`, neutral: true},
		{key: "preserve_host", strict: ``, weak: `preserve_host: true`},
		{key: "tls", strict: `tls: {ca: ca.pem}`, weak: ``},
		{key: "tls", strict: `tls: {ca: ca.pem}`, weak: `tls: {ca: other.pem}`, both: true},
		{key: "tls", strict: `tls: {server_name: b.example.com}`, weak: `tls: {server_name: c.example.com}`, both: true},
	}
}

// TestDiffOfEveryBackendKey does the same for the keys of a backend, and for what divides
// requests among several.
func TestDiffOfEveryBackendKey(t *testing.T) {
	t.Parallel()
	untested := yamlKeys(reflect.TypeFor[config.Backend]())
	table := func(keys, route string) string {
		if !strings.Contains(keys, "servers:") && !strings.Contains(keys, "discover:") {
			keys = `servers: ["https://b", "https://c"], ` + keys
		}
		return "backends:\n  b: {" + keys + "}\n  guarded: {servers: [\"https://guarded\"]}\nroutes:\n" +
			"  - {name: guarded, prefix: /guarded, backend: guarded}\n  - {name: a, prefix: /a, auth: none, " + route + "}\n"
	}
	for i, c := range backendKeyChanges() {
		delete(untested, c.key)
		for _, route := range []string{"backend: b", "backend: {b: 9, guarded: 0}", `backend: "https://x", mirror: {backend: b, percent: 5}`} {
			if strings.Contains(c.weak, "//guarded") && strings.Contains(route, "guarded") {
				continue // it was open before
			}
			t.Run(fmt.Sprintf("%s-%d", c.key, i), func(t *testing.T) {
				t.Parallel()
				c.check(t, table(c.strict, route), table(c.weak, route))
			})
		}
	}
	if len(untested) > 0 {
		t.Errorf("add changes of %v", slices.Sorted(maps.Keys(untested)))
	}
	for i, c := range []keyChange{
		{key: "backend", strict: `backend: {b: 9, guarded: 1}`, weak: `backend: {b: 1, guarded: 9}`, neutral: true},
		{key: "backend", strict: `backend: b`, weak: `backend: {b: 9, guarded: 1}`},
		{key: "split_by", strict: `backend: {b: 9, guarded: 1}`, weak: `backend: {b: 9, guarded: 1}, split_by: {header: X-A}`, neutral: true},
		{key: "mirror", strict: `backend: b`, weak: `backend: b, mirror: {backend: guarded, percent: 1}`},
	} {
		t.Run(fmt.Sprintf("%s-%d", c.key, i), func(t *testing.T) {
			t.Parallel()
			c.check(t, table("", c.strict), table("", c.weak))
		})
	}
}

// yamlKeys returns the keys of a type.
func yamlKeys(of reflect.Type) map[string]bool {
	keys := map[string]bool{}
	for field := range of.Fields() {
		if key := field.Tag.Get("yaml"); key != "-" && key != "" {
			keys[key] = true
		}
	}
	return keys
}

// TestDiffOfMovedKeys moves each key of a route into the defaults, and its route into an
// included file. Nothing changes.
func TestDiffOfMovedKeys(t *testing.T) {
	t.Parallel()
	for i, c := range routeKeyChanges() {
		for _, keys := range []string{c.strict, c.weak} {
			t.Run(fmt.Sprintf("%s-%d", c.key, i), func(t *testing.T) {
				t.Parallel()
				table := c.routeTable(keys)
				before := writeTable(t, table, keyFiles())
				files := keyFiles()
				head, routes, _ := strings.Cut(table, "routes:\n")
				files["more.yaml"] = "routes:\n" + routes
				if status, output := diffTables(t, before, writeTable(t, head+"include: [more.yaml]\n", files)); status != exitOK || output != "no change\n" {
					t.Errorf("%q in an included file: %d\n%s", keys, status, output)
				}
				if slices.ContainsFunc(config.RouteOnlyKeys(), func(key string) bool { return strings.Contains(keys, key+":") }) {
					return
				}
				inDefaults := "defaults: {" + keys + "}\n" + c.routeTable("")
				if status, output := diffTables(t, before, writeTable(t, inDefaults, keyFiles())); status != exitOK || output != "no change\n" {
					t.Errorf("%q in the defaults: %d\n%s", keys, status, output)
				}
			})
		}
	}
}

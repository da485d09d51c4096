package explain

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gatehouse/auth"
	"gatehouse/config"
)

const backendsTable = `
users: off
backends:
  orders: {servers: [http://orders-1, http://orders-2], health: {path: /healthz}}
  canary: {servers: [http://canary]}
  secure: {servers: [https://secure/v1], tls: {ca: ca.pem}}
  guarded: {servers: [https://guarded-1/v1, https://guarded-2/v1]}
routes:
  - {name: orders, prefix: /orders, backend: {orders: 95, canary: 5}}
  - {name: secure, prefix: /secure, backend: secure, strip_prefix: true, auth: initial}
  - {name: guarded, prefix: /guarded, backend: guarded}
  - {name: site, prefix: /, backend: "https://site", auth: none}
`

// TestCompareNamedBackends makes one edit at a time to a table with named backends.
func TestCompareNamedBackends(t *testing.T) {
	t.Parallel()
	edit := func(pairs ...string) string {
		table := backendsTable
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(table, pairs[i]) {
				t.Fatalf("the table has no %q", pairs[i])
			}
			table = strings.Replace(table, pairs[i], pairs[i+1], 1)
		}
		return table
	}
	tests := map[string]struct {
		after string
		want  Diff
	}{
		"nothing": {backendsTable, Diff{}},
		"defaults that are written": {
			edit("{servers: [http://orders-1, http://orders-2]", "{servers: [http://orders-1, {url: http://orders-2, weight: 1}], balance: p2c, retry: {attempts: 2}, passive: {fails: 5}"),
			Diff{},
		},
		"a server comes, and one goes": {
			edit("http://orders-2", "{url: http://orders-3, weight: 2}"),
			Diff{Changed: []string{"backend orders: gains the server http://orders-3 (weight 2)", "backend orders: loses the server http://orders-2"}},
		},
		"a weight": {
			edit("http://orders-2", "{url: http://orders-2, weight: 3}"),
			Diff{Changed: []string{"backend orders: weight of http://orders-2 1 → 3"}},
		},
		"a split moves": {
			edit("orders: 95, canary: 5", "orders: 80, canary: 20"),
			Diff{Changed: []string{"route orders: backend canary: 5, orders: 95 → canary: 20, orders: 80"}},
		},
		"the key of a split": {
			edit("canary: 5}", "canary: 5}, split_by: {cookie: session}"),
			Diff{Changed: []string{"route orders: split_by (none) → cookie session"}},
		},
		"a backend comes, and one goes": {
			edit("canary: {servers: [http://canary]}", "orders-v2: {discover: {url: http://canary}}", "canary: 5", "orders-v2: 5"),
			Diff{
				Added:   []string{"backend orders-v2: discover http://canary: every address of the host, looked up again every 10s"},
				Removed: []string{"backend canary: http://canary"},
				Changed: []string{"route orders: backend canary: 5, orders: 95 → orders: 95, orders-v2: 5"},
			},
		},
		"checks, ejections, retries and bounds": {
			edit("path: /healthz}", "path: /ready, interval: 5s}, passive: off, retry: {attempts: 3, per_try: 1s, when: [connect, 503]}, max_requests: 10, max_waiting: 5, timeout: 5s, preserve_host: true"),
			Diff{Weaker: []string{"route orders: preserve_host false → true"}, Changed: []string{
				"backend orders: health GET /healthz → 200-299, every 10s within 2s, down after 3, up after 2 → GET /ready → 200-299, every 5s within 2s, down after 3, up after 2",
				"backend orders: passive after 5 failures for 30s, at most 50% → off",
				"backend orders: retry 2 attempts, after connect with every method, after reset with GET, HEAD, OPTIONS, at most 20% of the requests → " +
					"3 attempts, each within 1s, after connect with every method, after 503 with GET, HEAD, OPTIONS, at most 20% of the requests",
				"backend orders: max_requests 0 → 10",
				"backend orders: max_waiting 0 → 5",
				"backend orders: timeout (none) → 5s",
				"backend orders: preserve_host (none) → true",
			}},
		},
		"the choice of a server": {
			edit("http://orders-2]", "http://orders-2], balance: hash, hash: {header: X-Tenant}, sticky: {cookie: gh, ttl: 1h}"),
			Diff{Changed: []string{"backend orders: balance p2c → hash", "backend orders: hash (none) → header X-Tenant", "backend orders: sticky (none) → cookie gh for 1h0m0s"}},
		},
		"TLS ends": {
			edit("https://secure/v1], tls: {ca: ca.pem}", "http://secure/v1]"),
			Diff{
				Weaker: []string{"route secure: backend's scheme https → http"},
				Changed: []string{
					"backend secure: gains the server http://secure/v1", "backend secure: loses the server https://secure/v1",
					`backend secure: tls ca "ca.pem" cert "" key "" server_name "" → (none)`,
				},
			},
		},
		"other authorities are trusted": {
			edit(", tls: {ca: ca.pem}", ""),
			Diff{
				Weaker:  []string{"route secure: tls.ca ca.pem → (none)"},
				Changed: []string{`backend secure: tls ca "ca.pem" cert "" key "" server_name "" → (none)`},
			},
		},
		"the authorities move to the route": {
			edit(", tls: {ca: ca.pem}", "", "backend: secure", "backend: secure, tls: {ca: ca.pem}"),
			Diff{Changed: []string{
				`route secure: tls (none) → ca "ca.pem" cert "" key "" server_name ""`,
				`backend secure: tls ca "ca.pem" cert "" key "" server_name "" → (none)`,
			}},
		},
		"more of a server is open": {
			edit("https://secure/v1", "https://secure"),
			Diff{
				Weaker:  []string{"route secure: reaches the backend's paths /v1/… → /…"},
				Changed: []string{"backend secure: gains the server https://secure", "backend secure: loses the server https://secure/v1"},
			},
		},
		"a name instead of a URL": {
			edit(`backend: "https://site"`, "backend: orders"),
			Diff{
				Weaker: []string{
					"route site: backend's scheme https → http",
					"backend orders-1: reached with strict (orders) at least → none (site)",
				},
				Changed: []string{"route site: backend https://site → orders"},
			},
		},
		"a backend gains a server that others guard": {
			edit("https://secure/v1]", "https://secure/v1, https://guarded-2/v1], passive: off, retry: off"),
			Diff{
				Weaker:  []string{"backend guarded-2: reached with strict (guarded) at least → initial (secure)"},
				Changed: []string{"backend secure: gains the server https://guarded-2/v1"},
			},
		},
		"a mirror without TLS": {
			edit(`auth: none}`, "auth: none, mirror: {backend: \"http://copies\", percent: 5}}"),
			Diff{
				Weaker:  []string{"route site: mirror's scheme https → http"},
				Changed: []string{"route site: mirror (none) → 5% to http://copies"},
			},
		},
		"copies reach what another route guards": {
			edit(`{name: secure, prefix: /secure, backend: secure, strip_prefix: true, auth: initial}`, `{name: secure, prefix: /secure, backend: secure, strip_prefix: true, auth: initial, mirror: {backend: guarded, percent: 1}}`),
			Diff{
				Weaker:  []string{"backend guarded-1: reached with strict (guarded) at least → initial (secure)"},
				Changed: []string{"route secure: mirror (none) → 1% to guarded"},
			},
		},
		"a backend is shared": {
			edit("canary: {servers", "canary: {share: true, servers"),
			Diff{Weaker: []string{"backend canary: share false → true: files of other owners may name it"}},
		},
	}
	before := compileWith(t, backendsTable, "", nil)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Compare(before, compileWith(t, test.after, "", nil))
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestDiffKnowsEveryBackendKey fails when a backend gets a key that a Diff would not show.
func TestDiffKnowsEveryBackendKey(t *testing.T) {
	t.Parallel()
	known := map[string]bool{"-": true, "servers": true, "share": true} // which have lines of their own
	for _, f := range backendFields(&config.Backend{}) {
		known[f.key] = true
	}
	for field := range reflect.TypeFor[config.Backend]().Fields() {
		if key := field.Tag.Get("yaml"); !known[key] {
			t.Errorf("backendFields lacks %q", key)
		}
	}
}

// TestExplainBackend requires that a question about a named backend shows each server that
// may get the request, and why.
func TestExplainBackend(t *testing.T) {
	t.Parallel()
	table := compile(t, `
users: off
backends:
  p2c: {servers: [http://a/v1, {url: http://b/v1, weight: 3}, {url: http://c/v1, weight: 0}], sticky: {cookie: gh}}
  hash: {servers: [http://d, http://e, http://f], balance: hash, hash: {header: X-Tenant}, health: {path: /ok}, retry: off}
  found: {discover: {srv: _http._tcp.orders, refresh: 5s}, health: {grpc: orders}}
routes:
  - {name: p2c, prefix: /p2c, backend: p2c, auth: none}
  - {name: hash, prefix: /hash, backend: hash, auth: none, mirror: {backend: found, percent: 2.5%}}
  - {name: split, prefix: /split, backend: {p2c: 3, hash: 1}, split_by: {cookie: side}, auth: none}
  - {name: found, prefix: /found, backend: found, auth: none}
`, "")
	ask := func(target string, header http.Header) Explanation {
		r, err := NewRequest(http.MethodGet, target, header)
		if err != nil {
			t.Fatal(err)
		}
		return Request(table, r, auth.SimulatedIdentity{})
	}

	got := ask("/p2c/x", nil)
	want := &Backend{
		Name: "p2c", Balance: "p2c, unless the cookie gh names a server",
		Servers: []Server{
			{"http://a/v1", "25% of the requests, fewer while it has more in flight than others"},
			{"http://b/v1", "75% of the requests, fewer while it has more in flight than others"},
			{"http://c/v1", "none: its weight is 0"},
		},
		Retry: "2 attempts, after connect with every method, after reset with GET, HEAD, OPTIONS, at most 20% of the requests",
	}
	if diff := cmp.Diff(want, got.Backend); diff != "" {
		t.Errorf("p2c (-want +got):\n%s", diff)
	}
	if got.Forwarded.URL != "http://a/v1/p2c/x" || !slices.Equal(got.Forwarded.URLs, []string{"http://a/v1/p2c/x", "http://b/v1/p2c/x", "http://c/v1/p2c/x"}) {
		t.Errorf("p2c: %s, or %v", got.Forwarded.URL, got.Forwarded.URLs)
	}

	led := map[string]bool{}
	for _, tenant := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		got := ask("/hash", http.Header{"X-Tenant": {tenant}})
		chosen := slices.IndexFunc(got.Backend.Servers, func(s Server) bool { return s.Why == "this request, while it is healthy" })
		if chosen < 0 || got.Forwarded.URL != got.Backend.Servers[chosen].URL+"/hash" || "http://"+got.Forwarded.Host != got.Backend.Servers[chosen].URL {
			t.Fatalf("hash of %s: %+v, sent to %s with Host %s", tenant, got.Backend.Servers, got.Forwarded.URL, got.Forwarded.Host)
		}
		led[got.Forwarded.URL] = true
	}
	if len(led) < 2 {
		t.Errorf("all tenants are at %v", led)
	}
	got = ask("/hash", nil)
	if got.Backend.Balance != "hash of header X-Tenant, which the request does not have: p2c" || got.Backend.Health == "" || got.Backend.Retry != "" || got.Mirror != "2.5% to found" {
		t.Errorf("hash without a tenant: %+v, mirror %s", got.Backend, got.Mirror)
	}

	if got = ask("/split", nil); got.Backend.Split != "hash 25%, p2c 75% by chance: the request has no cookie side" || len(got.Forwarded.URLs) != 6 {
		t.Errorf("split by chance: %q, %v", got.Backend.Split, got.Forwarded.URLs)
	}
	sides := map[string]bool{}
	for _, side := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"} {
		got := ask("/split", http.Header{"Cookie": {"side=" + side}})
		again := ask("/split", http.Header{"Cookie": {"side=" + side}})
		sides[got.Backend.Name] = true
		if got.Backend.Split != "hash 25%, p2c 75%, by cookie side: "+got.Backend.Name || again.Backend.Name != got.Backend.Name {
			t.Errorf("split: %q, then %q", got.Backend.Split, again.Backend.Split)
		}
	}
	if !sides["p2c"] || !sides["hash"] {
		t.Errorf("the sides: %v", sides)
	}

	got = ask("/found", nil)
	if got.Backend.Discover != "SRV _http._tcp.orders, again every 5s" || len(got.Backend.Servers) != 0 || got.Backend.Health != "gRPC orders, every 10s within 2s, down after 3, up after 2" {
		t.Errorf("found: %+v", got.Backend)
	}
}

// TestExpectAnyServer requires that a test of a table may name any server of a backend.
func TestExpectAnyServer(t *testing.T) {
	t.Parallel()
	table := compile(t, `
users: off
backends: {orders: {servers: [http://a/v1, http://b/v1]}, canary: {servers: [http://c/v2]}}
routes:
  - {name: orders, prefix: /orders, backend: orders, auth: none}
  - {name: split, prefix: /split, backend: {orders: 1, canary: 1}, split_by: {header: X-Side}, auth: none}
tests:
  - {request: GET /orders, as: anonymous, expect: {to: "http://a/v1/orders"}}
  - {request: "GET /orders?x=1", as: anonymous, expect: {to: "http://b/v1/orders?x=1"}}
  - {request: GET /split, as: anonymous, expect: {to: "http://b/v1/split"}}
  - {request: GET /split, as: anonymous, expect: {to: "http://c/v2/split"}}
  - {request: GET /orders, as: anonymous, expect: {to: "http://c/v2/orders"}}
  - {request: GET /orders, as: anonymous, expect: {to: "http://b/orders"}}
`, "")
	var failed []int
	for i, e := range Expectations(table) {
		if !e.Passed {
			failed = append(failed, i)
		}
	}
	if !slices.Equal(failed, []int{4, 5}) {
		t.Errorf("the tests %v fail, want the last two", failed)
	}
}

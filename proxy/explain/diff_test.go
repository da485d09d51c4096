package explain

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gatehouse/config"
	"gatehouse/proxy"
)

const diffTable = `
users: {join: listed, companies: [9b8f7e6d-5c4b-4a39-8877-665544332222]}
cors: {origins: ["https://app.example.com"]}
routes:
  - {name: root, prefix: /, backend: "http://site", auth: none}
  - {name: users, prefix: /users, handler: users}
  - {name: admin, prefix: /api/admin, backend: "http://api", roles: [admin]}
  - {name: api, prefix: /api, backend: "http://api", methods: [GET]}
  - {name: acme, prefix: /api, backend: "http://acme", hosts: ["*.acme.example"]}
`

// TestCompare makes one edit at a time. The diff must describe its meaning, and report
// weakened policies first.
func TestCompare(t *testing.T) {
	t.Parallel()
	replace := func(old, now string) string {
		if !strings.Contains(diffTable, old) {
			t.Fatalf("the table has no %q", old)
		}
		return strings.Replace(diffTable, old, now, 1)
	}
	tests := map[string]struct {
		after string
		want  Diff
	}{
		"nothing": {diffTable, Diff{}},
		"order and comments": {
			replace("routes:\n  - {name: root, prefix: /, backend: \"http://site\", auth: none}\n", "# moved down\nroutes:\n") +
				"  - {name: root, prefix: /, backend: \"http://site\", auth: none}\n",
			Diff{},
		},
		"a backend moves": {
			replace("http://acme", "http://acme2"),
			Diff{Changed: []string{"route acme: backend http://acme → http://acme2"}},
		},
		"a policy is lowered": {
			replace(`backend: "http://acme"`, `backend: "http://acme", auth: initial`),
			Diff{
				Weaker:  []string{"GET, OTHER /api (host any.acme.example): strict (acme) → initial (acme)"},
				Changed: []string{"route acme: auth strict → initial"},
			},
		},
		"a claim is required": {
			replace(`backend: "http://acme"`, `backend: "http://acme", claims: {scope: [b, a]}`),
			Diff{Changed: []string{"route acme: claims (none) → scope=a|b"}},
		},
		"a policy becomes optional": {
			replace(`backend: "http://acme"`, `backend: "http://acme", auth: optional`),
			Diff{
				Weaker:  []string{"GET, OTHER /api (host any.acme.example): strict (acme) → optional (acme)"},
				Changed: []string{"route acme: auth strict → optional"},
			},
		},
		"an open policy becomes optional": {
			replace("auth: none", "auth: optional"),
			Diff{Changed: []string{"route root: auth none → optional"}},
		},
		"a policy is raised": {
			replace("auth: none", "auth: strict"),
			Diff{Changed: []string{"route root: auth none → strict"}},
		},
		"a role limit is dropped": {
			replace(", roles: [admin]", ""),
			Diff{
				Weaker:  []string{"GET, OTHER /api/admin: strict, roles admin (admin) → strict (admin)"},
				Changed: []string{"route admin: roles admin → any"},
			},
		},
		"a role is added": {
			replace("[admin]", "[admin, clerk]"),
			Diff{
				Weaker:  []string{"GET, OTHER /api/admin: strict, roles admin (admin) → strict, roles admin clerk (admin)"},
				Changed: []string{"route admin: roles admin → admin, clerk"},
			},
		},
		"a method limit is dropped": {
			replace(", methods: [GET]", ""),
			Diff{
				Weaker:  []string{"OTHER /api: 405 → strict (api)"},
				Changed: []string{"route api: methods GET, HEAD → any"},
			},
		},
		"a strict route goes, and an open one takes its requests": {
			replace("  - {name: admin, prefix: /api/admin, backend: \"http://api\", roles: [admin]}\n  - {name: api, prefix: /api, backend: \"http://api\", methods: [GET]}\n", ""),
			Diff{
				Weaker: []string{
					"GET /api: strict (api) → none (root)",
					"OTHER /api: 405 → none (root)",
					"GET, OTHER /api/admin: strict, roles admin (admin) → none (root)",
					"GET, OTHER /api/admin (host any.acme.example): strict, roles admin (admin) → strict (acme)",
				},
				Removed: []string{"route admin: /api/admin → http://api (strict)", "route api: /api → http://api (strict)"},
			},
		},
		"an open route opens a part of a strict one": {
			diffTable + `  - {name: hook, prefix: /api/hook, backend: "http://api", auth: none}` + "\n",
			Diff{
				Weaker: []string{
					"GET /api/hook: strict (api) → none (hook)",
					"OTHER /api/hook: 405 → none (hook)",
					"GET, OTHER /api/hook (host any.acme.example): strict (acme) → none (hook)",
					"backend api: reached with strict (api) at least → none (hook)",
				},
				Added: []string{"route hook: /api/hook → http://api (none)"},
			},
		},
		"a new strict route": {
			diffTable + `  - {name: more, prefix: /more, backend: "http://more"}` + "\n",
			Diff{Added: []string{"route more: /more → http://more (strict)"}},
		},
		"the built-in users are replaced": {
			replace(`prefix: /users, handler: users`, `prefix: /users, backend: "http://users"`),
			Diff{
				Weaker:  []string{"GET, OTHER /users: own policies (users) → strict (users)"},
				Changed: []string{"route users: backend (none) → http://users", "route users: handler users → (none)", "route users: auth (none) → strict", "route users: upgrade (none) → websocket"},
			},
		},
		"a role is dropped while the policy rises": {
			replace(`roles: [admin]}`, `roles: [admin], auth: initial}`),
			Diff{
				Weaker:  []string{"GET, OTHER /api/admin: strict, roles admin (admin) → initial, roles admin (admin)"},
				Changed: []string{"route admin: auth strict → initial"},
			},
		},
		"a route moves and is opened": {
			replace(`prefix: /api, backend: "http://acme", hosts: ["*.acme.example"]`, `prefix: /acme, backend: "http://acme", hosts: ["*.acme.example"], auth: none`),
			Diff{
				Weaker: []string{
					"route acme: moved, and policy strict (acme) → none (acme)",
					"backend acme: reached with strict (acme) at least → none (acme)",
				},
				Changed: []string{"route acme: prefix /api → /acme", "route acme: auth strict → none"},
			},
		},
		"a host limit is dropped": {
			replace(`, hosts: ["*.acme.example"]}`, `, headers: {X-Acme: s3cret}}`),
			Diff{
				Weaker: []string{
					"OTHER /api (X-Acme: #1ec1c26b): 405 → strict (acme)",
					"route acme: hosts *.acme.example → any",
				},
				Changed: []string{
					"route acme: hosts *.acme.example → any", "route acme: headers any → X-Acme=#1ec1c26b",
				},
			},
		},
		"tunnels are let through": {
			replace(`methods: [GET]`, `methods: [GET], upgrade: [websocket, foo]`),
			Diff{
				Weaker:  []string{"route api: upgrade websocket → websocket, foo"},
				Changed: []string{"route api: upgrade websocket → foo, websocket"},
			},
		},
		"an open route is pointed at a guarded backend": {
			replace("http://site", "http://acme"),
			Diff{
				Weaker:  []string{"backend acme: reached with strict (acme) at least → none (root)"},
				Changed: []string{"route root: backend http://site → http://acme"},
			},
		},
		"a claim changes under an identity header": {
			diffTable + "identity: {headers: {X-User-ID: nickname, X-Company-ID: company_id, X-User-Email: email}}\n",
			Diff{Weaker: []string{"identity.headers.X-User-ID: sub → nickname"}},
		},
		"a test is added": {
			diffTable + "tests:\n  - {request: GET /, as: anonymous, expect: root}\n",
			Diff{Changed: []string{"tests: (none) → GET / as anonymous: root"}},
		},
		"whoever may join": {
			replace("join: listed", "join: any"),
			Diff{Weaker: []string{"users.join: listed → any"}},
		},
		"another origin": {
			replace(`["https://app.example.com"]`, `["https://app.example.com", "https://new.example.com"]`),
			Diff{Weaker: []string{"cors.origins: https://app.example.com → https://app.example.com, https://new.example.com"}},
		},
		"CORS of a route": {
			replace(`backend: "http://site", auth: none`, `backend: "http://site", auth: none, cors: {origins: ["https://app.example.com", "https://new.example.com"], credentials: true}`),
			Diff{
				Weaker: []string{
					"route root: cors.origins https://app.example.com → https://app.example.com, https://new.example.com",
					"route root: cors.credentials false → true",
				},
				Changed: []string{"route root: cors (none) → https://app.example.com, https://new.example.com; credentials; max_age 10m0s"},
			},
		},
		"fewer methods and origins on a route": {
			replace(`backend: "http://site", auth: none`, `backend: "http://site", auth: none, cors: {origins: ["https://app.example.com"], allow_methods: [GET], allow_headers: [X-A], private_network: false}`),
			Diff{Changed: []string{"route root: cors (none) → https://app.example.com; allow_methods GET; allow_headers X-A; max_age 10m0s; private_network false"}},
		},
		"CORS off on a route": {
			replace(`backend: "http://site", auth: none`, `backend: "http://site", auth: none, cors: off`),
			Diff{
				Weaker:  []string{"route root: cors: https://app.example.com; max_age 10m0s → off, and the backend decides"},
				Changed: []string{"route root: cors (none) → off"},
			},
		},
		"fewer methods in all preflights": {
			replace(`["https://app.example.com"]`, `["https://app.example.com"], allow_methods: [GET], private_network: false`),
			Diff{Changed: []string{"cors.allow_methods: the routes' methods → GET", "cors.private_network: true → false"}},
		},
		"an identity header is no longer the gateway's": {
			diffTable + "identity: {headers: {X-User-ID: sub, X-Company-ID: company_id}}\n",
			Diff{Weaker: []string{"identity.headers.X-User-Email: email → (none)"}},
		},
		"a proxy is trusted": {
			diffTable + "trusted_proxies: [10.0.0.0/8]\n",
			Diff{Weaker: []string{"trusted_proxies: (none) → 10.0.0.0/8"}},
		},
		"clients of unix sockets are trusted": {
			diffTable + "trusted_proxies: [unix]\n",
			Diff{Weaker: []string{"trusted_proxies: (none) → unix"}},
		},
		"a peer sends PROXY headers": {
			diffTable + "addresses: {balancers: [10.0.0.5]}\nproxy_protocol: [balancers]\n",
			Diff{Weaker: []string{"proxy_protocol: (none) → 10.0.0.5/32"}, Changed: []string{"addresses.balancers: (none) → 10.0.0.5/32"}},
		},
	}
	before := compile(t, diffTable, "")
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Compare(before, compile(t, test.after, ""))
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Empty() != cmp.Equal(test.want, Diff{}) {
				t.Errorf("Empty: %v", got.Empty())
			}
		})
	}
}

// TestDiffKnowsEveryKey fails when a route gets a key that a Diff would not show.
func TestDiffKnowsEveryKey(t *testing.T) {
	t.Parallel()
	known := map[string]bool{"-": true, "name": true, "match_headers": true} // match_headers is another name of headers
	for _, f := range routeFields(&config.Route{}) {
		known[f.key] = true
	}
	for field := range reflect.TypeFor[config.Route]().Fields() {
		if key := field.Tag.Get("yaml"); !known[key] {
			t.Errorf("routeFields lacks %q", key)
		}
	}
}

// TestDiffOfManyTenants compares tables with many hosts and prefixes. The number of probes
// must not be the product of both.
func TestDiffOfManyTenants(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	table.WriteString("users: off\nroutes:\n")
	for i := range 500 {
		fmt.Fprintf(&table, "  - {name: t%d, prefix: /, hosts: [t%d.example.com], backend: 'http://t%d'}\n", i, i, i)
		fmt.Fprintf(&table, "  - {name: p%d, prefix: /p%d, backend: 'http://p%d'}\n", i, i, i)
	}
	before := compile(t, table.String(), "")
	after := compile(t, strings.Replace(table.String(), "backend: 'http://t7'", "backend: 'http://t7', auth: none", 1), "")
	asked := 0
	for range probes(before, after) {
		asked++
	}
	if limit := 10_000; asked > limit {
		t.Errorf("%d requests were asked about for one edit: want less than %d", asked, limit)
	}
	if got := Compare(before, after); len(got.Weaker) != 1 {
		t.Errorf("weaker: %q", got.Weaker)
	}
}

// TestCompareBodyBounds checks that a limit that is raised or removed counts as weaker, and
// that a lowered one does not.
func TestCompareBodyBounds(t *testing.T) {
	t.Parallel()
	with := func(bound string) *proxy.Table {
		return compile(t, strings.Replace(diffTable, "methods: [GET]}", "methods: [GET], max_body: "+bound+"}", 1), "")
	}
	for _, test := range []struct {
		before, after string
		weaker        []string
	}{
		{"1MiB", "0", []string{"route api: max_body 1MiB → 0"}},
		{"1MiB", "2MiB", []string{"route api: max_body 1MiB → 2MiB"}},
		{"2MiB", "1MiB", nil},
		{"0", "1MiB", nil},
	} {
		got := Compare(with(test.before), with(test.after)).Weaker
		if diff := cmp.Diff(test.weaker, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s → %s (-want +got):\n%s", test.before, test.after, diff)
		}
	}
}

// TestCompareCORS undoes what limits a cross-origin policy.
func TestCompareCORS(t *testing.T) {
	t.Parallel()
	table := func(cors string) *proxy.Table {
		return compile(t, "users: off\ncors: {origins: [\"https://a.example.com\"]"+cors+"}\nroutes: [{name: a, prefix: /, backend: \"http://a\", auth: none}]\n", "")
	}
	d := Compare(table(", allow_methods: [GET], allow_headers: [X-A, X-B], private_network: false"), table(", allow_headers: [X-A, X-C]"))
	want := []string{
		"cors.allow_methods: GET → the routes' methods", "cors.allow_headers: X-A, X-B → X-A, X-C", "cors.private_network: false → true",
	}
	if !slices.Equal(d.Weaker, want) || len(d.Changed) > 0 {
		t.Errorf("got %+v", d)
	}
	if d := Compare(table(", allow_headers: [X-A, X-B]"), table(", allow_headers: [X-B]")); len(d.Weaker) > 0 || len(d.Changed) != 1 {
		t.Errorf("fewer headers: %+v", d)
	}
}

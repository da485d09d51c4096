package proxy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
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

// TestCompare makes one edit at a time and wants it told by meaning, with what
// weakens first.
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
		"a policy is raised": {
			replace("auth: none", "auth: strict"),
			Diff{Changed: []string{"route root: auth none → strict"}},
		},
		"a role limit is dropped": {
			replace(", roles: [admin]", ""),
			Diff{
				Weaker:  []string{"GET, OTHER /api/admin: strict, roles admin (admin) → strict (admin)"},
				Changed: []string{"route admin: roles admin → (none)"},
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
				Changed: []string{"route api: methods GET, HEAD → (none)"},
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
		"whoever may join": {
			replace("join: listed", "join: any"),
			Diff{Weaker: []string{"users.join: listed → any"}},
		},
		"another origin": {
			replace(`["https://app.example.com"]`, `["https://app.example.com", "https://new.example.com"]`),
			Diff{Weaker: []string{"cors.origins: https://app.example.com → https://app.example.com, https://new.example.com"}},
		},
		"an identity header is no longer the gateway's": {
			diffTable + "identity: {headers: {X-User-ID: sub, X-Company-ID: company_id}}\n",
			Diff{Weaker: []string{"identity.headers.X-User-Email: email → (none)"}},
		},
		"a proxy is trusted": {
			diffTable + "trusted_proxies: [10.0.0.0/8]\n",
			Diff{Weaker: []string{"trusted_proxies: (none) → 10.0.0.0/8"}},
		},
	}
	before := newKit(t, diffTable, "")
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Compare(before.gateway.Table(), before.compile(test.after))
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Empty() != cmp.Equal(test.want, Diff{}) {
				t.Errorf("Empty: %v", got.Empty())
			}
		})
	}
}

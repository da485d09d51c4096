package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"gatehouse/auth/authtest"
	"gatehouse/internal/testkit"
)

// TestClaimsOfRoutes runs a gateway for an identity provider with realm roles
// and scopes. Routes require claims, backends get all roles of a list, and a
// reload takes other claims, for tokens that were seen before, too.
func TestClaimsOfRoutes(t *testing.T) {
	t.Parallel()
	key := authtest.NewRSA(t, 2048)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "roles %q, plan %q", r.Header["X-Roles"], r.Header["X-Plan"])
	}))
	defer backend.Close()
	table := `users: off
identity: {headers: {X-User-ID: sub, X-Roles: role, X-Plan: account.plan}}
tokens:
  - issuer: ` + otherIssuer + `
    keys: ` + testkit.TempFile(t, "keys", jwkOf(t, key, "a", nil)) + `
    algorithms: [RS256]
    audience: orders
    claims: {role: realm_access.roles}
routes:
  - {name: orders, prefix: /orders, backend: "` + backend.URL + `", claims: {scope: [orders:read]}}
  - {name: admin, prefix: /admin, backend: "` + backend.URL + `", roles: [admin], claims: {level: 3, email_verified: true}}
  - {name: shop, prefix: /shop, backend: "` + backend.URL + `", auth: optional}
`
	file := testkit.TempFile(t, "routes.yaml", table)
	gateway := start(t, file, nil)
	token := func(claims map[string]any) string { return signedBy(t, key, map[string]any{"kid": "a"}, claims) }
	roles := func(list ...any) map[string]any { return map[string]any{"roles": list} }
	clerk := token(map[string]any{"scope": "openid orders:read", "realm_access": roles("user", "admin,clerk", "clerk", "x\r\ny"), "account": map[string]any{"plan": "gold"}})
	admin := token(map[string]any{"scope": []string{"orders:write"}, "realm_access": roles("user", "admin"), "level": 3, "email_verified": true})

	const refused = "The claims of the token do not allow this."
	for _, test := range []struct {
		name, path, token string
		status            int
		body              string // of a 200; the sentence of a refusal otherwise
	}{
		{"a scope", "/orders", clerk, 200, `roles ["user,clerk"], plan ["gold"]`},
		{"another scope", "/orders", admin, 403, refused},
		{"no scope", "/orders", token(nil), 403, refused},
		{"an admin", "/admin", admin, 200, `roles ["user,admin"], plan []`},
		{"no admin", "/admin", clerk, 403, "The user's role does not allow this."},
		{"an admin at another level", "/admin", token(map[string]any{"realm_access": roles("admin"), "level": 2, "email_verified": true}), 403, refused},
		{"an admin of another claim", "/admin", token(map[string]any{"role": "admin", "level": 3, "email_verified": true}), 403, "The user's role does not allow this."},
		{"nobody in the shop", "/shop", "", 200, `roles [], plan []`},
		{"somebody in the shop", "/shop", clerk, 200, `roles ["user,clerk"], plan ["gold"]`},
		{"a bad token in the shop", "/shop", clerk + ".", 401, "Token validation failed: malformed token."},
	} {
		for range 2 { // verified, then remembered
			a := do(t, request{url: gateway.url + test.path, token: test.token, header: http.Header{"X-Roles": {"admin"}, "X-Plan": {"forged"}}})
			if got := a.body; a.status != test.status || test.status == 200 && got != test.body || test.status != 200 && a.field(t, "detail") != test.body {
				t.Errorf("%s: %d %s; want %d %s", test.name, a.status, a.body, test.status, test.body)
			}
		}
	}

	gateway.log.Reset()
	do(t, request{url: gateway.url + "/orders", token: admin})
	testkit.Eventually(t, "the refusal is in the log", func() bool { return strings.Contains(gateway.log.String(), `"status":403`) })
	if line := gateway.log.String(); !strings.Contains(line, "its claim `scope` has none of orders:read") || strings.Contains(line, "orders:write") {
		t.Errorf("the log says %s", line)
	}

	if err := os.WriteFile(file, []byte(strings.Replace(table, "[orders:read]", "[orders:write]", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the reload", func() bool {
		return do(t, request{url: gateway.url + "/orders", token: admin}).status == 200 && do(t, request{url: gateway.url + "/orders", token: clerk}).status == 403
	})
}

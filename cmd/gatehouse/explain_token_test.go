package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/google/uuid"

	"gatehouse/internal/testkit"
	"gatehouse/proxy/explain"
	"gatehouse/store/storetest"
)

// explainToken returns what `explain` says about a request with a token.
func explainToken(t *testing.T, table, store, path, token string) explain.Verdict {
	t.Helper()
	var out, err bytes.Buffer
	status := run(t.Context(), []string{"-c", table, "explain", "GET", path, "--token", token, "--format", "json"}, terminal{
		in: http.NoBody, out: &out, err: &err,
		lookup: testkit.Lookup(map[string]string{"GATEWAY_DATABASE_URL": store, "GATEWAY_JWT_SECRET": testSecret}),
	})
	var e explain.Explanation
	if json.Unmarshal(out.Bytes(), &e) != nil || status != exitOK || len(e.Notes) > 0 {
		t.Fatalf("status %d: %s%s", status, &out, &err)
	}
	return e.Verdict
}

// TestExplainTokenAsTheGateway compares `explain --token` with the answers of a running
// gateway on the same store, while the user of the token changes.
func TestExplainTokenAsTheGateway(t *testing.T) {
	t.Parallel()
	for kind, url := range map[string]string{
		"SQLite": "sqlite:" + filepath.Join(t.TempDir(), "users.db"), "PostgreSQL": storetest.Postgres(t),
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			company, other := uuid.MustParse(listedCompany), uuid.NewString()
			addUser(t, url, "ann@example.com", &company)
			backend := testkit.Serve(t, func(http.ResponseWriter, *http.Request) {})
			table := testkit.TempFile(t, "routes.yaml", `
routes:
  - {name: users, prefix: /api/v1/users, handler: users}
  - {name: admin, prefix: /admin, backend: "`+backend+`", auth: initial, roles: [admin, boss]}
  - {name: claim, prefix: /claim, backend: "`+backend+`", auth: initial, claims: {role: [admin]}}
  - {name: strict, prefix: /strict, backend: "`+backend+`"}
  - {name: optional, prefix: /optional, backend: "`+backend+`", auth: optional}
  - {name: open, prefix: /open, backend: "`+backend+`", auth: none}
`)
			gateway := start(t, table, map[string]string{"GATEWAY_DATABASE_URL": url})
			token := login(t, gateway, "ann@example.com")
			for _, step := range []struct {
				change []string // of the user, by a command
				want   map[string]int
			}{
				{nil, map[string]int{"/admin": 403, "/claim": 403, "/strict": 200, "/optional": 200, "/open": 200}},
				{[]string{"set-role", "ann@example.com", "admin"}, map[string]int{"/admin": 200, "/claim": 200, "/strict": 200}},
				{[]string{"set-role", "ann@example.com", "boss"}, map[string]int{"/admin": 200, "/claim": 403}},
				{[]string{"set-company", "ann@example.com", other}, map[string]int{"/admin": 403, "/strict": 403, "/optional": 403, "/open": 200}},
				{[]string{"set-company", "ann@example.com", listedCompany}, map[string]int{"/admin": 200, "/strict": 200}},
				{[]string{"disable", "ann@example.com"}, map[string]int{"/admin": 401, "/strict": 401, "/optional": 401, "/open": 200}},
				{[]string{"enable", "ann@example.com"}, map[string]int{"/admin": 200, "/strict": 200}},
				{[]string{"delete", "ann@example.com", "--yes"}, map[string]int{"/admin": 401, "/optional": 401, "/open": 200}},
			} {
				if step.change != nil {
					command(t, url, "", append([]string{"users"}, step.change...)...)
				}
				for path, want := range step.want {
					var a answer
					testkit.Eventually(t, "the gateway has seen the change", func() bool {
						a = do(t, request{url: gateway.url + path, token: token})
						return a.status == want
					})
					said := explainToken(t, table, url, path, token)
					if want == http.StatusOK && !said.Allowed || want != http.StatusOK && (said.Status != want || said.Detail != a.field(t, "detail")) {
						t.Errorf("after %v, %s: explain says %+v, the gateway answers %d %s", step.change, path, said, a.status, a.body)
					}
				}
			}
		})
	}
}

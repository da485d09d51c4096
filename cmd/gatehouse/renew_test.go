package main

// This file is about hashes of a cost that was raised since.

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
	"gatehouse/store"
	"gatehouse/store/storetest"
)

// TestRaisedCostReachesHashes has a right login renew a hash that is cheaper than
// GATEWAY_BCRYPT_COST (issue 10). Nobody is logged out by it.
func TestRaisedCostReachesHashes(t *testing.T) {
	t.Parallel()
	for kind, url := range map[string]string{
		"SQLite": "sqlite:" + filepath.Join(t.TempDir(), "users.db"), "PostgreSQL": storetest.Postgres(t),
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			ann := addUser(t, url, "ann@example.com", nil) // at a cost of 4
			table := testkit.TempFile(t, "routes.yaml", "routes:\n  - {name: users, prefix: /api/v1/users, handler: users}\n")
			before := start(t, table, map[string]string{"GATEWAY_DATABASE_URL": url})
			earlier := login(t, before, "ann@example.com")
			if got := storedUser(t, url, ann); got.HashedPassword != ann.HashedPassword {
				t.Errorf("renewed to %s, though the cost is the same", got.HashedPassword)
			}

			after := start(t, table, map[string]string{"GATEWAY_DATABASE_URL": url, "GATEWAY_BCRYPT_COST": "5"})
			wrong := do(t, request{
				method: http.MethodPost, url: after.url + "/api/v1/users/login",
				body: `{"email":"ann@example.com","password":"wrong horse"}`,
			})
			if got := storedUser(t, url, ann); wrong.status != http.StatusUnauthorized || got.HashedPassword != ann.HashedPassword {
				t.Errorf("a wrong password: %d, and the hash is %s", wrong.status, got.HashedPassword)
			}
			later := login(t, after, "ann@example.com")
			renewed := storedUser(t, url, ann)
			if !strings.HasPrefix(renewed.HashedPassword, "$2a$05$") || renewed.TokensValidAfter != nil {
				t.Errorf("after a login: %+v", renewed)
			}
			for name, token := range map[string]string{"earlier": earlier, "later": later, "third": login(t, after, "ann@example.com")} {
				for _, gateway := range []*running{before, after} {
					if a := do(t, request{url: gateway.url + "/api/v1/users/me", token: token}); a.status != http.StatusOK {
						t.Errorf("the %s token: %d %s", name, a.status, a.body)
					}
				}
			}
			if got := storedUser(t, url, ann); got.HashedPassword != renewed.HashedPassword {
				t.Error("renewed once more, though the cost is right")
			}
		})
	}
}

// storedUser reads a user beside the gateway.
func storedUser(t *testing.T, url string, user store.User) store.User {
	t.Helper()
	users, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer users.Close()
	found, err := users.UserByID(t.Context(), user.ID)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

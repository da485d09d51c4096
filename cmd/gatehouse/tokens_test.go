package main

import (
	"encoding/base64"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"gatehouse/store"
)

// claimsOf reads what a token says, without a look at its signature.
func claimsOf(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no token", token)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// TestLoginTokenLifetime: a token lives for GATEWAY_TOKEN_TTL, to the second,
// though the login takes a while (issue 10).
func TestLoginTokenLifetime(t *testing.T) {
	t.Parallel()
	settings := originalBackends(t)
	settings["GATEWAY_DATABASE_URL"] = "sqlite:" + filepath.Join(t.TempDir(), "users.db")
	settings["GATEWAY_TOKEN_TTL"] = "1h"
	settings["GATEWAY_BCRYPT_COST"] = "12"
	user := addUser(t, settings["GATEWAY_DATABASE_URL"], "ann@example.com", nil)
	hash, err := bcrypt.GenerateFromPassword([]byte(testPassword), 12)
	if err != nil {
		t.Fatal(err)
	}
	users, err := store.Open(t.Context(), settings["GATEWAY_DATABASE_URL"], store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer users.Close()
	slow := string(hash)
	if _, err := users.UpdateUser(t.Context(), user.ID, store.Change{HashedPassword: &slow}); err != nil {
		t.Fatal(err)
	}
	gateway := start(t, "../../examples/atenex.yaml", settings)
	claims := claimsOf(t, login(t, gateway, "ann@example.com"))
	if life := claims["exp"].(float64) - claims["iat"].(float64); life != 3600 {
		t.Errorf("the token lives for %v s, not 3600", life)
	}
}

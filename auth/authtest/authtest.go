// Package authtest holds what the tests of auth and of the packages below it
// share: a clock, keys, stores, tokens, and the servers of other issuers.
package authtest

import (
	"maps"
	"path/filepath"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"gatehouse/store"
)

// Noon is the time of the tests.
var Noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func AtNoon() time.Time { return Noon }

const Secret = "a secret of thirty-two bytes, or more"

var (
	Acme   = uuid.MustParse("9b8f7e6d-5c4b-4a39-8877-665544332222")
	Globex = uuid.MustParse("11111111-2222-4333-8444-555555555555")
)

// Claims returns the claims of a good token for a made-up user, with changes. A
// change to nil removes the claim.
func Claims(changes jwt.MapClaims) jwt.MapClaims {
	all := jwt.MapClaims{
		"sub":        "0d9ff6c2-8d8d-4a4e-9d53-6f3b8a1c2e10",
		"company_id": Acme.String(),
		"email":      "ann@example.com",
		"iat":        Noon.Add(-time.Hour).Unix(),
		"exp":        Noon.Add(time.Hour).Unix(),
	}
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	return all
}

// Signed returns a token with these claims, signed with the secret of the
// tests.
func Signed(t testing.TB, claims jwt.MapClaims) string {
	t.Helper()
	return SignedWith(t, jwt.SigningMethodHS256, []byte(Secret), claims, nil)
}

func SignedWith(t testing.TB, method jwt.SigningMethod, key any, claims jwt.MapClaims, header map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	maps.Copy(token.Header, header)
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// OpenStore opens the database at that URL and returns a migrated store.
func OpenStore(t testing.TB, url string) store.Store {
	t.Helper()
	opened, err := store.Open(t.Context(), url, store.Options{Now: AtNoon})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { opened.Close() })
	if _, err := opened.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return opened
}

func OpenSQLite(t testing.TB) store.Store {
	t.Helper()
	return OpenStore(t, "sqlite:"+filepath.Join(t.TempDir(), "users.db"))
}

func AddUser(t testing.TB, users store.Store, user store.User) store.User {
	t.Helper()
	added, err := users.AddUser(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	return added
}

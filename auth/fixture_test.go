package auth

// This file holds what the tests share: a clock, keys, stores, tokens.

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"golang.org/x/crypto/bcrypt"

	"gatehouse/store"
	"gatehouse/store/storetest"
)

// noon is when the tests happen.
var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func atNoon() time.Time { return noon }

const secretOfTests = "a secret of thirty-two bytes, or more"

var (
	acme   = uuid.MustParse("9b8f7e6d-5c4b-4a39-8877-665544332222")
	globex = uuid.MustParse("11111111-2222-4333-8444-555555555555")
)

func secretKeys(t testing.TB, secret string, previous ...string) Ring {
	t.Helper()
	old := make([][]byte, len(previous))
	for i, p := range previous {
		old[i] = []byte(p)
	}
	keys, err := FromSecret("HS256", []byte(secret), old...)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// claims are those of a good token for nobody in particular, with changes; a
// change to nil leaves the claim out.
func claims(changes jwt.MapClaims) jwt.MapClaims {
	all := jwt.MapClaims{
		"sub":        "0d9ff6c2-8d8d-4a4e-9d53-6f3b8a1c2e10",
		"company_id": acme.String(),
		"email":      "ann@example.com",
		"iat":        noon.Add(-time.Hour).Unix(),
		"exp":        noon.Add(time.Hour).Unix(),
	}
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	return all
}

// signed is a token with these claims, signed with the secret of the tests.
func signed(t testing.TB, claims jwt.MapClaims) string {
	t.Helper()
	return signedWith(t, jwt.SigningMethodHS256, []byte(secretOfTests), claims, nil)
}

func signedWith(t testing.TB, method jwt.SigningMethod, key any, claims jwt.MapClaims, header map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	maps.Copy(token.Header, header)
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// openStore returns a migrated store on the database of that URL.
func openStore(t testing.TB, url string) store.Store {
	t.Helper()
	opened, err := store.Open(t.Context(), url, store.Options{Now: atNoon})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { opened.Close() })
	if _, err := opened.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return opened
}

func openSQLite(t testing.TB) store.Store {
	t.Helper()
	return openStore(t, "sqlite:"+filepath.Join(t.TempDir(), "users.db"))
}

// eachStore runs the test on every kind of database.
func eachStore(t *testing.T, test func(t *testing.T, users store.Store)) {
	t.Run("SQLite", func(t *testing.T) { test(t, openSQLite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, openStore(t, storetest.Postgres(t))) })
}

func addUser(t testing.TB, users store.Store, user store.User) store.User {
	t.Helper()
	added, err := users.AddUser(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	return added
}

// countedPasswords are as cheap as bcrypt gets, and count the comparisons.
func countedPasswords(t testing.TB) (passwords *Passwords, comparisons *int) {
	t.Helper()
	passwords, err := NewPasswords(bcrypt.MinCost, nil)
	if err != nil {
		t.Fatal(err)
	}
	comparisons = new(int)
	compare := passwords.compare
	passwords.compare = func(hash, password []byte) error {
		*comparisons++
		return compare(hash, password)
	}
	return passwords, comparisons
}

// detailOf reads the sentence out of an error's body.
func detailOf(t testing.TB, body []byte) string {
	t.Helper()
	var answer struct {
		Detail string `json:"detail"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("read %q: %v", body, err)
	}
	return answer.Detail
}

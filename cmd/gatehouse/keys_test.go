package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/auth/authtest"
	"gatehouse/internal/testkit"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// TestPrivateKeySigns runs a gateway that signs with a private key and
// publishes the public half, and another that knows these keys as those of an
// issuer. A token without the name of that issuer must be refused there.
func TestPrivateKeySigns(t *testing.T) {
	t.Parallel()
	private := authtest.NewEC(t, elliptic.P256())
	company := uuid.MustParse(listedCompany)
	settings := originalBackends(t)
	settings["GATEWAY_DATABASE_URL"] = "sqlite:" + filepath.Join(t.TempDir(), "users.db")
	settings["GATEWAY_JWT_SECRET"] = ""
	settings["GATEWAY_JWT_PRIVATE_KEY_FILE"] = testkit.TempFile(t, "key.pem", authtest.PrivatePEM(t, private))
	addUser(t, settings["GATEWAY_DATABASE_URL"], "ann@example.com", &company)
	gateway := start(t, "../../examples/atenex.yaml", settings)

	token := login(t, gateway, "ann@example.com")
	if a := do(t, request{url: gateway.url + "/api/v1/query/chats", token: token}); a.status != http.StatusOK {
		t.Errorf("at home: %d %s", a.status, a.body)
	}
	keys := do(t, request{url: gateway.url + "/.well-known/jwks.json"})
	if keys.status != http.StatusOK || !strings.Contains(keys.body, `"kty":"EC"`) || strings.Contains(keys.body, `"d":`) {
		t.Errorf("key set: %d %s", keys.status, keys.body)
	}

	// The second gateway knows the first one's keys from a file; its tokens name
	// no issuer, so they are checked as its own would be: refused.
	backend := httptest.NewServer(http.NotFoundHandler())
	defer backend.Close()
	other := start(t, testkit.TempFile(t, "routes.yaml", `users: off
tokens:
  - issuer: https://login.example.com/
    keys: `+testkit.TempFile(t, "keys.json", keys.body)+`
    algorithms: [ES256]
routes:
  - {name: query, prefix: /, backend: "`+backend.URL+`"}
`), nil)
	if a := do(t, request{url: other.url + "/x", token: token}); a.status != http.StatusUnauthorized {
		t.Errorf("a token without the issuer's name: %d %s", a.status, a.body)
	}
	if a := do(t, request{url: other.url + "/.well-known/jwks.json"}); a.status == http.StatusOK {
		t.Error("a gateway with a secret publishes keys")
	}
}

// sec1 is a private key as `openssl ecparam -name prime256v1 -genkey` writes it,
// behind the name of its curve.
func sec1(t testing.TB, key *ecdsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	curve := []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}
	return string(pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: curve})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

// kidOf is the key that a token names.
func kidOf(t testing.TB, token string) string {
	t.Helper()
	parsed, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Header["kid"].(string)
}

// TestPrivateKeyRotates replaces the private key of a running gateway in the
// steps of docs/reload.md, and requires that nobody is logged out (issue 10).
func TestPrivateKeyRotates(t *testing.T) {
	t.Parallel()
	old := authtest.NewEC(t, elliptic.P256())
	next := authtest.NewRSA(t, 2048)
	nextPEM := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(next)}))
	company := uuid.MustParse(listedCompany)
	settings := originalBackends(t)
	settings["GATEWAY_DATABASE_URL"] = "sqlite:" + filepath.Join(t.TempDir(), "users.db")
	addUser(t, settings["GATEWAY_DATABASE_URL"], "ann@example.com", &company)
	const secret = "a secret of the tests without a comma in it"
	settings["GATEWAY_JWT_SECRET"] = secret
	before := login(t, start(t, "../../examples/atenex.yaml", settings), "ann@example.com") // by the secret

	key, previous := testkit.TempFile(t, "key.pem", sec1(t, old)), testkit.TempFile(t, "previous.pem", "")
	settings["GATEWAY_JWT_SECRET"], settings["GATEWAY_JWT_PREVIOUS_SECRETS"] = "", secret
	settings["GATEWAY_JWT_PRIVATE_KEY_FILE"], settings["GATEWAY_JWT_PREVIOUS_KEYS_FILE"] = key, previous
	gateway := start(t, "../../examples/atenex.yaml", settings)
	passes := func(what, token string, status int) {
		t.Helper()
		if a := do(t, request{url: gateway.url + "/api/v1/query/chats", token: token}); a.status != status {
			t.Errorf("%s: %d %s, want %d", what, a.status, a.body, status)
		}
	}
	published := func() string { return do(t, request{url: gateway.url + "/.well-known/jwks.json"}).body }
	first := login(t, gateway, "ann@example.com")
	passes("signed with the secret from before", before, http.StatusOK)
	passes("signed with the first key", first, http.StatusOK)

	// The next key is published before it signs.
	testkit.ReplaceFile(t, previous, nextPEM)
	testkit.Eventually(t, "the next key is published", func() bool { return strings.Contains(published(), `"kty":"RSA"`) })
	if set := published(); !strings.Contains(set, `"kty":"EC"`) || strings.Contains(set, `"d":`) {
		t.Errorf("published: %s", set)
	}
	if kidOf(t, login(t, gateway, "ann@example.com")) != kidOf(t, first) {
		t.Error("the next key signs already")
	}

	// It signs, and the old one verifies.
	testkit.ReplaceFile(t, previous, nextPEM+sec1(t, old))
	testkit.Eventually(t, "both are in the file", func() bool { return strings.Count(gateway.log.String(), "keys of tokens renewed") == 2 })
	testkit.ReplaceFile(t, key, nextPEM)
	var second string
	testkit.Eventually(t, "the next key signs", func() bool {
		second = login(t, gateway, "ann@example.com")
		return kidOf(t, second) != kidOf(t, first)
	})
	passes("signed with the old key", first, http.StatusOK)
	passes("signed with the next key", second, http.StatusOK)
	if set := published(); strings.Count(set, `"kid"`) != 2 || !strings.Contains(set, kidOf(t, first)) || !strings.Contains(set, kidOf(t, second)) {
		t.Errorf("published: %s", set)
	}

	// Garbage changes nothing, and is told.
	testkit.ReplaceFile(t, previous, "garbage")
	testkit.Eventually(t, "the log tells of the garbage", func() bool { return strings.Contains(gateway.log.String(), "no PEM block found") })
	passes("signed with the old key, beside garbage", first, http.StatusOK)

	// Its tokens have expired: the old one goes.
	testkit.ReplaceFile(t, previous, "")
	testkit.Eventually(t, "the old key is gone", func() bool { return !strings.Contains(published(), kidOf(t, first)) })
	passes("signed with the key that is gone", first, http.StatusUnauthorized)
	passes("signed with the key in use", second, http.StatusOK)
}

// TestSecretFilesRotate does the same with secrets.
func TestSecretFilesRotate(t *testing.T) {
	t.Parallel()
	company := uuid.MustParse(listedCompany)
	settings := originalBackends(t)
	settings["GATEWAY_DATABASE_URL"] = "sqlite:" + filepath.Join(t.TempDir(), "users.db")
	addUser(t, settings["GATEWAY_DATABASE_URL"], "ann@example.com", &company)
	const other = "another secret of the tests, as long as the first"
	secret, previous := testkit.TempFile(t, "secret", testSecret), testkit.TempFile(t, "previous", other)
	settings["GATEWAY_JWT_SECRET"] = ""
	settings["GATEWAY_JWT_SECRET_FILE"], settings["GATEWAY_JWT_PREVIOUS_SECRETS_FILE"] = secret, previous
	gateway := start(t, "../../examples/atenex.yaml", settings)
	first := login(t, gateway, "ann@example.com")
	testkit.ReplaceFile(t, previous, other+"\n"+testSecret)
	testkit.Eventually(t, "the secret is among the previous ones", func() bool { return strings.Contains(gateway.log.String(), "keys of tokens renewed") })
	testkit.ReplaceFile(t, secret, other)
	var second string
	testkit.Eventually(t, "the other secret signs", func() bool {
		second = login(t, gateway, "ann@example.com")
		return kidOf(t, second) != kidOf(t, first)
	})
	for _, token := range []string{first, second} {
		if a := do(t, request{url: gateway.url + "/api/v1/query/chats", token: token}); a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	testkit.ReplaceFile(t, secret, "short")
	testkit.Eventually(t, "the log tells of a short secret", func() bool { return strings.Contains(gateway.log.String(), "it needs at least 32") })
	if log := gateway.log.String(); strings.Contains(log, other) || strings.Contains(log, testSecret) {
		t.Error("the log holds a secret")
	}
}

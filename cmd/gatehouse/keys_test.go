package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// TestPrivateKeySigns runs a gateway that signs with a private key and publishes
// the public half, and another that knows these keys under an issuer's name: a
// token that does not carry the name gains nothing there.
func TestPrivateKeySigns(t *testing.T) {
	t.Parallel()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	company := uuid.MustParse(listedCompany)
	settings := originalBackends(t)
	settings["GATEWAY_DATABASE_URL"] = "sqlite:" + filepath.Join(t.TempDir(), "users.db")
	settings["GATEWAY_JWT_SECRET"] = ""
	settings["GATEWAY_JWT_PRIVATE_KEY_FILE"] = writeFile(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
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
	other := start(t, writeFile(t, "routes.yaml", `users: off
tokens:
  - issuer: https://login.example.com/
    keys: `+writeFile(t, "keys.json", keys.body)+`
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

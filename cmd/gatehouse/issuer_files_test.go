package main

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/auth/authtest"
	"gatehouse/internal/testkit"

	"github.com/golang-jwt/jwt/v5"
)

// TestPartOfIssuersKeys uses a writer that dies between the keys of an issuer,
// which must remove no key, and that writes another key later.
func TestPartOfIssuersKeys(t *testing.T) {
	t.Parallel()
	var keys []*rsa.PrivateKey
	var published []string
	for range 3 {
		key := authtest.NewRSA(t, 2048)
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
		published = append(published, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	}
	file := testkit.TempFile(t, "keys.pem", mark+published[0]+published[1])
	gateway := startProcess(t, testkit.TempFile(t, "routes.yaml", "users: off\ntokens:\n"+
		"  - {issuer: 'https://login.example.com/', keys: "+file+", algorithms: [RS256]}\n"+
		"routes:\n  - {name: closed, prefix: /closed, backend: '"+reportingBackend(t, "backend")+"', auth: initial}\n"), nil)
	status := func(key *rsa.PrivateKey) int {
		token, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
			"iss": "https://login.example.com/", "sub": "ann", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
		}).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return do(t, request{url: gateway.url + "/closed", token: token}).status
	}
	for _, key := range keys[:2] {
		testkit.Eventually(t, "the keys are known", func() bool { return status(key) == http.StatusOK })
	}
	testkit.WriteFile(t, file, mark+published[0])
	testkit.Eventually(t, "the part is told", func() bool { return strings.Contains(gateway.log.String(), "changed files cannot be used") })
	if got := status(keys[1]); got != http.StatusOK {
		t.Errorf("a key that a dead writer left out: %d", got)
	}
	testkit.WriteFile(t, file, mark+published[0]+published[2])
	testkit.Eventually(t, "the new key is known", func() bool { return status(keys[2]) == http.StatusOK })
	if got := status(keys[1]); got != http.StatusUnauthorized {
		t.Errorf("a key that was taken back: %d", got)
	}
}

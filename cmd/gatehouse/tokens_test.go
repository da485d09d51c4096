package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gatehouse/auth/authtest"
	"gatehouse/internal/testkit"
	"gatehouse/store"
)

// claimsOf reads the claims of a token without checking its signature.
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

// slowHash is the bcrypt hash of testPassword at cost 14. Comparing takes a
// second on an idle machine.
const slowHash = "$2a$14$rMDK894XxlwDzSnLJYDxBeeeMxfLkhbcly8YmNlscBW8Y3nopBQhW"

// TestLoginTokenLifetime: a token lives for GATEWAY_TOKEN_TTL, to the second,
// though the login takes a while (issue 10). The gateway is a process, since the
// race detector makes bcrypt several times as slow.
func TestLoginTokenLifetime(t *testing.T) {
	t.Parallel()
	settings := originalBackends(t)
	settings["GATEWAY_DATABASE_URL"] = "sqlite:" + filepath.Join(t.TempDir(), "users.db")
	settings["GATEWAY_TOKEN_TTL"] = "1h"
	user := addUser(t, settings["GATEWAY_DATABASE_URL"], "ann@example.com", nil)
	users, err := store.Open(t.Context(), settings["GATEWAY_DATABASE_URL"], store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer users.Close()
	slow := slowHash
	if _, err := users.UpdateUser(t.Context(), user.ID, store.Change{HashedPassword: &slow}); err != nil {
		t.Fatal(err)
	}
	table, err := filepath.Abs("../../examples/atenex.yaml")
	if err != nil {
		t.Fatal(err)
	}
	process := startProcess(t, table, settings)
	claims := claimsOf(t, login(t, &running{url: process.url}, "ann@example.com"))
	if life := claims["exp"].(float64) - claims["iat"].(float64); life != 3600 {
		t.Errorf("the token lives for %v s, not 3600", life)
	}
}

const otherIssuer = "https://login.example.com/"

// negativeSerial returns a certificate of the key that Go cannot parse: its
// serial number is negative, as those of some issuers are.
func negativeSerial(t testing.TB, key *rsa.PrivateKey) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(0x7ff0f0f001), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	negative := bytes.Replace(der, []byte{2, 5, 0x7f, 0xf0, 0xf0, 0xf0, 1}, []byte{2, 5, 0x80, 0xf0, 0xf0, 0xf0, 1}, 1)
	if _, err := x509.ParseCertificate(negative); err == nil {
		t.Fatal("Go parses the certificate")
	}
	return negative
}

// jwkOf is the public key as its issuer publishes it, with more members.
func jwkOf(t testing.TB, key *rsa.PrivateKey, id string, more map[string]any) string {
	t.Helper()
	number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	jwk := map[string]any{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": id, "n": number(key.N), "e": number(big.NewInt(int64(key.E)))}
	maps.Copy(jwk, more)
	text, err := json.Marshal(map[string]any{"keys": []any{jwk}})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// signedBy is a token that the issuer's key has signed.
func signedBy(t testing.TB, key *rsa.PrivateKey, header, claims map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": otherIssuer, "aud": "orders", "sub": "ann", "company_id": "acme", "exp": time.Now().Add(time.Hour).Unix(),
	})
	maps.Copy(token.Claims.(jwt.MapClaims), claims)
	maps.Copy(token.Header, header)
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestTokensOfOthers tests unusual but good tokens and keys of issuers (issue
// 10): they must pass, and name the caller.
func TestTokensOfOthers(t *testing.T) {
	t.Parallel()
	key := authtest.NewRSA(t, 2048)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s of %s", r.Header.Get("X-User-ID"), r.Header.Get("X-Company-ID"))
	}))
	defer backend.Close()
	asked := make(chan string, 100)
	trap := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
	defer trap.Close()

	certificate := negativeSerial(t, key)
	for name, keys := range map[string]string{
		"JWK with x5c":    jwkOf(t, key, "a", map[string]any{"x5c": []string{base64.StdEncoding.EncodeToString(certificate)}}),
		"JWK, odd others": jwkOf(t, key, "a", map[string]any{"x5c": 7, "x5u": "::", "x5t": "?", "x5t#S256": []int{1}, "jku": true, "oth": "x"}),
		"certificate":     string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})),
	} {
		gateway := start(t, testkit.TempFile(t, "routes.yaml", `users: off
tokens:
  - issuer: `+otherIssuer+`
    keys: `+testkit.TempFile(t, "keys", keys)+`
    algorithms: [RS256]
    audience: [orders, https://api.example.com/]
routes:
  - {name: all, prefix: /, backend: "`+backend.URL+`"}
`), nil)
		for _, test := range []struct {
			name           string
			header, claims map[string]any
			status         int
			body           string
		}{
			{"plain", nil, nil, 200, "ann of acme"},
			{"says where its key is", map[string]any{"jku": trap.URL + "/jku", "x5u": trap.URL + "/x5u"}, nil, 200, "ann of acme"},
			{"brings a key", map[string]any{"x5c": []string{"AAAA"}, "jwk": map[string]any{"kty": "oct"}, "x5t": "?"}, nil, 200, "ann of acme"},
			{"critical extension", map[string]any{"crit": []string{"b64"}, "b64": true}, nil, 401, ""},
			{
				"numbers", nil,
				map[string]any{"sub": json.Number("9007199254740993"), "company_id": json.Number("12345678901234567890123")},
				200,
				"9007199254740993 of 12345678901234567890123",
			},
			{"no number, no text", nil, map[string]any{"sub": true}, 401, ""},
			{"second audience", nil, map[string]any{"aud": []string{"x", "https://api.example.com/"}}, 200, "ann of acme"},
			{"other audience", nil, map[string]any{"aud": "orders2"}, 401, ""},
		} {
			header := map[string]any{"kid": "a"}
			maps.Copy(header, test.header)
			a := do(t, request{url: gateway.url + "/x", token: signedBy(t, key, header, test.claims)})
			if a.status != test.status || test.body != "" && a.body != test.body {
				t.Errorf("%s: %s: %d %s; want %d %s", name, test.name, a.status, a.body, test.status, test.body)
			}
		}
	}
	select {
	case path := <-asked:
		t.Errorf("a token had %s fetched", path)
	default:
	}
}

// TestWhyTokenIsRefused requires that the log says why a token is refused,
// while the client gets a fixed sentence (issue 10).
func TestWhyTokenIsRefused(t *testing.T) {
	t.Parallel()
	key := authtest.NewRSA(t, 2048)
	gateway := start(t, testkit.TempFile(t, "routes.yaml", `users: off
tokens:
  - {issuer: "`+otherIssuer+`", keys: `+testkit.TempFile(t, "keys", jwkOf(t, key, "a", nil))+`, algorithms: [RS256], audience: orders}
routes:
  - {name: all, prefix: /, backend: "http://127.0.0.1:9"}
`), nil)
	hs256 := func(claims jwt.MapClaims) string {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("another secret than the gateway's own"))
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	const failed = "Token validation failed: "
	for _, test := range []struct{ name, token, detail, log string }{
		{"long", strings.Repeat("x", 11<<10), failed + "malformed token.", "longer than 8 KiB"},
		{"encrypted", "a.b.c.d.e", failed + "malformed token.", "an encrypted token (JWE)"},
		{"two parts", "a.b", failed + "malformed token.", "2 parts between dots, not three"},
		{
			"unknown issuer", signedBy(t, key, nil, map[string]any{"iss": "https://other.example.com/?secret=1"}), failed + "algorithm is not accepted.",
			"`iss` \\\"https://other.example.com/\\\"… is none of `tokens`",
		},
		{
			"unknown issuer, endless", signedBy(t, key, nil, map[string]any{"iss": strings.Repeat("y", 3000)}), failed + "algorithm is not accepted.",
			strings.Repeat("y", 100) + "\\\"… is none of `tokens`",
		},
		{"unknown issuer, our algorithm", hs256(jwt.MapClaims{"iss": "https://third.example.com/"}), failed + "signature is invalid.", "https://third.example.com/"},
		{"unknown key", signedBy(t, key, map[string]any{"kid": "b"}, nil), failed + "signing key is not known.", "`kid` \\\"b\\\" is none of the issuer's 1 keys"},
		{
			"other audience", signedBy(t, key, map[string]any{"kid": "a"}, map[string]any{"aud": "billing"}), failed + "audience is not accepted.",
			"it is for \\\"billing\\\", not for orders",
		},
		{
			"milliseconds", signedBy(t, key, map[string]any{"kid": "a"}, map[string]any{"exp": time.Now().UnixMilli()}),
			failed + "'exp' claim is missing or invalid.", "milliseconds?",
		},
		{"list for a subject", signedBy(t, key, map[string]any{"kid": "a"}, map[string]any{"sub": []string{"a"}}), failed + "a claim has the wrong type.", "`sub` is neither"},
	} {
		gateway.log.Reset()
		a := do(t, request{url: gateway.url + "/x", token: test.token})
		if a.status != http.StatusUnauthorized || a.field(t, "detail") != test.detail {
			t.Errorf("%s: %d %s", test.name, a.status, a.body)
		}
		testkit.Eventually(t, test.name+" in the log", func() bool { return strings.Contains(gateway.log.String(), `"status":401`) })
		line := gateway.log.String()
		if !strings.Contains(line, test.log) {
			t.Errorf("%s: the log lacks %q:\n%s", test.name, test.log, line)
		}
		if strings.Contains(line, "secret=1") || len(line) > 2000 || strings.Contains(line, test.token) && len(test.token) > 10 {
			t.Errorf("%s: the log says too much:\n%s", test.name, line)
		}
	}
}

// TestNoIdentityHeaders requires that with `headers: {}` backends get no
// identity headers, neither from the gateway nor from a client (issue 10).
func TestNoIdentityHeaders(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%q %q", r.Header.Get("X-User-ID"), r.Header.Get("X_Company_Id"))
	}))
	defer backend.Close()
	gateway := start(t, testkit.TempFile(t, "routes.yaml", `users: off
identity: {headers: {}}
routes:
  - {name: all, prefix: /, backend: "`+backend.URL+`", auth: none}
`), nil)
	a := do(t, request{url: gateway.url + "/x", header: http.Header{"X-User-Id": {"forged"}, "X_Company_Id": {"forged"}}})
	if a.body != `"" ""` {
		t.Errorf("the backend was told %s", a.body)
	}
}

// TestExplainOthersToken requires that explain reads the keys of the issuer
// that a token names, or says in its result that it could not.
func TestExplainOthersToken(t *testing.T) {
	t.Parallel()
	key := authtest.NewRSA(t, 2048)
	token := signedBy(t, key, map[string]any{"kid": "a"}, nil)
	for name, test := range map[string]struct {
		keys string
		want []string
	}{
		"published": {newIssuer(t, publishes(200, jwkOf(t, key, "a", nil))).URL, []string{`"allowed": true`, `"X-User-Id": [`, `"ann"`}},
		"away":      {newIssuer(t, publishes(500, "")).URL, []string{`"status": 503`, `"notes": [`, "cannot be read from here", "status 500"}},
	} {
		var out, errs bytes.Buffer
		table := testkit.TempFile(t, "routes.yaml", issuerTable("http://127.0.0.1:9", otherIssuer, test.keys))
		term := terminal{out: &out, err: &errs, lookup: testkit.Lookup(map[string]string{"GATEWAY_JWT_SECRET": testSecret})}
		if status := run(t.Context(), []string{"explain", "-c", table, "GET", "/x", "--token", token, "--format", "json"}, term); status != 0 {
			t.Errorf("%s: status %d %s", name, status, &errs)
		}
		for _, want := range test.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: the result lacks %s:\n%s", name, want, &out)
			}
		}
		if strings.Contains(out.String(), token) {
			t.Errorf("%s: the token is shown", name)
		}
	}
}

package main

import (
	"bytes"
	"crypto/elliptic"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/auth/authtest"
	"gatehouse/internal/testkit"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// mark is the byte order mark that Notepad and PowerShell put before a text.
const mark = "\ufeff"

// TestByteOrderMarks puts the mark before everything that a gateway reads. The
// secret must be the same without it, and keys and certificates must be
// readable.
func TestByteOrderMarks(t *testing.T) {
	t.Parallel()
	marked := func(name, content string) string { return testkit.TempFile(t, name, mark+content+"\r\n") }
	backend := reportingBackend(t, "backend")
	strict := "users: off\nroutes:\n  - {name: closed, prefix: /closed, backend: '" + backend + "', auth: initial}\n"
	plain := start(t, testkit.TempFile(t, "routes.yaml", strict), nil)
	withMarks := start(t, marked("routes.yaml", strict), map[string]string{
		"GATEWAY_JWT_SECRET": "", "GATEWAY_JWT_SECRET_FILE": marked("secret", testSecret),
	})
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": uuid.NewString(), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString([]byte(testSecret))
	if err != nil {
		t.Fatal(err)
	}
	for name, gateway := range map[string]*running{"without marks": plain, "with marks": withMarks} {
		if a := do(t, request{url: gateway.url + "/closed", token: token}); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}

	private := authtest.NewEC(t, elliptic.P256())
	certFile, keyFile, _ := selfSigned(t)
	signer := startProcess(t, openTable(t, backend), map[string]string{
		"GATEWAY_JWT_SECRET": "", "GATEWAY_JWT_PRIVATE_KEY_FILE": marked("key.pem", string(authtest.PrivatePEM(t, private))),
		"GATEWAY_TLS_CERT_FILE": marked("cert.pem", string(testkit.ReadFile(t, certFile))), "GATEWAY_TLS_KEY_FILE": marked("tls.pem", string(testkit.ReadFile(t, keyFile))),
		"GATEWAY_TLS_CLIENT_CA_FILE": marked("ca.pem", string(testkit.ReadFile(t, certFile))),
	})
	testkit.Eventually(t, "it serves", func() bool { return do(t, request{url: signer.operators + "/readyz"}).status == http.StatusOK })
}

// TestMarkedPassword pipes a password as PowerShell does.
func TestMarkedPassword(t *testing.T) {
	t.Parallel()
	settings := originalBackends(t)
	settings["GATEWAY_DATABASE_URL"] = "sqlite:" + filepath.Join(t.TempDir(), "users.db")
	settings["GATEWAY_BCRYPT_COST"] = "4"
	var said bytes.Buffer
	status := run(t.Context(), []string{"users", "add", "ann@example.com"}, terminal{
		in: strings.NewReader(mark + testPassword + "\r\n"), out: io.Discard, err: &said,
		lookup: testkit.Lookup(settings),
	})
	if status != exitOK {
		t.Fatalf("users add: status %d\n%s", status, &said)
	}
	login(t, start(t, "../../examples/atenex.yaml", settings), "ann@example.com")
}

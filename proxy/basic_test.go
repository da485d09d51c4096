package proxy

import (
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"gatehouse/auth"
	"gatehouse/auth/account"
	"gatehouse/auth/basic"
	"gatehouse/internal/testkit"
	"gatehouse/store"
)

const basicTable = `
name: shop
cors: {origins: ["https://app.example.com"]}
routes:
  - {name: page, prefix: /page, backend: "${BACKEND}", auth: none, basic: FILE}
  - {name: moved, prefix: /moved, redirect: {to: /new}, auth: none, basic: FILE}
  - {name: fixed, prefix: /fixed, respond: {body: hello}, auth: none, basic: FILE, deny_from: [192.0.2.1]}
  - {name: open, prefix: /open, backend: "${BACKEND}", auth: none}
`

// tableWithUsers returns basicTable with a file in which ops has the password secret.
func tableWithUsers(t testing.TB) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "shop.htpasswd")
	testkit.WriteFile(t, file, "ops:"+string(hash)+"\n")
	return strings.ReplaceAll(basicTable, "FILE", file)
}

// withPasswords makes the gateway check passwords, with counts of its own.
func (k *kit) withPasswords(table string) {
	k.t.Helper()
	passwords, err := account.NewPasswords(bcrypt.MinCost, nil)
	if err != nil {
		k.t.Fatal(err)
	}
	guard := account.NewGuard(passwords, store.NewMemoryAttempts(), time.Now, slog.New(slog.DiscardHandler))
	k.parts.Passwords = basic.NewChecker(guard, time.Now)
	k.gateway.Swap(k.compile(table))
}

// TestBasic sends passwords to every kind of target, over HTTP/1.1 and HTTP/2.
func TestBasic(t *testing.T) {
	table := tableWithUsers(t)
	got := func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"Authorization", "X-User-Id", "X-Company-Id"} {
			if values := r.Header[name]; r.URL.Path != "/open" && len(values) > 0 {
				t.Errorf("the backend got %s: %q", name, values)
			}
		}
		w.Header().Set("Www-Authenticate", "Basic")
	}
	eachLane(t, table, testkit.Serve(t, got), func(t *testing.T, k *kit) { testBasic(t, k, table) })
	t.Run("HTTP/2", func(t *testing.T) {
		t.Parallel()
		testBasic(t, startTLS(t, table, testkit.Serve(t, got)), table)
	})
}

func testBasic(t *testing.T, k *kit, table string) {
	k.withPasswords(table)
	const ops, wrong = "Authorization: Basic b3BzOnNlY3JldA==", "Authorization: Basic b3BzOlNlY3JldA=="
	for _, test := range []struct {
		path    string
		headers []string
		status  int
		detail  string
		user    string
	}{
		{"/page", nil, http.StatusUnauthorized, "Not authenticated", ""},
		{"/page/a", []string{ops}, http.StatusOK, "", "ops"},
		{"/page/a", []string{ops, "X-User-ID: forged"}, http.StatusOK, "", "ops"},
		{"/page", []string{wrong}, http.StatusUnauthorized, "Incorrect user name or password.", ""},
		{"/page", []string{"Authorization: " + k.member()}, http.StatusUnauthorized, "Not authenticated", ""},
		{"/page", []string{ops, wrong}, http.StatusBadRequest, "More than one Authorization header.", ""},
		{"/moved", nil, http.StatusUnauthorized, "Not authenticated", ""},
		{"/moved", []string{ops}, http.StatusPermanentRedirect, "", "ops"},
		{"/fixed", []string{wrong}, http.StatusUnauthorized, "Incorrect user name or password.", ""},
		{"/fixed", []string{ops}, http.StatusOK, "", "ops"},
		{"/open", []string{wrong}, http.StatusOK, "", ""},
	} {
		a := k.get(test.path, append(test.headers, "Origin: https://app.example.com")...)
		challenge := a.Header.Get("Www-Authenticate")
		switch {
		case a.StatusCode != test.status || a.Header.Get("Access-Control-Allow-Origin") == "":
			t.Errorf("%s %q: %d %v, want %d", test.path, test.headers, a.StatusCode, a.Header, test.status)
		case test.status == http.StatusUnauthorized && challenge != `Basic realm="shop", charset="UTF-8"`:
			t.Errorf("%s %q: challenge %q", test.path, test.headers, challenge)
		case test.detail != "":
			a.wantDetail(t, test.status, test.detail)
		}
		line := k.line()
		if user, _ := line["user_id"].(string); user != test.user {
			t.Errorf("%s %q: logged %v", test.path, test.headers, line)
		}
		asked := k.request(http.MethodGet, test.path, nil, test.headers...)
		asked.RequestURI, asked.RemoteAddr = test.path, "127.0.0.1:1"
		d := k.gateway.Table().Decide(asked, k.parts.Gate)
		if (d.Refusal == nil) != (test.detail == "") || d.Refusal != nil && d.Refusal.Detail != test.detail {
			t.Errorf("%s %q: decided %v", test.path, test.headers, d.Refusal)
		}
	}
	counted := k.metrics.of("page")
	testkit.Eventually(t, "decisions are counted", func() bool {
		counted.mu.Lock()
		defer counted.mu.Unlock()
		return slices.Equal(counted.decided, []auth.Result{
			auth.ResultNoToken, auth.ResultAllowed, auth.ResultAllowed, auth.ResultPassword, auth.ResultNoToken, auth.ResultAmbiguous,
		})
	})
}

// TestBasicIsDecidedFirst checks that an upload without a password reaches no backend, and
// that a table which only answers questions lets nobody pass.
func TestBasicIsDecidedFirst(t *testing.T) {
	t.Parallel()
	k := start(t, tableWithUsers(t), func(http.ResponseWriter, *http.Request) { t.Error("the backend was asked") })
	k.do(http.MethodPost, "/page", strings.NewReader(strings.Repeat("x", 1<<20)), "Authorization: Basic b3BzOnNlY3JldA==").
		wantDetail(t, http.StatusServiceUnavailable, "The user database cannot be reached.")
	if a := k.do(http.MethodOptions, "/page", nil, "Origin: https://app.example.com", "Access-Control-Request-Method: GET"); a.StatusCode != http.StatusNoContent {
		t.Errorf("preflight: %d", a.StatusCode)
	}
}

// TestBasicFiles compiles tables whose file cannot be used.
func TestBasicFiles(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	testkit.WriteFile(t, folder+"/apr1.htpasswd", "# first\nops:$apr1$hunter2$hunter2hunter2hunter2hun/\n")
	k := newKit(t, openTable, "http://127.0.0.1:9")
	for file, problem := range map[string]string{
		folder + "/none.htpasswd": "no such file",
		folder + "/apr1.htpasswd": "line 2: not a bcrypt hash: want one that begins with $2b$; write it with `htpasswd -B`",
		folder:                    "not a regular file",
	} {
		_, err := Compile(parse(t, strings.ReplaceAll(basicTable, "FILE", file), "http://127.0.0.1:9"), k.parts)
		if err == nil || !strings.Contains(err.Error(), problem) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", file, err)
		}
	}
}

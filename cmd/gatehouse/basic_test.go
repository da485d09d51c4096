package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"gatehouse/internal/testkit"
)

// TestBasicAuthentication runs a gateway with passwords in a file. Edits of the file hold
// at once, also for passwords that were right a moment ago. It runs without users, and with
// a store that counts the failures.
func TestBasicAuthentication(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{"users off": "users: off\n", "a store": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testBasicAuthentication(t, head)
		})
	}
}

func testBasicAuthentication(t *testing.T, head string) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%q", r.Header["Authorization"])
	}))
	t.Cleanup(backend.Close)
	hash := func(password string) string {
		made, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		return string(made)
	}
	folder := t.TempDir()
	users, file := filepath.Join(folder, "internal.htpasswd"), filepath.Join(folder, "routes.yaml")
	testkit.WriteFile(t, users, "ops:"+hash("first-hunter2")+"\nada:"+hash("adas-hunter2")+"\n")
	testkit.WriteFile(t, file, head+"name: internal\nroutes:\n  - {name: internal, prefix: /internal, backend: '"+backend.URL+"', auth: none, basic: internal.htpasswd}\n")
	gateway := start(t, file, map[string]string{"GATEWAY_DATABASE_URL": "sqlite:" + filepath.Join(folder, "gatehouse.db")})
	askBy := func(method, name, password string) answer {
		header := http.Header{}
		if name != "" {
			header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(name+":"+password)))
		}
		return do(t, request{method: method, url: gateway.url + "/internal?page=1", header: header})
	}
	ask := func(name, password string) answer { return askBy(http.MethodGet, name, password) }
	if got := ask("", ""); got.status != http.StatusUnauthorized || got.header.Get("Www-Authenticate") != `Basic realm="internal", charset="UTF-8"` {
		t.Errorf("without a password: %+v", got)
	}
	if got := ask("ops", "first-hunter2"); got.status != http.StatusOK || got.body != "[]" {
		t.Errorf("with the password: %+v", got)
	}
	gateway.log.Await(t, `"user_id":"ops"`)
	for i := range 9 { // the method makes no difference
		askBy([]string{http.MethodHead, http.MethodOptions, http.MethodPost}[i%3], "ada", "wrong-hunter2")
	}
	if got := ask("ada", "adas-hunter2"); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
		t.Errorf("after wrong passwords: %+v", got)
	}

	testkit.WriteFile(t, users, "ops:"+hash("second-hunter2")+"\n")
	testkit.Eventually(t, "the old password is refused", func() bool { return ask("ops", "first-hunter2").status == http.StatusUnauthorized })
	if got := ask("ops", "second-hunter2"); got.status != http.StatusOK {
		t.Errorf("the new password: %+v", got)
	}
	testkit.WriteFile(t, users, "ops:third-hunter2\n")
	gateway.log.Await(t, "line 1: not a bcrypt hash")
	if got := ask("ops", "second-hunter2"); got.status != http.StatusOK {
		t.Errorf("after a bad edit: %+v", got)
	}
	if err := os.Remove(users); err != nil {
		t.Fatal(err)
	}
	gateway.log.Await(t, "no such file")
	if got := ask("ops", "second-hunter2"); got.status != http.StatusOK {
		t.Errorf("without the file: %+v", got)
	}
	testkit.WriteFile(t, users+".new", "ada:"+hash("other-hunter2")+"\n")
	if err := os.Rename(users+".new", users); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "a user who is gone is refused", func() bool { return ask("ops", "second-hunter2").status == http.StatusUnauthorized })
	metrics := do(t, request{url: gateway.operators + "/metrics"}).body
	for _, want := range []string{`{result="wrong_password",route="internal"}`, `{result="throttled",route="internal"}`, `{result="no_token",route="internal"}`} {
		if !strings.Contains(metrics, "gatehouse_auth_decisions_total"+want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	if strings.Contains(gateway.log.String(), "hunter2") || strings.Contains(gateway.log.String(), base64.StdEncoding.EncodeToString([]byte("ops:"))[:4]) {
		t.Error("a password is in the log")
	}
}

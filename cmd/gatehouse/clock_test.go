package main

// This file tests what a wrong clock has written.

import (
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
	"gatehouse/store/storetest"
)

// TestClockWasAhead requires that a clock that was a year ahead locks out
// nobody for a year (issue 10), neither by the wait after wrong passwords nor
// by tokens_valid_after.
func TestClockWasAhead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "users.db")
	for _, email := range []string{"ann@example.com", "bob@example.com"} {
		addUser(t, "sqlite:"+path, email, nil)
	}
	gateway := start(t, testkit.TempFile(t, "routes.yaml", "routes:\n  - {name: users, prefix: /api/v1/users, handler: users}\n"),
		map[string]string{"GATEWAY_DATABASE_URL": "sqlite:" + path})
	login(t, gateway, "bob@example.com") // whose address is known from now on
	wrong := request{
		method: http.MethodPost, url: gateway.url + "/api/v1/users/login",
		body: `{"email":"ann@example.com","password":"wrong horse"}`,
	}
	testkit.Eventually(t, "guesses have to wait", func() bool { return do(t, wrong).status == http.StatusTooManyRequests })

	raw := storetest.RawSQL(t, "sqlite:"+path)
	for _, statement := range []string{
		`UPDATE login_attempts SET next_at = next_at + 31536000000000, clear_at = clear_at + 31536000000000`,
		`UPDATE users SET tokens_valid_after = strftime('%Y-%m-%d %H:%M:%f+00:00', 'now', '+1 year') WHERE email = 'bob@example.com'`,
	} {
		raw(statement)
	}
	a := do(t, request{method: wrong.method, url: wrong.url, body: strings.Replace(wrong.body, "wrong", "correct", 1)})
	wait, err := strconv.Atoi(a.header.Get("Retry-After"))
	if a.status != http.StatusTooManyRequests || err != nil || wait > 900 {
		t.Errorf("%d, wait for %d seconds, %v; want 900 at most", a.status, wait, err)
	}
	token := login(t, gateway, "bob@example.com")
	if a := do(t, request{url: gateway.url + "/api/v1/users/me", token: token}); a.status != http.StatusOK {
		t.Errorf("the token of a login: %d %s", a.status, a.body)
	}
}

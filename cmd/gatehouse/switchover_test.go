package main

// This file tests the real binary while its PostgreSQL is switched over, and
// when it cannot be written (issue 10).

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/internal/testkit"
	"gatehouse/store/storetest"
)

// tryLogin returns the status of a login with testPassword.
func tryLogin(t *testing.T, gateway *running, email string) int {
	t.Helper()
	return do(t, request{
		method: http.MethodPost, url: gateway.url + "/api/v1/users/login",
		body: `{"email":"` + email + `","password":"` + testPassword + `"}`,
	}).status
}

func awaitStoreUp(t *testing.T, gateway *running, up string) {
	t.Helper()
	testkit.Eventually(t, "gatehouse_store_up "+up, func() bool {
		return strings.Contains(do(t, request{url: gateway.operators + "/metrics"}).body, "\ngatehouse_store_up "+up)
	})
}

func startOn(t *testing.T, databaseURL string) *running {
	t.Helper()
	return startNotRevalidated(t, revocationTable(t, "30s"), map[string]string{"GATEWAY_DATABASE_URL": databaseURL})
}

// databaseOf returns the database's name in a URL.
func databaseOf(t *testing.T, databaseURL string) string {
	t.Helper()
	parsed, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(parsed.Path, "/")
}

// TestSwitchOver promotes the standby and brings the old primary back as a
// standby that lags. The URL names the old one first.
func TestSwitchOver(t *testing.T) {
	t.Parallel()
	a := storetest.StartPostgres(t)
	onA := a.Database(t)
	company := uuid.MustParse(listedCompany)
	for _, email := range []string{"ann@example.com", "bob@example.com"} {
		addUser(t, onA, email, &company)
	}
	b := a.Standby(t)
	onB := b.URL(databaseOf(t, onA))
	gateway := startOn(t, storetest.PairURL(t, onA, a, b))
	awaitFeed(t, gateway, "1")
	bob := login(t, gateway, "bob@example.com")
	member := func() int { return do(t, request{url: gateway.url + "/member", token: bob}).status }
	if got := member(); got != http.StatusOK {
		t.Fatalf("before: %d", got)
	}

	storetest.SwitchOver(t, a, b)
	storetest.RawSQL(t, onA)("SELECT pg_wal_replay_pause()")
	began := time.Now()
	testkit.Eventually(t, "a login works again", func() bool { return tryLogin(t, gateway, "ann@example.com") == http.StatusOK })
	t.Logf("logins work after %s", time.Since(began).Round(time.Millisecond))
	awaitFeed(t, gateway, "1")
	awaitStoreUp(t, gateway, "1")
	testkit.Eventually(t, "a user who is known passes", func() bool { return member() == http.StatusOK })
	for range 10 {
		if got := tryLogin(t, gateway, "ann@example.com"); got != http.StatusOK {
			t.Fatalf("a login after the first: %d", got)
		}
	}

	storetest.RawSQL(t, onB)("UPDATE users SET is_active = false WHERE email = 'bob@example.com'")
	testkit.Eventually(t, "who was disabled is out", func() bool { return member() == http.StatusUnauthorized })
	for range 50 { // what the old primary still has is not read
		if got := member(); got != http.StatusUnauthorized {
			t.Fatalf("in again: %d", got)
		}
	}
}

// TestStoreCannotBeWritten makes a server read-only under its connections, as a
// full disk does in some clouds.
func TestStoreCannotBeWritten(t *testing.T) {
	t.Parallel()
	server := storetest.StartPostgres(t)
	databaseURL := server.Database(t)
	company := uuid.MustParse(listedCompany)
	addUser(t, databaseURL, "ann@example.com", &company)
	gateway := startOn(t, databaseURL)
	awaitFeed(t, gateway, "1")
	ann := login(t, gateway, "ann@example.com")
	awaitStoreUp(t, gateway, "1")
	reload := "SELECT pg_reload_conf()"
	readOnly := "SET default_transaction_read_only = " // of the session that changes it back
	for _, trouble := range []struct {
		name       string
		begin, end []string
	}{
		{
			"read-only",
			[]string{"ALTER SYSTEM SET default_transaction_read_only = on", reload},
			[]string{readOnly + "off", "ALTER SYSTEM RESET default_transaction_read_only", reload},
		},
		{
			"another schema",
			[]string{"ALTER TABLE login_attempts RENAME TO somewhere_else"},
			[]string{"ALTER TABLE somewhere_else RENAME TO login_attempts"},
		},
	} {
		raw := storetest.RawSQL(t, databaseURL)
		for _, statement := range trouble.begin {
			raw(statement)
		}
		awaitStoreUp(t, gateway, "0")
		if a := do(t, request{url: gateway.operators + "/readyz"}); a.status != http.StatusOK || !strings.Contains(a.body, "cannot be written") {
			t.Errorf("%s: readyz: %d %s", trouble.name, a.status, a.body)
		}
		if got := tryLogin(t, gateway, "ann@example.com"); got != http.StatusServiceUnavailable {
			t.Errorf("%s: login: %d", trouble.name, got)
		}
		if a := do(t, request{url: gateway.url + "/member", token: ann}); a.status != http.StatusOK {
			t.Errorf("%s: a known user: %d %s", trouble.name, a.status, a.body)
		}
		for _, statement := range trouble.end {
			raw(statement)
		}
		awaitStoreUp(t, gateway, "1")
		if got := tryLogin(t, gateway, "ann@example.com"); got != http.StatusOK {
			t.Errorf("%s, over: login: %d", trouble.name, got)
		}
	}
}

package main

// This file tests the real binary behind a real PgBouncer in transaction mode,
// where LISTEN receives nothing (issue 10).

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/internal/testkit"
	"gatehouse/store/storetest"
)

func TestBehindPgBouncer(t *testing.T) {
	t.Parallel()
	direct := storetest.Postgres(t)
	company := uuid.MustParse(listedCompany)
	for _, email := range []string{"ann@example.com", "bob@example.com"} {
		addUser(t, direct, email, &company)
	}
	through := storetest.PgBouncer(t, direct)
	raw := storetest.RawSQL(t, direct)
	settings := map[string]string{"GATEWAY_DATABASE_URL": through, "GATEWAY_MIGRATE": "off", "GATEWAY_BCRYPT_COST": "4"}
	begin := func(t *testing.T, email string) (gateway *running, token string) {
		gateway = startNotRevalidated(t, revocationTable(t, "1h"), settings)
		token = login(t, gateway, email)
		if a := do(t, request{url: gateway.url + "/member", token: token}); a.status != http.StatusOK {
			t.Fatalf("before: %d %s", a.status, a.body)
		}
		return gateway, token
	}
	disable := func(t *testing.T, gateway *running, email, token string) {
		raw("UPDATE users SET is_active = false WHERE email = '" + email + "'")
		began := time.Now()
		testkit.Eventually(t, email+" is out", func() bool {
			return do(t, request{url: gateway.url + "/member", token: token}).status == http.StatusUnauthorized
		})
		t.Logf("out after %s", time.Since(began).Round(time.Millisecond))
	}

	// Nothing was ever heard of, so that users.grace does not count.
	gateway, token := begin(t, "ann@example.com")
	testkit.Eventually(t, "the log says that the feed is lost", func() bool {
		return strings.Contains(gateway.log.String(), "GATEWAY_FEED_DATABASE_URL names the server itself")
	})
	awaitFeed(t, gateway, "0")
	if a := do(t, request{url: gateway.operators + "/readyz"}); !strings.Contains(a.body, "changes to users are not received") {
		t.Errorf("readyz: %s", a.body)
	}
	disable(t, gateway, "ann@example.com", token)

	settings["GATEWAY_FEED_DATABASE_URL"] = direct
	gateway, _ = begin(t, "bob@example.com")
	awaitFeed(t, gateway, "1")
	token = login(t, gateway, "bob@example.com")
	for range 20 { // from memory now
		if a := do(t, request{url: gateway.url + "/member", token: token}); a.status != http.StatusOK {
			t.Fatalf("before: %d %s", a.status, a.body)
		}
	}
	disable(t, gateway, "bob@example.com", token)

	// Another database of the same server is heard of, and is another one.
	settings["GATEWAY_FEED_DATABASE_URL"] = storetest.Postgres(t)
	raw("UPDATE users SET is_active = true")
	gateway, _ = begin(t, "bob@example.com")
	testkit.Eventually(t, "the log says that the feed is lost", func() bool {
		return strings.Contains(gateway.log.String(), "changes to users are not received")
	})
	awaitFeed(t, gateway, "0")
}

package main

// This file tests promise 4 with several gateways on one store: a revoked user
// is refused by all of them within a second, without a database query per
// request.

import (
	"bytes"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/internal/testkit"
	"gatehouse/store"
	"gatehouse/store/storetest"
)

// revocationTable has a route for administrators, and one for all members.
func revocationTable(t *testing.T, grace string) string {
	backend := reportingBackend(t, "backend")
	return testkit.TempFile(t, "routes.yaml", fmt.Sprintf(`
users: {companies: [%s], grace: %s}
routes:
  - {name: users, prefix: /api/v1/users, handler: users}
  - {name: admin, prefix: /admin, backend: '%s', roles: [admin]}
  - {name: member, prefix: /member, backend: '%s'}
`, listedCompany, grace, backend, backend))
}

// command runs one of ours, as an operator does beside running gateways.
func command(t *testing.T, url, input string, args ...string) {
	t.Helper()
	said := new(bytes.Buffer)
	status := run(t.Context(), args, terminal{
		in: strings.NewReader(input), out: said, err: said,
		lookup: testkit.Lookup(map[string]string{"GATEWAY_DATABASE_URL": url, "GATEWAY_BCRYPT_COST": "4"}),
	})
	if status != exitOK {
		t.Fatalf("%v: status %d\n%s", args, status, said)
	}
}

// replicas are gateways on one store. TestFeedOfProcess has processes.
type replicas struct {
	all []*running
	url string // of the store
	raw func(statement string, args ...any)
}

func startReplicas(t *testing.T, url string, count int) *replicas {
	t.Helper()
	r := &replicas{url: url}
	table := revocationTable(t, "30s")
	for range count {
		r.all = append(r.all, startNotRevalidated(t, table, map[string]string{"GATEWAY_DATABASE_URL": url}))
	}
	r.raw = storetest.RawSQL(t, url)
	for _, gateway := range r.all {
		awaitFeed(t, gateway, "1")
	}
	return r
}

// awaitFeed waits until the gateway's feed is in the wanted state.
func awaitFeed(t *testing.T, gateway *running, connected string) {
	t.Helper()
	testkit.Eventually(t, "gatehouse_user_feed_connected "+connected, func() bool {
		return strings.Contains(do(t, request{url: gateway.operators + "/metrics"}).body, "\ngatehouse_user_feed_connected "+connected)
	})
}

// expectEverywhere requires one answer from all gateways now.
func (r *replicas) expectEverywhere(t *testing.T, when, path, token string, status int) {
	t.Helper()
	for i, gateway := range r.all {
		if a := do(t, request{url: gateway.url + path, token: token}); a.status != status {
			t.Errorf("%s, gateway %d: %d %s; want %d", when, i, a.status, a.body, status)
		}
	}
}

// awaitEverywhere waits for one answer of all, and says how long it took.
func (r *replicas) awaitEverywhere(t *testing.T, when, path, token string, status int, detail string) {
	t.Helper()
	began := time.Now()
	for i, gateway := range r.all {
		testkit.Eventually(t, fmt.Sprintf("%s, gateway %d: %d %s", when, i, status, detail), func() bool {
			a := do(t, request{url: gateway.url + path, token: token})
			return a.status == status && strings.Contains(a.body, detail)
		})
	}
	t.Logf("%s: so on %d gateways within %s", when, len(r.all), time.Since(began).Round(time.Millisecond))
}

// user adds an administrator, and returns a token that all replicas have seen.
func (r *replicas) user(t *testing.T, email string) (user store.User, token string) {
	t.Helper()
	company := uuid.MustParse(listedCompany)
	user = addUser(t, r.url, email, &company)
	command(t, r.url, "", "users", "set-role", email, "admin")
	token = login(t, r.all[0], email)
	r.awaitEverywhere(t, email+" is in", "/admin", token, http.StatusOK, "")
	return user, token
}

func TestRevocation(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		testRevocation(t, startReplicas(t, storetest.Postgres(t), 3))
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		testRevocation(t, startReplicas(t, "sqlite:"+filepath.Join(t.TempDir(), "users.db"), 2))
	})
}

func testRevocation(t *testing.T, r *replicas) {
	const (
		revoked  = "Token has been revoked."
		inactive = "User associated with token is inactive."
		unknown  = "User associated with token not found."
		moved    = "The company in the token is no longer the user's company."
		role     = "The user's role does not allow this."
	)
	post := func(t *testing.T, method, path, token, body string) {
		t.Helper()
		if a := do(t, request{method: method, url: r.all[0].url + "/api/v1/users" + path, token: token, body: body}); a.status != http.StatusNoContent {
			t.Fatalf("%s: %d %s", path, a.status, a.body)
		}
	}
	tests := []struct {
		name   string
		revoke func(t *testing.T, email, token string)
		status int
		detail string
	}{
		{"disabled by command", func(t *testing.T, email, _ string) { command(t, r.url, "", "users", "disable", email) }, 401, inactive},
		{"deleted by command", func(t *testing.T, email, _ string) { command(t, r.url, "", "users", "delete", "--yes", email) }, 401, unknown},
		{"moved by command", func(t *testing.T, email, _ string) {
			command(t, r.url, "", "users", "set-company", email, uuid.NewString())
		}, 403, moved},
		{"another role by command", func(t *testing.T, email, _ string) { command(t, r.url, "", "users", "set-role", email, "user") }, 403, role},
		{"another password by command", func(t *testing.T, email, _ string) {
			command(t, r.url, "battery staple\n", "users", "set-password", email)
		}, 401, revoked},
		{"another password at an endpoint", func(t *testing.T, _, token string) {
			post(t, http.MethodPut, "/me/password", token, `{"old_password":"`+testPassword+`","new_password":"battery staple"}`)
		}, 401, revoked},
		{"logged out everywhere", func(t *testing.T, _, token string) { post(t, http.MethodPost, "/me/logout-everywhere", token, "") }, 401, revoked},
		{"disabled by SQL", func(_ *testing.T, email, _ string) {
			r.raw("UPDATE users SET is_active = false WHERE email = '" + email + "'")
		}, 401, inactive},
		{"deleted by SQL", func(_ *testing.T, email, _ string) { r.raw("DELETE FROM users WHERE email = '" + email + "'") }, 401, unknown},
		{"moved by SQL", func(_ *testing.T, email, _ string) {
			r.raw("UPDATE users SET company_id = NULL WHERE email = '" + email + "'")
		}, 403, moved},
		{"another password by SQL", func(_ *testing.T, email, _ string) {
			r.raw("UPDATE users SET hashed_password = 'x' WHERE email = '" + email + "'")
		}, 401, revoked},
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			email := fmt.Sprintf("user%d@example.com", i)
			_, token := r.user(t, email)
			test.revoke(t, email, token)
			r.awaitEverywhere(t, test.name, "/admin", token, test.status, test.detail)
		})
	}

	t.Run("in again at once", func(t *testing.T) {
		_, old := r.user(t, "again@example.com")
		post(t, http.MethodPost, "/me/logout-everywhere", old, "")
		r.expectEverywhere(t, "after another login", "/admin", login(t, r.all[0], "again@example.com"), http.StatusOK)
	})
	t.Run("company joined", func(t *testing.T) {
		addUser(t, r.url, "newcomer@example.com", nil)
		old := login(t, r.all[0], "newcomer@example.com")
		r.expectEverywhere(t, "without a company", "/member", old, http.StatusForbidden)
		a := do(t, request{
			method: http.MethodPost, url: r.all[0].url + "/api/v1/users/me/ensure-company", token: old,
			body: `{"company_id":"` + listedCompany + `"}`,
		})
		fresh := a.field(t, "new_access_token")
		if a := do(t, request{url: r.all[0].url + "/member", token: fresh}); a.status != http.StatusOK {
			t.Errorf("the new token, where it was made: %d %s", a.status, a.body)
		}
		r.awaitEverywhere(t, "the new token is good", "/member", fresh, http.StatusOK, "")
	})
}

// TestNoReadPerRequest makes the table of users unreadable, and requires that
// known users pass.
func TestNoReadPerRequest(t *testing.T) {
	t.Parallel()
	r := startReplicas(t, storetest.Postgres(t), 1)
	_, token := r.user(t, "ann@example.com")
	r.raw("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
	for range 100 {
		r.expectEverywhere(t, "while nobody may read", "/admin", token, http.StatusOK)
	}
	r.raw("ROLLBACK")
}

// TestFeedOfProcess requires that a real process receives changes that other
// processes, the commands, make.
func TestFeedOfProcess(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	company := uuid.MustParse(listedCompany)
	addUser(t, url, "ann@example.com", &company)
	p := startProcess(t, revocationTable(t, "30s"), map[string]string{"GATEWAY_DATABASE_URL": url})
	r := &replicas{all: []*running{{url: p.url, operators: p.operators}}, url: url}
	awaitFeed(t, r.all[0], "1")
	token := login(t, r.all[0], "ann@example.com")
	r.expectEverywhere(t, "in", "/member", token, http.StatusOK)
	disable := exec.CommandContext(t.Context(), p.cmd.Path, "users", "disable", "ann@example.com")
	disable.Dir, disable.Env = t.TempDir(), []string{"GATEWAY_DATABASE_URL=" + url}
	if output, err := disable.CombinedOutput(); err != nil {
		t.Fatalf("disable: %v\n%s", err, output)
	}
	r.awaitEverywhere(t, "disabled", "/member", token, http.StatusUnauthorized, "inactive")
}

// TestStoreAwayGrace stops the store of a gateway. Known users must pass for
// the grace, and then nobody. Changes made meanwhile must take effect when the
// store is back.
func TestStoreAwayGrace(t *testing.T) {
	t.Parallel()
	server := storetest.StartPostgres(t)
	url := server.Database(t)
	company := uuid.MustParse(listedCompany)
	addUser(t, url, "ann@example.com", &company)
	addUser(t, url, "bob@example.com", &company)
	table := revocationTable(t, "1h")
	gateway := start(t, table, map[string]string{"GATEWAY_DATABASE_URL": url})
	awaitFeed(t, gateway, "1")
	ann, bob := login(t, gateway, "ann@example.com"), login(t, gateway, "bob@example.com")
	ask := func(token string) int { return do(t, request{url: gateway.url + "/member", token: token}).status }
	if got := ask(ann); got != http.StatusOK {
		t.Fatalf("before: %d", got)
	}

	server.Stop(t)
	awaitFeed(t, gateway, "0")
	if got := ask(ann); got != http.StatusOK {
		t.Errorf("known, in grace: %d", got)
	}
	if got := ask(bob); got != http.StatusServiceUnavailable {
		t.Errorf("not known, in grace: %d", got)
	}
	if a := do(t, request{url: gateway.operators + "/readyz"}); a.status != http.StatusOK || !strings.Contains(a.body, "changes to users are not received") {
		t.Errorf("readyz: %d %s", a.status, a.body)
	}
	// A table with another grace counts at once.
	testkit.WriteFile(t, table, bytes.Replace(testkit.ReadFile(t, table), []byte("grace: 1h"), []byte("grace: 1ms"), 1))
	testkit.Eventually(t, "the grace is over: 503", func() bool { return ask(ann) == http.StatusServiceUnavailable })

	server.Start(t)
	changeBehind(t, url, "ann@example.com")
	awaitFeed(t, gateway, "1")
	testkit.Eventually(t, "what changed meanwhile is known", func() bool { return ask(ann) == http.StatusUnauthorized })
	if got := ask(bob); got != http.StatusOK {
		t.Errorf("the other user, with the store back: %d", got)
	}
	if a := do(t, request{url: gateway.operators + "/readyz"}); strings.Contains(a.body, "changes to users") {
		t.Errorf("readyz: %s", a.body)
	}
}

// changeBehind disables a user while the triggers are off, so the change is not
// reported.
func changeBehind(t *testing.T, url, email string) {
	t.Helper()
	storetest.RawSQL(t, url)("SET session_replication_role = replica; UPDATE users SET is_active = false WHERE email = '" + email + "'")
}

// TestUntoldChange disables a user without a report, and requires that the user
// is refused within about a minute.
func TestUntoldChange(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	p := startProcess(t, revocationTable(t, "30s"), map[string]string{"GATEWAY_DATABASE_URL": url})
	r := &replicas{all: []*running{{url: p.url, operators: p.operators, log: p.log}}, url: url, raw: storetest.RawSQL(t, url)}
	awaitFeed(t, r.all[0], "1")
	_, token := r.user(t, "ann@example.com")
	r.raw("BEGIN")
	r.raw("ALTER TABLE users DISABLE TRIGGER ALL")
	r.raw("UPDATE users SET is_active = false")
	r.raw("ALTER TABLE users ENABLE ALWAYS TRIGGER gatehouse_users_revoke, ENABLE ALWAYS TRIGGER gatehouse_users_tell," +
		" ENABLE ALWAYS TRIGGER gatehouse_users_tell_truncate, ENABLE ALWAYS TRIGGER gatehouse_users_tell_update")
	r.raw("COMMIT")
	r.expectEverywhere(t, "nobody was told", "/admin", token, http.StatusOK)
	began := time.Now()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for do(t, request{url: r.all[0].url + "/admin", token: token}).status != http.StatusUnauthorized {
		if <-tick.C; time.Since(began) > 4*testkit.Timeout {
			t.Fatalf("still in after %s", time.Since(began))
		}
	}
	t.Logf("out after %s", time.Since(began).Round(time.Second))
	awaitFeed(t, r.all[0], "1")
}

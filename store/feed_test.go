package store_test

// This file tests that every change is reported, whoever makes it, and what
// happens when the feed breaks.

import (
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/internal/testkit"
	"gatehouse/store"
	"gatehouse/store/storetest"
)

// TestFollowOthers changes rows with a client that knows nothing of feeds.
func TestFollowOthers(t *testing.T) {
	t.Parallel()
	for kind, url := range freshURLs(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s, raw := migratedWithAnn(t, url)
			l := storetest.Listen(t, s)
			l.Await(t, "connected")
			ann, bob := uuid.MustParse(annID), uuid.MustParse(bobID)
			steps := []struct {
				statement string
				id        uuid.UUID // uuid.Nil is told nothing
			}{
				{`INSERT INTO users (id, email, hashed_password, is_active) VALUES ('` + bobID + `', 'bob@example.com', 'x', true)`, bob},
				{`UPDATE users SET last_login = '2026-01-01 00:00:00+00:00', full_name = 'Bob', updated_at = created_at`, uuid.Nil},
				{`UPDATE users SET role = role, hashed_password = hashed_password, company_id = company_id`, uuid.Nil},
				{`UPDATE users SET is_active = false WHERE email = 'bob@example.com'`, bob},
				{`UPDATE users SET role = 'admin' WHERE email = 'ann@example.com'`, ann},
				{`UPDATE users SET company_id = '` + annID + `' WHERE email = 'ann@example.com'`, ann},
				{`UPDATE users SET hashed_password = 'y' WHERE email = 'ann@example.com'`, ann},
				{`UPDATE users SET tokens_valid_after = '2026-01-01 00:00:00+00:00' WHERE email = 'ann@example.com'`, ann},
				{`DELETE FROM users WHERE email = 'bob@example.com'`, bob},
			}
			for _, step := range steps {
				raw(step.statement)
				if step.id != uuid.Nil {
					l.AwaitChange(t, step.statement, step.id)
				}
			}
			if kind == "postgres" {
				raw(`TRUNCATE users CASCADE`)
				l.Await(t, "all")
			}
		})
	}
}

// TestPasswordOfOthers requires that a password that another program changes
// revokes tokens, and that a client may set tokens_valid_after itself.
func TestPasswordOfOthers(t *testing.T) {
	t.Parallel()
	for kind, url := range freshURLs(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s, raw := migratedWithAnn(t, url)
			validAfter := func() *time.Time {
				t.Helper()
				user, err := s.UserByID(t.Context(), uuid.MustParse(annID))
				if err != nil {
					t.Fatal(err)
				}
				return user.TokensValidAfter
			}
			before := time.Now().Truncate(time.Millisecond)
			raw(`UPDATE users SET hashed_password = 'y'`)
			first := validAfter()
			if first == nil || first.Before(before) || first.After(time.Now()) {
				t.Fatalf("tokens are valid after %v, want now", first)
			}
			raw(`UPDATE users SET hashed_password = 'z'`)
			if second := validAfter(); second.Unix() <= first.Unix() {
				t.Errorf("tokens are valid after %v, want a later second than %v", second, first)
			}
			raw(`UPDATE users SET hashed_password = 'x', tokens_valid_after = '2026-01-01 00:00:00+00:00'`)
			if got := validAfter(); !got.Equal(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) {
				t.Errorf("tokens are valid after %v, not what was said", got)
			}
			raw(`UPDATE users SET role = 'admin', last_login = '2026-02-02 00:00:00+00:00'`)
			if got := validAfter(); !got.Equal(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) {
				t.Errorf("tokens are valid after %v since another change", got)
			}
		})
	}
}

// TestFollowProcess tests a command beside the running gateway.
func TestFollowProcess(t *testing.T) {
	t.Parallel()
	for kind, url := range freshURLs(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := storetest.Listen(t, migrated(t, url))
			l.Await(t, "connected")
			other := exec.CommandContext(t.Context(), os.Args[0])
			other.Env = append(os.Environ(), writerVariable+"="+url)
			other.Stderr = os.Stderr
			if err := other.Run(); err != nil {
				t.Fatal(err)
			}
			if told := l.Next(t); told.What != "changed" && told.What != "all" {
				t.Errorf("told %+v, want a change", told)
			}
		})
	}
}

// TestFollowSchema requires that the trigger works for clients with another
// search_path, and beside another gateway in the same database.
func TestFollowSchema(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	raw := storetest.Connect(t, url)
	execute(t, raw, "CREATE SCHEMA app", "CREATE SCHEMA other")
	s := migrated(t, withSetting(t, url, "search_path", "app"))
	migrated(t, withSetting(t, url, "search_path", "other"))
	l := storetest.Listen(t, s)
	l.Await(t, "connected")
	ann := uuid.MustParse(annID)
	for _, statement := range []string{
		`INSERT INTO app.users (id, email, hashed_password) VALUES ('` + annID + `', 'ann@example.com', 'x')`,
		`SET search_path = ''; UPDATE app.users SET hashed_password = 'y'`,
		`DELETE FROM app.users`,
	} {
		execute(t, raw, statement)
		l.AwaitChange(t, statement, ann)
	}
	var functions int
	err := raw.QueryRow(t.Context(), `SELECT count(*) FROM pg_catalog.pg_proc JOIN pg_catalog.pg_namespace n ON n.oid = pronamespace
		WHERE proname LIKE 'gatehouse_users_%' AND nspname IN ('app', 'other')`).Scan(&functions)
	if err != nil || functions != 4 {
		t.Errorf("%d functions beside the tables, %v; want 4", functions, err)
	}
}

// TestFollowComesBack stops the server, and then only the feed's connection.
func TestFollowComesBack(t *testing.T) {
	t.Parallel()
	server := storetest.StartPostgres(t)
	url := server.Database(t)
	s := migrated(t, url)
	l := storetest.Listen(t, s)
	l.Await(t, "connected")

	server.Stop(t)
	if told := l.Next(t); told.What != "lost" || told.Err == nil || !strings.Contains(told.Err.Error(), s.Address()) {
		t.Errorf("told %+v, want that it is lost, and of which database", told)
	}
	server.Start(t)
	l.Await(t, "connected")

	raw := storetest.Connect(t, url)
	execute(t, raw, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%gatehouse_beat_%' AND pid <> pg_backend_pid()`)
	if told := l.Next(t); told.What != "lost" {
		t.Errorf("told %+v, want that it is lost", told)
	}
	began := time.Now()
	l.Await(t, "connected")
	t.Logf("connected again after %s", time.Since(began))
	user, err := s.AddUser(t.Context(), store.User{Email: "ann@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	l.AwaitChange(t, "adding", user.ID)
}

// TestFollowHangs uses a connection that stays open but no longer carries data,
// as to a machine that lost its power.
func TestFollowHangs(t *testing.T) {
	t.Parallel()
	parsed, err := url.Parse(storetest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	relay := newRelay(t, filepath.Join(parsed.Query().Get("host"), ".s.PGSQL.5432"))
	through := *parsed
	through.Host, through.RawQuery = relay.address, "sslmode=disable"
	migrated(t, parsed.String())
	l := storetest.Listen(t, open(t, through.String()))
	l.Await(t, "connected")
	relay.stop()
	began := time.Now()
	if told := l.Next(t); told.What != "lost" {
		t.Errorf("told %+v, want that it is lost", told)
	}
	t.Logf("noticed after %s", time.Since(began))
	relay.resume()
	l.Await(t, "connected")
}

// relay carries bytes between a port and a socket until it is stopped.
type relay struct {
	address string
	socket  string
	mu      sync.RWMutex // held while cut
}

func newRelay(t *testing.T, socket string) *relay {
	t.Helper()
	r := &relay{socket: socket}
	r.address = testkit.ServeRaw(t, func(near net.Conn) {
		far, err := net.Dial("unix", socket)
		if err != nil {
			return
		}
		var both sync.WaitGroup
		both.Go(func() { r.carry(near, far) })
		both.Go(func() { r.carry(far, near) })
		both.Wait()
	})
	return r
}

func (r *relay) stop()   { r.mu.Lock() }
func (r *relay) resume() { r.mu.Unlock() }

func (r *relay) carry(to, from net.Conn) {
	defer to.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		r.mu.RLock()
		_, err = to.Write(buffer[:n])
		r.mu.RUnlock()
		if err != nil {
			return
		}
	}
}

// TestFollowStrangers notifies the channel from another client.
func TestFollowStrangers(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	l := storetest.Listen(t, migrated(t, url))
	l.Await(t, "connected")
	raw := storetest.Connect(t, url)
	for _, payload := range []string{"", "all", "'", strings.Repeat("x", 7999)} {
		if _, err := raw.Exec(t.Context(), "SELECT pg_notify('gatehouse_users', $1)", payload); err != nil {
			t.Fatal(err)
		}
		if told := l.Next(t); told.What != "all" {
			t.Errorf("after %.10q: told %+v, want that all may have changed", payload, told)
		}
	}
}

// TestSQLiteLoginsAreNotChanges requires that the columns that every login
// writes do not count as changes.
func TestSQLiteLoginsAreNotChanges(t *testing.T) {
	t.Parallel()
	url := sqliteURL(t)
	s := migrated(t, url)
	user, err := s.AddUser(t.Context(), store.User{Email: "ann@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	db := storetest.OpenSQLite(t, url)
	counted := func() (count int) {
		t.Helper()
		if err := db.QueryRowContext(t.Context(), "SELECT counted FROM gatehouse_user_changes").Scan(&count); err != nil {
			t.Fatal(err)
		}
		return count
	}
	before := counted()
	if err := s.RecordLogin(t.Context(), user.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	if after := counted(); after != before {
		t.Errorf("a login counts: %d after %d", after, before)
	}
	if _, err := s.UpdateUser(t.Context(), user.ID, store.Change{RevokeTokens: true}); err != nil {
		t.Fatal(err)
	}
	if after := counted(); after != before+1 {
		t.Errorf("a revocation does not count once: %d after %d", after, before)
	}
}

package store_test

// This file tests migrations on databases that are empty, shared, or that we
// may not change; takeover_test.go tests those of the original gateway.

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gatehouse/store"
	"gatehouse/store/storetest"
)

// freshURLs returns one empty database of each kind.
func freshURLs(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{"postgres": storetest.Postgres(t), "sqlite": sqliteURL(t)}
}

func execute(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := conn.Exec(context.WithoutCancel(t.Context()), statement); err != nil {
			t.Fatalf("execute %s: %v", statement, err)
		}
	}
}

// withSetting adds a parameter to a URL.
func withSetting(t *testing.T, databaseURL, name, value string) string {
	t.Helper()
	parsed, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	query := parsed.Query()
	query.Set(name, value)
	parsed.RawQuery = query.Encode()
	return parsed.String()
}

func TestMigrateReportsWhatItApplied(t *testing.T) {
	t.Parallel()
	for kind, url := range freshURLs(t) {
		s := open(t, url)
		pending, err := s.Pending(t.Context())
		if err != nil || len(pending) == 0 || pending[0] != "00001_users.sql" {
			t.Errorf("%s: pending on an empty database are %q, %v", kind, pending, err)
		}
		applied, err := s.Migrate(t.Context())
		if err != nil || !slices.Equal(applied, pending) {
			t.Errorf("%s: applied %q, %v; want %q", kind, applied, err, pending)
		}
		if pending, err := s.Pending(t.Context()); err != nil || len(pending) > 0 {
			t.Errorf("%s: pending after Migrate are %q, %v", kind, pending, err)
		}
	}
}

// TestMigrateConcurrently migrates like replicas that start together.
func TestMigrateConcurrently(t *testing.T) {
	t.Parallel()
	const replicas = 8
	for kind, url := range freshURLs(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			var (
				group sync.WaitGroup
				mutex sync.Mutex
				all   []string
			)
			for i := range replicas {
				group.Go(func() {
					s, err := store.Open(t.Context(), url, store.Options{})
					if err != nil {
						t.Error(err)
						return
					}
					defer s.Close()
					applied, err := s.Migrate(t.Context())
					if err != nil {
						t.Error(err)
					}
					mutex.Lock()
					all = append(all, applied...)
					mutex.Unlock()
					if _, err := s.AddUser(t.Context(), store.User{Email: fmt.Sprintf("user%d@example.com", i)}); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			slices.Sort(all)
			if len(slices.Compact(slices.Clone(all))) != len(all) {
				t.Errorf("some migrations were applied twice: %q", all)
			}
		})
	}
}

// TestCheckSchemaOnlyReads checks as a database user who may not write.
func TestCheckSchemaOnlyReads(t *testing.T) {
	t.Parallel()
	databaseURL := storetest.Postgres(t)
	admin := storetest.Connect(t, databaseURL)
	reader := "reader_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	execute(t, admin, "CREATE ROLE "+reader+" LOGIN PASSWORD 'reader'", "ALTER ROLE "+reader+" SET default_transaction_read_only = on")
	t.Cleanup(func() { execute(t, storetest.Connect(t, databaseURL), "DROP OWNED BY "+reader, "DROP ROLE "+reader) })
	parsed, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	parsed.User = url.UserPassword(reader, "reader")
	s := open(t, parsed.String())

	err = store.CheckSchema(t.Context(), s)
	if err == nil || !strings.Contains(err.Error(), "00001_users.sql") || !strings.Contains(err.Error(), "gatehouse migrate") {
		t.Errorf("error %v, want one that names the migration and the command", err)
	}
	var tables int
	if err := admin.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&tables); err != nil || tables > 0 {
		t.Errorf("%d tables after the check, %v", tables, err)
	}
	migrated(t, databaseURL)
	execute(t, admin, "GRANT SELECT ON gatehouse_migrations TO "+reader)
	if err := store.CheckSchema(t.Context(), s); err != nil {
		t.Error(err)
	}
}

// TestNewerSchema tests an old replica that starts in the middle of an update.
func TestNewerSchema(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	s := migrated(t, url)
	execute(t, storetest.Connect(t, url), "INSERT INTO gatehouse_migrations (version_id, is_applied) VALUES (99999, true)")
	if err := store.CheckSchema(t.Context(), s); err != nil {
		t.Error(err)
	}
	if applied, err := s.Migrate(t.Context()); err != nil || len(applied) > 0 {
		t.Errorf("applied %q, %v", applied, err)
	}
}

// TestOtherSchemas has the store outside of the schema public.
func TestOtherSchemas(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	conn := storetest.Connect(t, url)
	execute(t, conn, "CREATE SCHEMA app", "CREATE SCHEMA other")
	s := migrated(t, withSetting(t, url, "search_path", "app"))
	ann, err := s.AddUser(t.Context(), store.User{Email: "ann@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	// Two gateways in one database do not affect each other.
	other := migrated(t, withSetting(t, url, "search_path", "other"))
	if _, err := other.AddUser(t.Context(), store.User{Email: "ann@example.com"}); err != nil {
		t.Error(err)
	}
	// The table of a later schema in the search_path is used, and not hidden by
	// a new one.
	both := migrated(t, withSetting(t, url, "search_path", "public,app"))
	if _, err := both.UserByID(t.Context(), ann.ID); err != nil {
		t.Error(err)
	}
}

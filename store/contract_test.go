package store_test

// This file holds both databases to the one contract.

import (
	"path/filepath"
	"testing"

	"gatehouse/store"
	"gatehouse/store/storetest"
)

// open opens a store and closes it when the test ends.
func open(t *testing.T, url string) store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// migrated opens a store and brings its schema up to date.
func migrated(t *testing.T, url string) store.Store {
	t.Helper()
	s := open(t, url)
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// migratedWithAnn is migrated with one user, added as another program would.
func migratedWithAnn(t *testing.T, url string) (s store.Store, raw func(statement string, args ...any)) {
	t.Helper()
	s, raw = migrated(t, url), storetest.RawSQL(t, url)
	raw(`INSERT INTO users (id, email, hashed_password) VALUES ('` + annID + `', 'ann@example.com', 'x')`)
	return s, raw
}

// followed is migrated with one user, whose changes a Listener follows.
func followed(t *testing.T, url string) (s store.Store, ann store.User, l *storetest.Listener) {
	t.Helper()
	s = migrated(t, url)
	ann, err := s.AddUser(t.Context(), store.User{Email: "ann@example.com", Active: true})
	if err != nil {
		t.Fatal(err)
	}
	l = storetest.Listen(t, s)
	l.Await(t, "connected")
	return s, ann, l
}

// sqliteURL names a file that does not exist.
func sqliteURL(t *testing.T) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "gatehouse.db")
}

func TestPostgresContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, storetest.Postgres(t)) })
}

func TestSQLiteContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, sqliteURL(t)) })
}

// TestMemoryAttemptsContract holds the counts in memory to the contract of the databases.
func TestMemoryAttemptsContract(t *testing.T) {
	t.Parallel()
	storetest.RunAttempts(t, store.NewMemoryAttempts)
}

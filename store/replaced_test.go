package store_test

// This file tests an SQLite file that is replaced or removed while it is open.

import (
	"database/sql"
	"errors"
	"os"
	"strings"
	"testing"

	"gatehouse/store"
	"gatehouse/store/storetest"
)

// backup copies a database as a backup tool does, and changes the copy.
func backup(t *testing.T, url string, changes ...string) (path string) {
	t.Helper()
	path = strings.TrimPrefix(sqliteURL(t), "sqlite:")
	storetest.RawSQL(t, url)("VACUUM INTO '" + path + "'")
	for _, change := range changes {
		storetest.RawSQL(t, "sqlite:"+path)(change)
	}
	return path
}

func TestSQLiteFileReplaced(t *testing.T) {
	t.Parallel()
	url := sqliteURL(t)
	path := strings.TrimPrefix(url, "sqlite:")
	s, ann, l := followed(t, url)
	for range 3 { // a restored backup is replaced by the next one
		restored := backup(t, url, "UPDATE users SET is_active = false")
		lost, err := s.AddUser(t.Context(), store.User{Email: "lost@example.com"}) // after the backup, and in the log
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(restored, path); err != nil {
			t.Fatal(err)
		}
		l.Await(t, "lost")
		l.Await(t, "connected")
		if user, err := s.UserByID(t.Context(), ann.ID); err != nil || user.Active {
			t.Errorf("a user of the backup: %+v, %v; want one that is disabled", user, err)
		}
		if _, err := s.UserByID(t.Context(), lost.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a user who is not in the backup: %v", err)
		}
		if err := s.CheckWritable(t.Context()); err != nil {
			t.Error(err)
		}
		active := true
		if _, err := s.UpdateUser(t.Context(), ann.ID, store.Change{Active: &active}); err != nil {
			t.Fatal(err)
		}
		l.Await(t, "all")
		wantSound(t, path)
	}

	kept := backup(t, url)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l.Await(t, "lost")
	if _, err := s.UserByID(t.Context(), ann.ID); err == nil || errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "gone") {
		t.Errorf("without a file: %v, want that it is gone", err)
	}
	if err := s.CheckWritable(t.Context()); err == nil || errors.Is(err, store.ErrNotWritable) {
		t.Errorf("without a file: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("an empty file took its place")
	}
	if err := os.Rename(kept, path); err != nil {
		t.Fatal(err)
	}
	l.Await(t, "connected")
	if user, err := s.UserByID(t.Context(), ann.ID); err != nil || !user.Active {
		t.Errorf("with the file back: %+v, %v", user, err)
	}
}

// wantSound has SQLite look for damage.
func wantSound(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var found string
	if err := db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&found); err != nil || found != "ok" {
		t.Errorf("the file is damaged: %s, %v", found, err)
	}
}

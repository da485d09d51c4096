package store_test

// This file tests which URLs are accepted, and that no message contains a
// password.

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testkit"
	"gatehouse/store"
)

func TestOpenAddress(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tests := []struct{ url, want string }{
		{"postgres://ann:secret@db.example:6432/atenex", "db.example:6432/atenex"},
		{"postgresql://ann:secret@db.example/atenex?sslmode=disable", "db.example:5432/atenex"},
		{"postgres://ann:s%40c%2Fret@db.example:1/atenex?pool_max_conns=3", "db.example:1/atenex"},
		{"postgres://ann:secret@one:1,two:2/atenex", "one:1,two:2/atenex"},
		{"postgres://ann:secret@[::1]:5432/atenex", "[::1]:5432/atenex"},
		{"postgres://ann@/atenex?host=/run/postgresql&port=5433&password=secret", "/run/postgresql:5433/atenex"},
		{"sqlite:" + dir + "/one.db", dir + "/one.db"},
		{"sqlite://" + dir + "/two.db", dir + "/two.db"},
		{"sqlite:" + dir + "/a%20b c#1.db", dir + "/a%20b c#1.db"},
	}
	for _, test := range tests {
		s := open(t, test.url)
		if got := s.Address(); got != test.want {
			t.Errorf("address of %s is %s, want %s", test.url, got, test.want)
		}
		if path, ok := strings.CutPrefix(test.url, "sqlite:"); ok {
			if _, err := os.Stat(path); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ url, want string }{
		{"", "want postgres://"},
		{"gatehouse.db", "want postgres://"},
		{"mysql://ann:secret@host/db", `unknown scheme "mysql": want postgres://`},
		{"postgresql+asyncpg://ann:secret@host/db", `unknown scheme "postgresql+asyncpg": want postgres://`},
		{"ann secret:secret@host", "no known scheme: want postgres://"},
		{"host=db password=secret port=1:2", "no known scheme: want postgres://"},
		{"postgres:secret", "read database URL"},
		{"postgres://ann:secret@host:port/db", "port"},
		{"postgres://ann:secret@host:123456/db", "port"},
		{"postgres://ann:secret%zz@host/db", "write % as %25"},
		{"postgres://ann:se@secret@host/db", "write @ as %40"},
		{"postgres://ann:se/secret@host/db", "/ as %2F"},
		{"postgres://ann:se/x?secret@host/db", "/ as %2F"},
		{"postgres://ann:secret@host/db?sslmode=bogus", "sslmode"},
		{"postgres://host/db?password=secret&sslmode=bogus", "sslmode"},
		{"postgres://ann:secret@host/db?pool_max_conns=many", "pool_max_conns"},
		{"postgres://ann:secret@host/db?sslmode=verify-full&sslrootcert=/does/not/exist", "/does/not/exist"},
		{"sqlite:", "no file: want postgres://"},
		{"sqlite::memory:", "name a file"},
		{"sqlite:a.db?mode=ro", "no parameters"},
		{"sqlite://data/a.db", "sqlite:data/file.db"},
		{"sqlite:/does/not/exist/a.db", "/does/not/exist/a.db"},
		{"sqlite:/", "is a directory"},
	}
	for _, test := range tests {
		s, err := store.Open(t.Context(), test.url, store.Options{})
		switch {
		case err == nil:
			t.Errorf("%s was opened", test.url)
			s.Close()
		case !strings.Contains(err.Error(), test.want):
			t.Errorf("%s: error %q, want it to say %q", test.url, err, test.want)
		case strings.Contains(err.Error(), "secret"):
			t.Errorf("%s: error tells the password: %q", test.url, err)
		}
	}
}

// TestOpenUnreachable uses a server that accepts connections and never answers.
func TestOpenUnreachable(t *testing.T) {
	t.Parallel()
	silent, closed := testkit.Listen(t).Addr().String(), testkit.RefusingAddress(t)
	for _, address := range []string{silent, closed} {
		s := open(t, "postgres://ann:secret@"+address+"/atenex?sslmode=disable")
		err := store.WaitReady(t.Context(), s, 300*time.Millisecond)
		if err == nil {
			t.Fatalf("%s is ready", address)
		}
		if !strings.Contains(err.Error(), "reach database "+address+"/atenex within 300ms") || strings.Contains(err.Error(), "secret") {
			t.Errorf("error %q does not name %s, or tells the password", err, address)
		}
		if address == closed && !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("error %q does not tell the cause", err)
		}
	}
}

func TestWaitReadyCancelled(t *testing.T) {
	t.Parallel()
	stopped := errors.New("told to stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	s := open(t, "postgres://ann@127.0.0.1:1/atenex?sslmode=disable")
	cancel(stopped)
	if err := store.WaitReady(ctx, s, time.Hour); !errors.Is(err, stopped) {
		t.Errorf("error %v, want %v", err, stopped)
	}
}

func TestSQLiteFileMode(t *testing.T) {
	t.Parallel()
	url := sqliteURL(t)
	migrated(t, url)
	path := strings.TrimPrefix(url, "sqlite:")
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Error(err)
		} else if info.Mode() != 0o600 {
			t.Errorf("mode of %s is %s, want 0600", filepath.Base(name), info.Mode())
		}
	}
}

func TestSQLiteNotADatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "routes.yaml")
	testkit.WriteFile(t, path, strings.Repeat("routes: []\n", 100))
	_, err := store.Open(t.Context(), "sqlite:"+path, store.Options{})
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want one about %s", err, path)
	}
}

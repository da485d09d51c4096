//go:build unix

package storetest

// This file starts a pair of PostgreSQL servers with streaming replication for
// tests of a switchover.

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

// Standby returns a server that follows s by streaming replication and accepts
// only reads. It stops with the test.
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "gatehouse-postgres-")
	if err != nil {
		t.Fatalf("create folder for PostgreSQL: %v", err)
	}
	standby := &Server{programs: s.programs, dir: dir}
	if standby.end, err = watch(dir); err != nil {
		t.Fatal(errors.Join(err, os.RemoveAll(dir)))
	}
	t.Cleanup(standby.end)
	owner, err := serverAccount()
	if err != nil {
		t.Fatal(err)
	}
	if owner != nil {
		if err := os.Chown(dir, int(owner.Uid), int(owner.Gid)); err != nil {
			t.Fatalf("create folder for PostgreSQL: %v", err)
		}
	}
	standby.copy(t, s)
	return standby
}

// copy makes a stopped server a standby of another, and starts it.
func (s *Server) copy(t testing.TB, primary *Server) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(s.dir, "data")); err != nil {
		t.Fatal(err)
	}
	owner, err := serverAccount()
	if err != nil {
		t.Fatal(err)
	}
	backup := s.command(owner, "pg_basebackup", "--pgdata=data", "--dbname="+primary.URL("postgres"),
		"--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync")
	if output, err := backup.CombinedOutput(); err != nil {
		t.Fatalf("copy PostgreSQL cluster: %v\n%s", err, output)
	}
	s.Start(t)
}

// SwitchOver stops the primary, promotes its standby, and restarts the old
// primary as a standby of the new one.
func SwitchOver(t testing.TB, primary, standby *Server) {
	t.Helper()
	primary.Stop(t) // after the standby has received everything
	execute(t, standby.URL("postgres"), "SELECT pg_promote(true, 60)")
	primary.copy(t, standby)
}

// URL returns the URL of a database of the server.
func (s *Server) URL(database string) string { return s.url(database) }

// PairURL returns a URL of a database on either of two servers.
func PairURL(t testing.TB, databaseURL string, first, second *Server) string {
	t.Helper()
	pair, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal("read database URL: not a URL")
	}
	query := pair.Query()
	query.Set("host", first.dir+","+second.dir)
	pair.RawQuery = query.Encode()
	return pair.String()
}

// Socket returns the path of the socket on which the server listens.
func (s *Server) Socket() string { return filepath.Join(s.dir, ".s.PGSQL.5432") }

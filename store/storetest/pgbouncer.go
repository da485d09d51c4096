//go:build unix

package storetest

// This file starts a real PgBouncer in front of a real PostgreSQL for tests.

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// PgBouncer starts a PgBouncer in transaction mode in front of a database,
// whose URL comes from Postgres, and returns the URL through it. It stops with
// the test. Without the program, the test fails and says what to install.
func PgBouncer(t testing.TB, databaseURL string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer" // Debian's folder, which may not be in PATH
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatal("this test needs PgBouncer: install it (Debian: apt-get install pgbouncer)")
	}
	behind, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal("read database URL: not a URL") // the error would repeat the password
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	runPgBouncer(t, program, pgBouncerFile(address, behind))
	through := url.URL{
		Scheme: "postgres", User: url.User(behind.User.Username()), Host: address, Path: behind.Path,
		RawQuery: "sslmode=disable&default_query_exec_mode=exec",
	}
	awaitPgBouncer(t, through.String())
	return through.String()
}

// pgBouncerFile accepts every client, and logs in to the server as the URL's
// user.
func pgBouncerFile(address string, behind *url.URL) string {
	host, port, _ := net.SplitHostPort(address)
	server, at := behind.Query().Get("host"), "5432"
	if server == "" {
		server, at = behind.Hostname(), behind.Port()
	}
	secret, _ := behind.User.Password()
	return fmt.Sprintf(`[databases]
* = host=%s port=%s user=%s password='%s'
[pgbouncer]
listen_addr = %s
listen_port = %s
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 5
`, server, at, behind.User.Username(), strings.ReplaceAll(secret, "'", "''"), host, port)
}

// runPgBouncer starts a shell that stops PgBouncer when this process ends in
// any way: then the pipe that the shell reads is closed.
func runPgBouncer(t testing.TB, program, config string) {
	t.Helper()
	owner, err := serverAccount()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "gatehouse-pgbouncer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if owner != nil {
		for _, name := range []string{dir, file} {
			if err := os.Chown(name, int(owner.Uid), int(owner.Gid)); err != nil {
				t.Fatal(err)
			}
		}
	}
	const script = `"$1" -q "$2" & cat; kill -KILL $!`
	shell := exec.Command("/bin/sh", "-c", script, "pgbouncer", program, file)
	shell.Dir = dir
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: owner}
	pipe, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Fatalf("start PgBouncer: %v", err)
	}
	t.Cleanup(func() {
		_ = pipe.Close()
		_ = shell.Wait()
	})
}

func awaitPgBouncer(t testing.TB, through string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		conn, err := pgx.Connect(ctx, through)
		if err == nil {
			_ = conn.Close(ctx)
			return
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			t.Fatalf("start PgBouncer: %v", err)
		}
	}
}

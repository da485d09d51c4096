//go:build unix

package storetest

// This file starts a real PostgreSQL for tests: a private cluster for the test
// process, or for one test.

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// serverVariable names a server, for machines without PostgreSQL's
	// programs.
	serverVariable = "GATEWAY_TEST_POSTGRES_URL"

	startLimit = 60 * time.Second

	superuser = "gatehouse"
	// password contains characters that a URL must escape.
	password = "p@ss/wörd:?#%"
)

// errNoPrograms says how to install PostgreSQL.
var errNoPrograms = errors.New("this test needs PostgreSQL, and initdb is neither in PATH nor in /usr/lib/postgresql/*/bin: " +
	"install it (Debian: apt-get install postgresql)")

// sharedServer is one server for the test process, since a start takes a
// second. It stops with the process (see watch).
var sharedServer = sync.OnceValues(newServer)

// Postgres returns the URL of a new, empty database on a real server. It never
// skips: without a server the test fails and says what to install.
func Postgres(t testing.TB) string {
	t.Helper()
	server, err := sharedServer()
	if err == nil {
		return server.Database(t)
	}
	if !errors.Is(err, errNoPrograms) {
		t.Fatal(err)
	}
	given := os.Getenv(serverVariable)
	if given == "" {
		t.Fatalf("%v, or set %s to a server on which databases may be created", err, serverVariable)
	}
	name := createDatabase(t, given)
	t.Cleanup(func() { execute(t, given, "DROP DATABASE "+name+" WITH (FORCE)") })
	fresh, err := url.Parse(given)
	if err != nil {
		t.Fatalf("read %s: not a URL", serverVariable) // the error would repeat the password
	}
	fresh.Path = "/" + name
	return fresh.String()
}

// StartPostgres returns a server for this test alone, which can be stopped and
// started. It stops with the test.
func StartPostgres(t testing.TB) *Server {
	t.Helper()
	server, err := newServer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.end)
	return server
}

// Server is a PostgreSQL cluster in a temporary folder, with a Unix socket in
// that folder.
type Server struct {
	programs string // folder of initdb and postgres
	dir      string
	end      func() // stops the server and removes dir

	postmaster *exec.Cmd
	exited     chan struct{} // closed when postmaster has exited
}

// Database creates a database and returns its URL.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	return s.url(createDatabase(t, s.url("postgres")))
}

// Stop stops the server and closes all its connections, as for a restart.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.postmaster.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatalf("stop PostgreSQL: %v", err)
	}
	<-s.exited
}

// Start starts a stopped server and returns when it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

func newServer() (*Server, error) {
	programs, err := findPrograms()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "gatehouse-postgres-")
	if err != nil {
		return nil, fmt.Errorf("create folder for PostgreSQL: %w", err)
	}
	s := &Server{programs: programs, dir: dir}
	if s.end, err = watch(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.create(); err != nil {
		s.end()
		return nil, err
	}
	if err := s.start(); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// findPrograms returns the folder of PostgreSQL's server programs. Debian keeps
// them outside of PATH, in one folder per version.
func findPrograms() (string, error) {
	if initdb, err := exec.LookPath("initdb"); err == nil {
		if target, err := filepath.EvalSymlinks(initdb); err == nil { // the real folder has the other programs, too
			initdb = target
		}
		return filepath.Dir(initdb), nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errNoPrograms
	}
	version := func(initdb string) int {
		number, _ := strconv.Atoi(strings.Split(initdb, "/")[4])
		return number
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return cmp.Compare(version(a), version(b)) })
	return filepath.Dir(newest), nil
}

// watch starts a shell that waits until this process ends in any way: then the
// pipe that the shell reads is closed. It stops the server in dir and removes
// dir. The returned function does the same at once.
func watch(dir string) (end func(), err error) {
	// SIGQUIT is PostgreSQL's immediate shutdown; the data is not needed. The
	// pid file is removed last. The wait is limited in case that never happens.
	const script = `
		cat
		pid=$(head -n 1 "$1/data/postmaster.pid") && kill -QUIT "$pid"
		tries=0
		while [ -e "$1/data/postmaster.pid" ] && [ $tries -lt 100 ]; do sleep 0.05; tries=$((tries + 1)); done
		rm -rf "$1"`
	shell := exec.Command("/bin/sh", "-c", script, "watch", dir)
	// A group of its own: an interrupt from the keyboard is for the tests only.
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := shell.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("watch PostgreSQL: %w", err)
	}
	if err := shell.Start(); err != nil {
		return nil, fmt.Errorf("watch PostgreSQL: %w", err)
	}
	return sync.OnceFunc(func() {
		_ = pipe.Close()
		_ = shell.Wait()
	}), nil
}

// create makes the cluster. Its locale is C, where lower() knows ASCII only,
// and its time zone is far from UTC. What works here works anywhere.
func (s *Server) create() error {
	owner, err := serverAccount()
	if err != nil {
		return err
	}
	if owner != nil {
		if err := os.Chown(s.dir, int(owner.Uid), int(owner.Gid)); err != nil {
			return fmt.Errorf("create PostgreSQL cluster: %w", err)
		}
	}
	// The server's account must read it. The folder excludes everybody else.
	if err := os.WriteFile(filepath.Join(s.dir, "password"), []byte(password), 0o644); err != nil {
		return fmt.Errorf("create PostgreSQL cluster: %w", err)
	}
	initdb := s.command(owner, "initdb", "--pgdata=data", "--username="+superuser, "--pwfile=password",
		"--auth=password", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	if output, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("create PostgreSQL cluster: %w\n%s", err, output)
	}
	return nil
}

func (s *Server) start() error {
	owner, err := serverAccount()
	if err != nil {
		return err
	}
	args := []string{"-D", "data", "-k", s.dir}
	for _, setting := range []string{
		"listen_addresses=", "max_connections=200", "shared_buffers=16MB", "timezone=Asia/Kolkata",
		"fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "jit=off",
	} {
		args = append(args, "-c", setting)
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	defer log.Close()
	s.postmaster = s.command(owner, "postgres", args...)
	s.postmaster.Stdout, s.postmaster.Stderr = log, log
	if err := s.postmaster.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	exited, postmaster := make(chan struct{}), s.postmaster
	s.exited = exited
	go func() {
		_ = postmaster.Wait()
		close(exited)
	}()
	return s.awaitReady()
}

// awaitReady returns when the server accepts a connection.
func (s *Server) awaitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.url("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.exited:
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("start PostgreSQL: it ended:\n%s", log)
		case <-ctx.Done():
			return fmt.Errorf("start PostgreSQL: %w", err)
		case <-retry.C:
		}
	}
}

// command prepares one of PostgreSQL's programs to run in the server's folder,
// without an environment, because variables such as PGDATA would change it.
func (s *Server) command(owner *syscall.Credential, program string, args ...string) *exec.Cmd {
	command := exec.Command(filepath.Join(s.programs, program), args...)
	command.Dir = s.dir
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: owner}
	return command
}

func (s *Server) url(database string) string {
	return "postgres://" + superuser + ":" + url.QueryEscape(password) + "@/" + database + "?host=" + url.QueryEscape(s.dir)
}

func createDatabase(t testing.TB, serverURL string) (name string) {
	t.Helper()
	name = "test_" + strings.ToLower(rand.Text())
	execute(t, serverURL, "CREATE DATABASE "+name)
	return name
}

// execute does not use t.Context, which has ended when cleanups run.
func execute(t testing.TB, databaseURL, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		t.Fatalf("connect to PostgreSQL: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("execute %s: %v", statement, err)
	}
}

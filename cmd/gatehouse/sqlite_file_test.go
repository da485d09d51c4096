package main

// This file tests the real binary on an SQLite file that is replaced under it,
// and on a disk that is full (issue 10).

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
	"gatehouse/store/storetest"

	"github.com/google/uuid"
)

// TestSQLiteReplaced restores a backup in which a user is disabled, by mv.
func TestSQLiteReplaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gatehouse.db")
	company := uuid.MustParse(listedCompany)
	for _, email := range []string{"ann@example.com", "bob@example.com"} {
		addUser(t, "sqlite:"+path, email, &company)
	}
	gateway := startOn(t, "sqlite:"+path)
	awaitFeed(t, gateway, "1")
	ann := login(t, gateway, "ann@example.com")
	ask := func() int { return do(t, request{url: gateway.url + "/member", token: ann}).status }
	if got := ask(); got != http.StatusOK {
		t.Fatalf("before: %d", got)
	}
	restored := filepath.Join(filepath.Dir(path), "backup.db")
	storetest.RawSQL(t, "sqlite:"+path)("VACUUM INTO '" + restored + "'")
	storetest.RawSQL(t, "sqlite:"+restored)("UPDATE users SET is_active = false WHERE email = 'ann@example.com'")
	if err := os.Rename(restored, path); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "who is disabled in the backup is out", func() bool { return ask() == http.StatusUnauthorized })
	awaitStoreUp(t, gateway, "1")
	login(t, gateway, "bob@example.com")

	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	awaitFeed(t, gateway, "0")
	awaitStoreUp(t, gateway, "0")
	if got := tryLogin(t, gateway, "bob@example.com"); got != http.StatusServiceUnavailable {
		t.Errorf("login without a file: %d", got)
	}
	if a := do(t, request{url: gateway.operators + "/readyz"}); !strings.Contains(a.body, "does not answer") {
		t.Errorf("readyz without a file: %s", a.body)
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	awaitFeed(t, gateway, "1")
	awaitStoreUp(t, gateway, "1")
	login(t, gateway, "bob@example.com")
}

// startOnSmallDisk runs the gateway with a copy of a database on a disk of 8 MiB
// that no other process sees. It returns the disk as others reach it.
func startOnSmallDisk(t *testing.T, database string) (gateway *running, disk string) {
	t.Helper()
	dir := t.TempDir()
	args := []string{"--mount"}
	if os.Geteuid() != 0 {
		args = append(args, "--user", "--map-root-user")
	}
	args = append(args, "sh", "-c", `mount -t tmpfs -o size=8m tmpfs "$1" && cp "$4" "$1/users.db" && exec "$2" serve -c "$3"`,
		"sh", dir, buildGateway(t), revocationTable(t, "30s"), database)
	p := startCommand(t, exec.Command("unshare", args...), map[string]string{
		"GATEWAY_DATABASE_URL": "sqlite:" + filepath.Join(dir, "users.db"), "GATEWAY_BCRYPT_COST": "4",
	})
	return &running{url: p.url, operators: p.operators, log: p.log}, fmt.Sprintf("/proc/%d/root%s", p.cmd.Process.Pid, dir)
}

func TestSQLiteDiskFull(t *testing.T) {
	t.Parallel()
	database := filepath.Join(t.TempDir(), "users.db")
	company := uuid.MustParse(listedCompany)
	for _, email := range []string{"ann@example.com", "bob@example.com"} {
		addUser(t, "sqlite:"+database, email, &company)
	}
	gateway, disk := startOnSmallDisk(t, database)
	awaitFeed(t, gateway, "1")
	ask := request{url: gateway.url + "/member", token: login(t, gateway, "ann@example.com")}
	if a := do(t, ask); a.status != http.StatusOK {
		t.Fatalf("before: %d %s", a.status, a.body)
	}
	awaitStoreUp(t, gateway, "1")

	filler, err := os.Create(filepath.Join(disk, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(filler, endless{}); err == nil {
		t.Fatal("the disk has no end")
	}
	_ = filler.Close()
	// By itself, before anybody tries to log in.
	awaitStoreUp(t, gateway, "0")
	if got := tryLogin(t, gateway, "bob@example.com"); got != http.StatusServiceUnavailable {
		t.Errorf("login: %d", got)
	}
	if a := do(t, request{url: gateway.operators + "/readyz"}); a.status != http.StatusOK || !strings.Contains(a.body, "cannot be written") {
		t.Errorf("readyz: %d %s", a.status, a.body)
	}
	if a := do(t, ask); a.status != http.StatusOK {
		t.Errorf("a user who is known: %d %s", a.status, a.body)
	}
	if err := os.Remove(filepath.Join(disk, "filler")); err != nil {
		t.Fatal(err)
	}
	awaitStoreUp(t, gateway, "1")
	login(t, gateway, "bob@example.com")
}

// endless is as much data as anybody wants.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

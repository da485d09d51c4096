package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be the command as well: the stories in
// testdata/script run it as `gatehouse`. It is also a server of a backend; see replica.
func TestMain(m *testing.M) {
	if os.Args[0] == replicaCommand {
		serveReplica()
		return
	}
	testscript.Main(withScratch{m}, map[string]func(){"gatehouse": main})
}

// scratch is a folder for the whole test process.
var scratch string

// withScratch makes scratch before the tests run, and removes it afterwards.
type withScratch struct{ tests *testing.M }

// Run implements testscript.TestingM.
func (w withScratch) Run() int {
	var err error
	if scratch, err = os.MkdirTemp("", "gatehouse-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	return w.tests.Run()
}

// TestScripts tells what each command does, one story a file.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			// Every story gets a store of its own, cheap passwords, and no
			// settings of whoever runs the test.
			env.Setenv("GATEWAY_DATABASE_URL", "sqlite:"+filepath.Join(env.WorkDir, "test.db"))
			env.Setenv("GATEWAY_BCRYPT_COST", "4")
			// A program with the race detector sleeps for a second when it exits, in case
			// goroutines still find a race. A command has none by then.
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			return nil
		},
	})
}

// built is the binary, built once as `make build` does, without the race detector.
var built = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(scratch, "gatehouse")
	build := exec.Command("go", "build", "-pgo=off", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build gatehouse: %w\n%s", err, output)
	}
	return binary, nil
})

// buildGateway returns the path of the binary, for tests that measure it or send
// it signals.
func buildGateway(t testing.TB) string {
	t.Helper()
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// TestStaticBinary wants a binary that needs nothing of the image it is put
// into.
func TestStaticBinary(t *testing.T) {
	t.Parallel()
	output, err := exec.Command("go", "version", "-m", buildGateway(t)).CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(output), "CGO_ENABLED=0") {
		t.Errorf("the binary was built with cgo:\n%s", output)
	}
}

// Package deploy_test holds that what this folder ships fits together, and fits the program: it looks at the built
// gatehouse from outside, as those who deploy it do.
package deploy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gatehouse/internal/testkit"

	"sigs.k8s.io/yaml"
)

// startLimit bounds the start of a program, which takes long on a busy machine.
const startLimit = 2 * time.Minute

// scratch is a folder for the whole test process.
var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "gatehouse-deploy-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	_ = os.RemoveAll(scratch)
	os.Exit(status)
}

// gatehouse builds the program, once.
var gatehouse = sync.OnceValues(func() (string, error) {
	program := filepath.Join(scratch, "gatehouse")
	build := exec.Command("go", slices.Concat([]string{"build", "-pgo=off", "-o", program}, buildFlags, []string{"./cmd/gatehouse"})...)
	build.Dir = ".."
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build gatehouse: %w\n%s", err, output)
	}
	return program, nil
})

// command is a run of the program in an empty folder, with these variables and no others.
func command(t testing.TB, environment []string, arguments ...string) *exec.Cmd {
	t.Helper()
	program, err := gatehouse()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, arguments...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(slices.Clone(environment), "GORACE=atexit_sleep_ms=0") // built with -race, it would sleep at its end
	return cmd
}

// installed is a program of Debian's package prometheus.
func installed(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("this test needs Prometheus, and %s is not in PATH: install it (Debian: apt-get install prometheus)", program)
	}
	return path
}

// start runs a program until the end of the test, and returns once ready has said yes to a line of its output. Its end
// has to be a good one.
func start(t testing.TB, cmd *exec.Cmd, ready func(line string) bool) {
	t.Helper()
	output := &lines{found: ready, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = output, output
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // when the test's context ends
	cmd.WaitDelay = time.Minute
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	name := filepath.Base(cmd.Path)
	select {
	case <-output.done:
	case err := <-ended:
		t.Fatalf("%s ended: %v\n%s", name, err, output)
	case <-time.After(startLimit):
		t.Fatalf("%s is not ready after %v\n%s", name, startLimit, output)
	}
	t.Cleanup(func() {
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s ended: %v", name, err)
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", name, output)
		}
	})
}

// lines takes a program's output and looks at each line until one is found.
type lines struct {
	testkit.Log // all of it

	found func(line string) bool
	done  chan struct{} // closed when it was

	mu   sync.Mutex
	rest []byte
	was  bool
}

func (l *lines) Write(p []byte) (int, error) {
	_, _ = l.Log.Write(p)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for !l.was {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			break
		}
		l.rest = rest
		if l.was = l.found(string(line)); l.was {
			close(l.done)
		}
	}
	return len(p), nil
}

// read returns a file of this folder.
func read(t testing.TB, name string) []byte {
	t.Helper()
	return testkit.ReadFile(t, filepath.FromSlash(name))
}

// decode reads a YAML file into a value. Unknown and duplicate keys are errors.
func decode(t testing.TB, name string, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(read(t, name), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// duration reads one the way the gateway does.
func duration(t testing.TB, text string) time.Duration {
	t.Helper()
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestRouteTablesAreFine(t *testing.T) {
	for _, table := range []string{
		"compose/routes.yaml", "kustomize/base/routes.yaml", "kustomize/overlays/example/routes.yaml",
	} {
		t.Run(table, func(t *testing.T) { checkTable(t, read(t, table)) })
	}
}

// checkTable puts a route table to `gatehouse check`, which must not even warn.
func checkTable(t testing.TB, table []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "routes.yaml")
	testkit.WriteFile(t, file, table)
	check := command(t, nil, "check", "--config", file, "--format", "json")
	var answer, complaints bytes.Buffer
	check.Stdout, check.Stderr = &answer, &complaints
	if err := check.Run(); err != nil {
		t.Fatalf("gatehouse check: %v\n%s%s", err, &answer, &complaints)
	}
	var report struct {
		Valid    bool
		Problems []any
	}
	if err := json.NewDecoder(io.TeeReader(&answer, &complaints)).Decode(&report); err != nil {
		t.Fatal(err)
	}
	if !report.Valid || len(report.Problems) > 0 {
		t.Errorf("gatehouse check: %s", &complaints)
	}
}

// environment is what a container is given, KEY=value each.
type environment []string

// get returns a variable, "" when it is not there.
func (e environment) get(name string) string {
	for _, variable := range e {
		if key, value, _ := strings.Cut(variable, "="); key == name {
			return value
		}
	}
	return ""
}

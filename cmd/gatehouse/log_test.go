package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"gatehouse/internal/testkit"
)

// TestLogIsWholeAtTheEnd requires that at every end of a run all lines are
// written, in order, before any other output about the end.
func TestLogIsWholeAtTheEnd(t *testing.T) {
	t.Parallel()
	gateway := start(t, openTable(t, "http://127.0.0.1:9"), nil)
	do(t, request{url: gateway.url + "/nowhere"})
	if err := gateway.stop(); err != nil {
		t.Fatal(err)
	}
	log := gateway.log.String()
	for _, next := range []string{`"msg":"settings"`, `"msg":"serving"`, `"path":"/nowhere"`, `"msg":"draining"`, `"msg":"stopped"`} {
		_, after, found := strings.Cut(log, next)
		if !found {
			t.Fatalf("no %s in, or behind its place of:\n%s", next, gateway.log)
		}
		log = after
	}

	taken := testkit.Listen(t)
	g, refused := newGateway(t, openTable(t, "http://127.0.0.1:9"), map[string]string{"GATEWAY_LISTEN": taken.Addr().String()})
	err := serve(t.Context(), *g)
	if err == nil || !strings.Contains(refused.String(), `"msg":"settings"`) {
		t.Errorf("refused with %v, and the log\n%s", err, refused)
	}
}

// stuck is where a log goes that nobody reads before it is closed.
type stuck struct {
	testkit.Log
	read chan struct{}
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.read
	return s.Log.Write(p)
}

// TestNobodyReadsTheLog requires that the gateway starts, serves and stops
// although nobody reads its log, and reports the lines that it dropped.
func TestNobodyReadsTheLog(t *testing.T) {
	t.Parallel()
	g, _ := newGateway(t, openTable(t, "http://127.0.0.1:9"), nil)
	log := &stuck{read: make(chan struct{})}
	g.Output = log
	type addresses struct{ public, operators net.Addr }
	ready := make(chan addresses, 1)
	g.Ready = func(public, operators net.Addr) { ready <- addresses{public, operators} }
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- serve(ctx, *g) }()
	at := testkit.Receive(t, "the start of the gateway", ready)
	long := request{url: "http://" + at.public.String() + "/" + strings.Repeat("x", 600), header: http.Header{"Origin": {strings.Repeat("x", 600)}}}
	for range 1500 {
		if a := do(t, long); a.status != http.StatusNotFound {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	operators := "http://" + at.operators.String()
	if lost := metric(t, operators, "gatehouse_log_lines_dropped_total"); lost == "0" || lost == "" {
		t.Errorf("%q lines were dropped", lost)
	}
	cancel()
	if err := testkit.Receive(t, "the end of the gateway", done); err != nil {
		t.Errorf("run: %v", err)
	}
	close(log.read)
	testkit.Eventually(t, "the log tells what is missing", func() bool {
		return strings.Contains(log.String(), `"level":"WARN","msg":"log lines were dropped","lines":`)
	})
}

// interruptIgnored reports whether the tests were started with SIGINT ignored. No
// shell undoes that, and children inherit it.
var interruptIgnored = signal.Ignored(syscall.SIGINT)

// TestSecondSignal ends a gateway whose drain would take long. It must end by
// that signal, after writing the line of a request that was answered just
// before. A shell without job control makes its background commands ignore
// SIGINT.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	if interruptIgnored { // a signal that is caught here is not ignored by children
		caught := make(chan os.Signal, 1)
		signal.Notify(caught, syscall.SIGINT)
		t.Cleanup(func() { signal.Stop(caught) })
	}
	for name, c := range map[string]struct {
		shell  string
		second syscall.Signal
		want   syscall.Signal
	}{
		"SIGINT":               {"trap - INT", syscall.SIGINT, syscall.SIGINT},
		"SIGTERM":              {"trap - INT", syscall.SIGTERM, syscall.SIGTERM},
		"SIGINT, once ignored": {"trap '' INT", syscall.SIGINT, syscall.SIGTERM},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command := exec.Command("sh", "-c", c.shell+`; exec "$0" serve -c "$1"`, buildGateway(t), openTable(t, "http://127.0.0.1:9"))
			process := startCommand(t, command, map[string]string{"GATEWAY_SHUTDOWN_DELAY": "10m"})
			if err := process.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			testkit.Eventually(t, "it drains", func() bool { return strings.Contains(process.log.String(), `"msg":"draining"`) })
			do(t, request{url: process.url + "/nowhere"})
			if err := process.cmd.Process.Signal(c.second); err != nil {
				t.Fatal(err)
			}
			exit := new(exec.ExitError)
			if err := process.cmd.Wait(); !errors.As(err, &exit) {
				t.Fatalf("exit: %v", err)
			}
			if status, ok := exit.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != c.want {
				t.Errorf("exit: %v, want %v", exit, c.want)
			}
			if !strings.Contains(process.log.String(), `"path":"/nowhere"`) {
				t.Errorf("the log lacks the last request:\n%s", process.log)
			}
		})
	}
}

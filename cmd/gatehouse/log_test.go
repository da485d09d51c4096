package main

import (
	"errors"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestLogIsWholeAtTheEnd: however a run ends, what was logged is written by
// then, in order, and whatever is said about the end comes after it.
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

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	g, refused := newGateway(t, openTable(t, "http://127.0.0.1:9"), map[string]string{"GATEWAY_LISTEN": taken.Addr().String()})
	err = g.run(t.Context())
	if err == nil || !strings.Contains(refused.String(), `"msg":"settings"`) {
		t.Errorf("refused with %v, and the log\n%s", err, refused)
	}
}

// TestSecondSignal ends a gateway that would go on for long: by the signal, and
// with the line of a request that was answered just before.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	process := startProcess(t, openTable(t, "http://127.0.0.1:9"), map[string]string{"GATEWAY_SHUTDOWN_DELAY": "10m"})
	if err := process.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it drains", func() bool { return strings.Contains(process.log.String(), `"msg":"draining"`) })
	do(t, request{url: process.url + "/nowhere"})
	if err := process.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	exit := new(exec.ExitError)
	if err := process.cmd.Wait(); !errors.As(err, &exit) {
		t.Fatalf("exit: %v", err)
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("exit: %v", exit)
	}
	if !strings.Contains(process.log.String(), `"path":"/nowhere"`) {
		t.Errorf("the log lacks the last request:\n%s", process.log)
	}
}

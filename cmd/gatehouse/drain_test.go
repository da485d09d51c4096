package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gatehouse/internal/testkit"

	"github.com/coder/websocket"
)

// echoSocket accepts a WebSocket, and sends its messages back until it is closed.
// It returns how it was closed, -1 when there was none.
func echoSocket(w http.ResponseWriter, r *http.Request) websocket.StatusCode {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return -1
	}
	defer func() { _ = conn.CloseNow() }()
	for {
		kind, message, err := conn.Read(context.Background())
		if err != nil {
			return websocket.CloseStatus(err)
		}
		_ = conn.Write(context.Background(), kind, message)
	}
}

// serveEchoSocket serves a backend whose /open/socket is a WebSocket that
// echoes. The channel receives how each one was closed.
func serveEchoSocket(t *testing.T) (url string, closed <-chan websocket.StatusCode) {
	t.Helper()
	backendClosed := make(chan websocket.StatusCode, 1)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/open/socket" {
			return
		}
		backendClosed <- echoSocket(w, r)
	}))
	t.Cleanup(backend.Close)
	return backend.URL, backendClosed
}

// stopWithSocket opens a WebSocket through the gateway, and begins to stop it.
func stopWithSocket(t *testing.T, process *process) *websocket.Conn {
	t.Helper()
	socket, response, err := websocket.Dial(t.Context(), process.url+"/open/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.CloseNow() })
	if response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %d", response.StatusCode)
	}
	if err := process.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	return socket
}

// TestDrainDelay follows a rolling update: the gateway is unready at once, but
// requests and streams continue during the delay.
func TestDrainDelay(t *testing.T) {
	t.Parallel()
	backend, _ := serveEchoSocket(t)
	// The delay does not end within the test, however slow the machine is.
	process := startProcess(t, openTable(t, backend), map[string]string{"GATEWAY_SHUTDOWN_DELAY": "10m"})
	socket := stopWithSocket(t, process)
	testkit.Eventually(t, "not ready", func() bool {
		return do(t, request{url: process.operators + "/readyz"}).status == http.StatusServiceUnavailable
	})
	if a := do(t, request{url: process.url + "/open"}); a.status != http.StatusOK {
		t.Errorf("a request during the delay: %d", a.status)
	}
	if err := socket.Write(t.Context(), websocket.MessageText, []byte("still there?")); err != nil {
		t.Fatal(err)
	}
	if _, message, err := socket.Read(t.Context()); err != nil || string(message) != "still there?" {
		t.Errorf("the WebSocket during the delay: %q, %v", message, err)
	}
}

// TestDrain follows a rolling update to its end: after the delay, a WebSocket
// that is still open at the timeout gets a close frame, and so does its
// backend.
func TestDrain(t *testing.T) {
	t.Parallel()
	backend, backendClosed := serveEchoSocket(t)
	process := startProcess(t, openTable(t, backend), map[string]string{
		"GATEWAY_SHUTDOWN_DELAY": "1s", "GATEWAY_SHUTDOWN_TIMEOUT": "1s",
	})
	socket := stopWithSocket(t, process)
	if _, _, err := socket.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the WebSocket at the end: %v", err)
	}
	if code := <-backendClosed; code != websocket.StatusGoingAway {
		t.Errorf("the backend's WebSocket at the end: %d", code)
	}
	if err := process.cmd.Wait(); err != nil {
		t.Errorf("exit: %v", err)
	}
	if !strings.Contains(process.log.String(), `"streams":1`) {
		t.Errorf("the log does not tell of the stream:\n%s", process.log)
	}
}

// TestDrainLateStream uses a backend that upgrades slowly. A stream that begins
// after the listener has closed also gets its close frame.
func TestDrainLateStream(t *testing.T) {
	t.Parallel()
	const timeout = 30 * time.Second // the stream has to begin before
	asked, upgrade := make(chan struct{}), make(chan struct{})
	allow := sync.OnceFunc(func() { close(upgrade) })
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/open/socket" {
			return
		}
		close(asked)
		<-upgrade
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		_, _, _ = conn.Read(context.Background())
	}))
	defer backend.Close()
	defer allow()
	process := startProcess(t, openTable(t, backend.URL), map[string]string{"GATEWAY_SHUTDOWN_TIMEOUT": timeout.String()})
	dialed := make(chan error, 1)
	go func() {
		socket, _, err := websocket.Dial(context.Background(), process.url+"/open/socket", nil)
		if err == nil {
			_, _, err = socket.Read(context.Background())
		}
		dialed <- err
	}()
	<-asked
	if err := process.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the listener is closed", func() bool {
		conn, err := net.DialTimeout("tcp", strings.TrimPrefix(process.url, "http://"), 50*time.Millisecond)
		if err == nil {
			_ = conn.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	allow()
	if err := <-dialed; websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the WebSocket ended with %v", err)
	}
	if err := process.cmd.Wait(); err != nil {
		t.Errorf("exit: %v", err)
	}
	if log := process.log.String(); strings.Contains(log, "in flight at the end") || !strings.Contains(log, `"streams":1`) {
		t.Errorf("the log does not tell of the stream alone:\n%s", log)
	}
}

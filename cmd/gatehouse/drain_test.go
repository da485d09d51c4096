package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"
)

// TestDrain follows a rolling update: not ready at once, requests go on for the
// delay, then connections are told to end, and a WebSocket that stays until the
// timeout gets a close frame, and so does its backend.
func TestDrain(t *testing.T) {
	t.Parallel()
	backendClosed := make(chan websocket.StatusCode, 1)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/open/socket" {
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		for {
			kind, message, err := conn.Read(context.Background())
			if err != nil {
				backendClosed <- websocket.CloseStatus(err)
				return
			}
			_ = conn.Write(context.Background(), kind, message)
		}
	}))
	defer backend.Close()
	process := startProcess(t, openTable(t, backend.URL), map[string]string{
		"GATEWAY_SHUTDOWN_DELAY": "1s", "GATEWAY_SHUTDOWN_TIMEOUT": "1s",
	})
	socket, response, err := websocket.Dial(t.Context(), process.url+"/open/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.CloseNow() }()
	if response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %d", response.StatusCode)
	}

	if err := process.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "not ready", func() bool {
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

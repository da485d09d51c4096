package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"gatehouse/internal/testkit"
)

// streamServer serves a backend with a WebSocket that echoes and an event stream. Both last
// as long as their client wants.
func streamServer(t *testing.T) (url string, closed <-chan websocket.StatusCode) {
	t.Helper()
	ended := make(chan websocket.StatusCode, 1)
	return testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/socket":
			ended <- echoSocket(w, r)
		case "/events":
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: first\n\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		default:
			_, _ = io.WriteString(w, "streams")
		}
	}), ended
}

// TestStreamsOfRemovedServer takes the server of a WebSocket and of an event stream out of
// the table. New requests go to the other server at once. The streams live on until
// GATEWAY_SHUTDOWN_TIMEOUT; then the WebSocket gets a close frame.
func TestStreamsOfRemovedServer(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"lean", "standard"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			streams, closed := streamServer(t)
			other := startReplica(t, "other")
			table := func(servers string) string {
				return "users: off\nbackends:\n  orders: {servers: [" + servers + "]}\nroutes:\n  - {name: orders, prefix: /, backend: orders, auth: none}\n"
			}
			file := testkit.TempFile(t, "routes.yaml", table(streams))
			gateway := startProcess(t, file, map[string]string{"GATEWAY_SHUTDOWN_TIMEOUT": "3s", "GATEWAY_TRANSPORT": transport})
			ctx := testkit.Context(t)
			socket, _, err := websocket.Dial(ctx, gateway.url+"/socket", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = socket.CloseNow() }()
			events := testkit.Dial(t, gateway.url)
			events.Send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
			events.ReceiveUntil("data: first\n\n")

			testkit.WriteFile(t, file, table(other.url()))
			removed := time.Now()
			if a := do(t, request{method: http.MethodPost, url: gateway.operators + "/-/reload"}); a.status != http.StatusOK {
				t.Fatalf("reload: %d %s", a.status, a.body)
			}
			if a := do(t, request{url: gateway.url + "/new"}); !strings.HasPrefix(a.body, "other ") {
				t.Errorf("a new request: %d %q", a.status, a.body)
			}
			if err := socket.Write(ctx, websocket.MessageText, []byte("still there?")); err != nil {
				t.Error(err)
			}
			if _, message, err := socket.Read(ctx); err != nil || string(message) != "still there?" {
				t.Errorf("the WebSocket of the removed server: %q, %v", message, err)
			}
			if _, _, err := socket.Read(context.WithoutCancel(ctx)); websocket.CloseStatus(err) != websocket.StatusGoingAway {
				t.Errorf("the WebSocket at the end: %v", err)
			}
			if lived := time.Since(removed); lived < 2900*time.Millisecond {
				t.Errorf("the WebSocket has ended after %v", lived)
			}
			if code := testkit.Receive(t, "the end of the backend's WebSocket", closed); code != websocket.StatusGoingAway {
				t.Errorf("the backend's WebSocket at the end: %d", code)
			}
			if rest, err := io.ReadAll(events); err != nil || len(rest) > 2 { // at most the end of a chunk
				t.Errorf("the event stream at the end: %q, %v", rest, err)
			}
		})
	}
}

// TestStreamsOfServerThatComesBack takes a server out of the table and puts it back. Its
// streams do not notice.
func TestStreamsOfServerThatComesBack(t *testing.T) {
	t.Parallel()
	streams, _ := streamServer(t)
	other := startReplica(t, "other")
	table := func(servers string) string {
		return "users: off\nbackends:\n  orders: {servers: [" + servers + "]}\nroutes:\n  - {name: orders, prefix: /, backend: orders, auth: none}\n"
	}
	file := testkit.TempFile(t, "routes.yaml", table(streams))
	gateway := startProcess(t, file, map[string]string{"GATEWAY_SHUTDOWN_TIMEOUT": "2s"})
	ctx := testkit.Context(t)
	socket, _, err := websocket.Dial(ctx, gateway.url+"/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.CloseNow() }()
	for _, servers := range []string{other.url(), streams} {
		testkit.WriteFile(t, file, table(servers))
		if a := do(t, request{method: http.MethodPost, url: gateway.operators + "/-/reload"}); a.status != http.StatusOK {
			t.Fatalf("reload: %d %s", a.status, a.body)
		}
	}
	back := time.Now()
	for time.Since(back) < 3*time.Second {
		if err := socket.Write(ctx, websocket.MessageText, []byte("still there?")); err != nil {
			t.Fatal(err)
		}
		if _, message, err := socket.Read(ctx); err != nil || string(message) != "still there?" {
			t.Fatalf("the WebSocket after %v: %q, %v", time.Since(back), message, err)
		}
		<-time.After(50 * time.Millisecond)
	}
	if got := backends(t, gateway.operators).Servers[0].InFlight; got != 1 {
		t.Errorf("%d requests in flight at the server that is back, want the WebSocket", got)
	}
}

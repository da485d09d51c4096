package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"gatehouse/internal/testkit"

	"github.com/coder/websocket"
)

const upgradeTable = `
users: off
cors: {origins: ["https://app.example.com"]}
routes:
  - {name: open, prefix: /open, backend: "${BACKEND}", auth: none, upgrade: [websocket, shout]}
  - {name: strict, prefix: /strict, backend: "${BACKEND}"}
`

// echoSocket sends back messages until the client closes.
func echoSocket(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Request-ID", "the backend's own")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	socket, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"chat"}, InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer func() { _ = socket.CloseNow() }()
	for {
		kind, message, err := socket.Read(r.Context())
		if err != nil {
			return
		}
		if string(message) == "close" {
			socket.Close(4001, "as asked")
			return
		}
		if err := socket.Write(r.Context(), kind, message); err != nil {
			return
		}
	}
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	k := start(t, upgradeTable, echoSocket)
	ctx := testkit.Context(t)

	socket, res, err := websocket.Dial(ctx, k.url+"/strict?room=1", &websocket.DialOptions{
		Subprotocols: []string{"chat"},
		HTTPHeader:   http.Header{"Authorization": {k.member()}, "X-Request-Id": {"mine"}, "Origin": {"https://app.example.com"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.CloseNow() }()
	answer{Response: res}.wantSealed(t, "101")
	if got := res.Header["X-Request-Id"]; len(got) != 1 || got[0] != "mine" || socket.Subprotocol() != "chat" {
		t.Errorf("X-Request-ID = %q, subprotocol %q", got, socket.Subprotocol())
	}
	if got := res.Header["Access-Control-Allow-Origin"]; len(got) != 1 || got[0] != "https://app.example.com" {
		t.Errorf("Access-Control-Allow-Origin = %q", got)
	}
	for kind, message := range map[websocket.MessageType][]byte{
		websocket.MessageText:   []byte("héllo"),
		websocket.MessageBinary: bytes.Repeat([]byte{0, 255, 10}, 9_000),
	} {
		if err := socket.Write(ctx, kind, message); err != nil {
			t.Fatal(err)
		}
		gotKind, got, err := socket.Read(ctx)
		if err != nil || gotKind != kind || !bytes.Equal(got, message) {
			t.Errorf("echo of %v: %v, %d bytes, %v", kind, gotKind, len(got), err)
		}
	}
	if err := socket.Write(ctx, websocket.MessageText, []byte("close")); err != nil {
		t.Fatal(err)
	}
	_, _, err = socket.Read(ctx)
	var closing websocket.CloseError
	if !errors.As(err, &closing) || closing.Code != 4001 || closing.Reason != "as asked" {
		t.Errorf("closed with %v", err)
	}
	if line := k.line(); line["status"] != 101.0 || line["path"] != "/strict" {
		t.Errorf("logged %v", line)
	}
	if got := k.metrics.of("strict"); got.started != 1 || len(got.finished) != 1 || got.finished[0] != "GET 101 0" {
		t.Errorf("metrics %+v", got)
	}
}

func TestWebSocketPing(t *testing.T) {
	t.Parallel()
	k := start(t, upgradeTable, echoSocket)
	ctx := testkit.Context(t)
	socket, res, err := websocket.Dial(ctx, k.url+"/open", nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.Body != nil {
		defer res.Body.Close()
	}
	defer func() { _ = socket.CloseNow() }()
	ctx = socket.CloseRead(ctx)
	if err := socket.Ping(ctx); err != nil {
		t.Error(err)
	}
}

func TestPolicyHoldsForUpgrades(t *testing.T) {
	t.Parallel()
	k := start(t, upgradeTable, func(http.ResponseWriter, *http.Request) { t.Error("the backend was asked") })
	ask := "GET /strict HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	k.raw(ask+"\r\n").wantDetail(t, 401, "Not authenticated")
	k.raw(ask+"Authorization: "+k.newcomer()+"\r\n\r\n").wantDetail(t, 403,
		"User authenticated, but required company association is missing or invalid in token.")
}

// switchTo answers 101 and passes the connection to talk.
func switchTo(t *testing.T, protocol string, talk func(conn *testkit.ServerConn)) string {
	return testkit.ServeRequest(t, func(conn *testkit.ServerConn, r *http.Request) {
		if !strings.EqualFold(r.Header.Get("Upgrade"), protocol) {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain")
			return
		}
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\nX-Request-ID: mine\r\nX-Other: kept\r\n\r\n", protocol)
		talk(conn)
	})
}

// TestOtherUpgradeWithHalfClose lets the client close its half first.
func TestOtherUpgradeWithHalfClose(t *testing.T) {
	t.Parallel()
	k := startBefore(t, upgradeTable, switchTo(t, "shout/1", func(conn *testkit.ServerConn) {
		said, _ := io.ReadAll(conn)
		_, _ = io.WriteString(conn, strings.ToUpper(string(said)))
	}))
	w := k.dial()
	w.Send("GET /open HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: shout/1\r\n\r\n")
	res, err := http.ReadResponse(w.In, nil)
	if err != nil || res.StatusCode != 101 || res.Header.Get("X-Other") != "kept" || res.Header.Get("Upgrade") != "shout/1" {
		t.Fatalf("%+v, %v", res, err)
	}
	answer{Response: res}.wantSealed(t, "101")
	w.Send("hello")
	if err := w.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(w.In); err != nil || string(got) != "HELLO" {
		t.Errorf("read %q, %v", got, err)
	}
}

// After a backend has closed its half, the client may still send.
func TestOtherUpgradeWithHalfCloseOfTheBackend(t *testing.T) {
	t.Parallel()
	heard := make(chan string, 1)
	k := startBefore(t, upgradeTable, switchTo(t, "shout/1", func(conn *testkit.ServerConn) {
		_, _ = io.WriteString(conn, "bye")
		_ = conn.CloseWrite()
		said, _ := io.ReadAll(conn)
		heard <- string(said)
	}))
	w := k.dial()
	w.Send("GET /open HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: shout/1\r\n\r\n")
	if _, err := http.ReadResponse(w.In, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(w.In); err != nil || string(got) != "bye" {
		t.Errorf("read %q, %v", got, err)
	}
	w.Send("too late?")
	_ = w.CloseWrite()
	if got := testkit.Receive(t, "the backend", heard); got != "too late?" {
		t.Errorf("the backend heard %q", got)
	}
}

// On a connection upgraded to HTTP, the gateway could not check the requests.
func TestUpgradeToHTTPIsNotPassed(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"h2c", "H2C", "h2c-14", "h2", "HTTP/2.0", "TLS/1.0", "websocket, h2c", "wéb", "websocket, h\x80c"} {
		k := startBefore(t, upgradeTable, testkit.ServeRequest(t, func(conn *testkit.ServerConn, r *http.Request) {
			if r.Header["Upgrade"] != nil || r.Header["Http2-Settings"] != nil || r.Header["Connection"] != nil {
				t.Errorf("%q: the backend saw %v", protocol, r.Header)
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain")
		}))
		res := k.raw("GET /open HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: " + protocol + "\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
		if res.StatusCode != 200 || res.body != "plain" {
			t.Errorf("%q: %d %q", protocol, res.StatusCode, res.body)
		}
	}
}

// A backend that switches to a protocol that was not asked for gets no tunnel. Its
// connection is closed.
func TestUnaskedUpgradeIsRefused(t *testing.T) {
	t.Parallel()
	for _, ask := range []string{"", "Connection: Upgrade\r\nUpgrade: websocket\r\n"} {
		closed := make(chan struct{})
		k := startBefore(t, upgradeTable, testkit.ServeRequest(t, func(conn *testkit.ServerConn, _ *http.Request) {
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
			_, _ = io.Copy(io.Discard, conn)
			close(closed)
		}))
		res := k.raw("GET /open HTTP/1.1\r\nHost: x\r\n" + ask + "\r\n")
		res.wantDetail(t, 502, "An unexpected error occurred communicating with upstream service.")
		testkit.Receive(t, "the backend's connection to close", closed)
	}
}

// TestSilentUpgradeEnds checks the idle timeout with a silent tunnel, and with one that is
// used in only one direction.
func TestSilentUpgradeEnds(t *testing.T) {
	t.Parallel()
	table := strings.Replace(upgradeTable, "auth: none", "auth: none, idle_timeout: 200ms", 1)
	released := make(chan struct{}, 1)
	k := startBefore(t, table, switchTo(t, "shout/1", func(conn *testkit.ServerConn) {
		_, _ = io.Copy(io.Discard, conn)
		released <- struct{}{}
	}))
	w := k.dial()
	w.Send("GET /open HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: shout/1\r\n\r\n")
	if _, err := http.ReadResponse(w.In, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(w.In); len(got) != 0 {
		t.Errorf("read %q, %v", got, err)
	}
	testkit.Receive(t, "the backend to be released", released)
}

// When a client closes an upgraded connection, the backend's connection is closed.
func TestUpgradedClientLeaves(t *testing.T) {
	t.Parallel()
	released := make(chan struct{}, 1)
	k := startBefore(t, upgradeTable, switchTo(t, "shout/1", func(conn *testkit.ServerConn) {
		_, _ = io.Copy(io.Discard, conn)
		released <- struct{}{}
	}))
	w := k.dial()
	w.Send("GET /open HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: shout/1\r\n\r\n")
	if _, err := http.ReadResponse(bufio.NewReader(w.Conn), nil); err != nil {
		t.Fatal(err)
	}
	w.Close()
	testkit.Receive(t, "the backend to be released", released)
	if line := k.line(); line["status"] != 101.0 {
		t.Errorf("logged %v", line)
	}
}

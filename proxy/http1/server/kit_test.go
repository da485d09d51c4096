package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/reqctx"
)

// patient is how long a test waits for what should happen at once.
const patient = time.Minute

// testConn is a Conn on a plain socket.
type testConn struct {
	net.Conn
	mu      sync.Mutex
	early   []byte
	watched chan struct{} // closed when the watch over the client is over; nil without one
}

func (c *testConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	if len(c.early) > 0 {
		n := copy(p, c.early)
		c.early = c.early[n:]
		c.mu.Unlock()
		return n, nil
	}
	c.mu.Unlock()
	return c.Conn.Read(p)
}

func (c *testConn) Unread(data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.early = append(bytes.Clone(data), c.early...)
}

// WatchDisconnect looks at once, so that every request is watched.
func (c *testConn) WatchDisconnect(ctx *reqctx.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() != nil || c.watched != nil || len(c.early) > 0 {
		return
	}
	over := make(chan struct{})
	c.watched = over
	go func() {
		defer close(over)
		next := make([]byte, 1)
		n, err := c.Conn.Read(next)
		c.mu.Lock()
		c.early = append(c.early, next[:n]...)
		stopped := c.watched == nil
		c.mu.Unlock()
		if err != nil && !stopped {
			ctx.Cancel(nil)
		}
	}()
}

func (c *testConn) UnwatchDisconnect() {
	c.mu.Lock()
	over := c.watched
	c.watched = nil
	c.mu.Unlock()
	if over != nil {
		_ = c.SetReadDeadline(time.Unix(1, 0))
		<-over
		_ = c.SetReadDeadline(time.Time{})
	}
}

func (c *testConn) Idle() {}

func (c *testConn) CloseWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }

// testListener gives a testConn for each connection.
type testListener struct{ net.Listener }

func (l testListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &testConn{Conn: conn}, nil
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// quiet takes the place of an error log.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// running is a Server that serves.
type running struct {
	*Server
	t      testing.TB
	addr   string
	served chan error // what Serve gave
}

// start serves a handler behind the front until the test ends.
func start(t testing.TB, handler http.HandlerFunc, configure ...func(*http.Server)) *running {
	t.Helper()
	standard := &http.Server{Handler: handler, ErrorLog: quiet()}
	for _, set := range configure {
		set(standard)
	}
	return startOn(t, New(standard), testListener{listen(t)})
}

func startOn(t testing.TB, s *Server, l net.Listener) *running {
	t.Helper()
	r := &running{Server: s, t: t, addr: l.Addr().String(), served: make(chan error, 1)}
	go func() { r.served <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		eventually(t, "the connections are gone", func() bool { return s.open() == 0 })
	})
	return r
}

// open is how many connections the server has.
func (s *Server) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// client is the other end of a connection.
type client struct {
	*net.TCPConn
	t testing.TB
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patient))
	return &client{conn.(*net.TCPConn), t}
}

// send writes text; it does not matter whether the server still wants it.
func (c *client) send(text string) { _, _ = io.WriteString(c, text) }

// rest is all that the server still sends. It fails when the server does not
// close the connection.
func (c *client) rest() string {
	c.t.Helper()
	all, err := io.ReadAll(c)
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		c.t.Fatalf("the server did not close the connection; it sent %q", all)
	}
	return string(all)
}

// expect reads until what was sent ends with that.
func (c *client) expect(end string) string {
	c.t.Helper()
	var all []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(all, []byte(end)) {
		if _, err := io.ReadFull(c, one); err != nil {
			c.t.Fatalf("after %q: %v; expected %q", all, err, end)
		}
		all = append(all, one[0])
	}
	return string(all)
}

// eventually waits for what another goroutine does.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("it does not come that %s", what)
		case <-tick.C:
		}
	}
}

type connKey struct{}

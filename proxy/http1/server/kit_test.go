package server

import (
	"bytes"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/reqctx"
	"gatehouse/internal/testkit"
)

// testConn is a Conn on an ordinary socket.
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

// WatchDisconnect starts watching at once, so that every request is watched.
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

func (c *testConn) Begin() error { return nil }

func (c *testConn) Idle() {}

func (c *testConn) CloseWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }

// testListener accepts connections as testConns.
type testListener struct{ net.Listener }

func (l testListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &testConn{Conn: conn}, nil
}

// running is a Server that serves.
type running struct {
	*Server
	t      testing.TB
	addr   string
	served chan error // what Serve gave
}

// start serves a handler with our server until the test ends.
func start(t testing.TB, handler http.HandlerFunc, configure ...func(*http.Server)) *running {
	t.Helper()
	standard := &http.Server{Handler: handler, ErrorLog: testkit.DiscardLog()}
	for _, set := range configure {
		set(standard)
	}
	return startOn(t, New(standard), testListener{testkit.Listen(t)})
}

func startOn(t testing.TB, s *Server, l net.Listener) *running {
	t.Helper()
	r := &running{Server: s, t: t, addr: l.Addr().String(), served: make(chan error, 1)}
	go func() { r.served <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		testkit.Eventually(t, "the connections are gone", func() bool { return s.open() == 0 })
	})
	return r
}

// open returns the number of connections of the server.
func (s *Server) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

type connKey struct{}

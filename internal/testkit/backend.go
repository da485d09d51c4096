package testkit

import (
	"bufio"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// ServeRaw accepts connections until the test ends, and calls serve with each, in
// a goroutine of its own. It returns the address. A connection is closed when
// serve returns or the test ends; the test does not end before serve returns.
func ServeRaw(t testing.TB, serve func(conn net.Conn)) (address string) {
	t.Helper()
	listener := Listen(t)
	ServeListener(t, listener, serve)
	return listener.Addr().String()
}

// ServeListener is ServeRaw for a listener of the test's own, such as one with TLS
// or one that numbers its connections.
func ServeListener(t testing.TB, listener net.Listener, serve func(conn net.Conn)) {
	t.Helper()
	open := openConns{conns: map[net.Conn]bool{}}
	accept(t, listener, func(conn net.Conn) {
		open.add(conn)
		defer open.remove(conn)
		serve(conn)
	})
	t.Cleanup(open.close)
}

// ServeRequest is ServeRaw for backends: it reads the head of one request from
// each connection, and leaves the rest to serve. It returns the backend's URL.
// The deadline of a connection is Timeout. When the test ends, serve may go on
// until its client or the deadline ends the connection.
func ServeRequest(t testing.TB, serve func(conn *ServerConn, r *http.Request)) (url string) {
	t.Helper()
	listener := Listen(t)
	accept(t, listener, func(conn net.Conn) {
		_ = conn.SetDeadline(time.Now().Add(Timeout))
		in := bufio.NewReader(conn)
		if r, err := http.ReadRequest(in); err == nil {
			serve(&ServerConn{conn, in}, r)
		}
	})
	return "http://" + listener.Addr().String()
}

// accept accepts connections until the test ends, and then waits for those that
// it has accepted.
func accept(t testing.TB, listener net.Listener, serve func(conn net.Conn)) {
	t.Helper()
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	t.Cleanup(func() { listener.Close() })
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
}

// openConns are connections that are closed together.
type openConns struct {
	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
}

func (o *openConns) add(conn net.Conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.conns[conn] = true
	if o.closed {
		conn.Close()
	}
}

func (o *openConns) remove(conn net.Conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.conns, conn)
}

func (o *openConns) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for conn := range o.conns {
		conn.Close()
	}
}

// ServerConn is a backend's end of a connection, of which a part was read into a
// buffer.
type ServerConn struct {
	net.Conn
	in *bufio.Reader
}

// Read reads what is buffered first.
func (c *ServerConn) Read(p []byte) (int, error) { return c.in.Read(p) }

// CloseWrite ends what the backend sends. It can still read.
func (c *ServerConn) CloseWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }

// Reset ends the connection with RST.
func (c *ServerConn) Reset() {
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	c.Close()
}

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
	var mu sync.Mutex
	open := map[net.Conn]struct{}{}
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		defer mu.Unlock()
		for conn := range open {
			conn.Close()
		}
		open = nil
	})
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			if open == nil {
				conn.Close() // the test has ended meanwhile
			} else {
				open[conn] = struct{}{}
			}
			mu.Unlock()
			running.Go(func() {
				defer func() {
					conn.Close()
					mu.Lock()
					delete(open, conn)
					mu.Unlock()
				}()
				serve(conn)
			})
		}
	})
	return listener.Addr().String()
}

// ServeRequest is ServeRaw for backends: it reads the head of one request from
// each connection, and leaves the rest to serve. It returns the backend's URL.
// The deadline of a connection is Timeout.
func ServeRequest(t testing.TB, serve func(conn net.Conn, r *http.Request)) (url string) {
	t.Helper()
	return "http://" + ServeRaw(t, func(conn net.Conn) {
		_ = conn.SetDeadline(time.Now().Add(Timeout))
		in := bufio.NewReader(conn)
		if r, err := http.ReadRequest(in); err == nil {
			serve(readAhead{conn, in}, r)
		}
	})
}

// readAhead is a connection of which a part was read into a buffer.
type readAhead struct {
	net.Conn
	in *bufio.Reader
}

func (c readAhead) Read(p []byte) (int, error) { return c.in.Read(p) }

func (c readAhead) CloseWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }

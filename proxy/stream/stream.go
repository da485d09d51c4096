// Package stream manages upgraded connections, after a 101 (Switching Protocols, RFC 9110
// section 15.2.2). net/http does not track them, so a Set counts and closes them. A
// WebSocket is closed with a close frame between two other frames.
package stream

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// closeTimeout is how long a peer may take to receive the end of a stream.
const closeTimeout = time.Second

// Set contains the upgraded connections of a gateway. The zero value is empty. A Set is
// safe for concurrent use.
type Set struct {
	mu    sync.Mutex
	live  map[*Conn]struct{}
	empty chan struct{} // closed when live becomes empty; nil while Drain does not wait
}

// Metrics receive the counts of a Conn. Implementations must be safe for concurrent use.
type Metrics interface {
	// Sent is called with the number of bytes that were just written to the client.
	Sent(bytes int64)
	// Received is called with the number of bytes that were just read from the client.
	Received(bytes int64)
}

// Conn is the client's side of an upgraded connection. It is a net.Conn for
// net/http/httputil, which copies between it and a Backend.
type Conn struct {
	net.Conn
	set      *Set
	backend  *Backend
	toClient io.Writer // a framedWriter for a WebSocket
	early    []byte    // read from the client with its request; for Read
	metrics  Metrics
	sent     atomic.Int64 // bytes written to the client
	once     sync.Once
}

// Add returns the Conn of a client's connection and adds it to the set. early contains the
// bytes that were read together with the request.
func (s *Set) Add(conn net.Conn, early []byte, backend *Backend, metrics Metrics) *Conn {
	made := &Conn{Conn: conn, set: s, backend: backend, toClient: conn, early: early, metrics: metrics}
	if backend.frames != nil {
		made.toClient = &framedWriter{w: conn}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == nil {
		s.live = map[*Conn]struct{}{}
	}
	s.live[made] = struct{}{}
	return made
}

// Drain waits until all connections have ended, or ctx is done. Then it closes the
// remaining ones, WebSockets with a close frame with code 1001, and returns their number.
func (s *Set) Drain(ctx context.Context) (closed int) {
	s.mu.Lock()
	if len(s.live) == 0 {
		s.mu.Unlock()
		return 0
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	empty := s.empty
	s.mu.Unlock()
	select {
	case <-empty:
		return 0
	case <-ctx.Done():
	}

	s.mu.Lock()
	var remaining []*Conn
	for live := range s.live {
		remaining = append(remaining, live)
	}
	s.mu.Unlock()
	var ending sync.WaitGroup
	for _, live := range remaining {
		ending.Go(func() { live.EndWith(GoingAway) })
	}
	ending.Wait()
	return len(remaining)
}

func (s *Set) remove(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, c)
	if len(s.live) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// Read implements net.Conn. It reads bytes for the backend.
func (c *Conn) Read(p []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(p, c.early)
		c.early = c.early[n:]
		c.metrics.Received(int64(n))
		return n, nil
	}
	n, err := c.Conn.Read(p)
	c.metrics.Received(int64(n))
	if err == io.EOF { //nolint:errorlint // as an io.Reader gives it
		c.backend.onHalfClose()
	}
	return n, err
}

// Write implements net.Conn. It writes bytes from the backend.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.toClient.Write(p)
	c.sent.Add(int64(n))
	c.metrics.Sent(int64(n))
	return n, err
}

// Sent returns the number of bytes written to the client.
func (c *Conn) Sent() int64 { return c.sent.Load() }

// CloseWrite closes the writing half of the connection, or the whole connection if it has
// no halves.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// Close implements net.Conn. httputil calls it when the stream has ended.
func (c *Conn) Close() error {
	c.once.Do(func() { c.set.remove(c) })
	return c.Conn.Close()
}

// EndWith closes the connection. For a WebSocket it first sends a close frame with the code
// in both directions, each between two other frames. It waits at most a second for
// each of them.
func (c *Conn) EndWith(code CloseCode) {
	_ = c.SetDeadline(time.Now().Add(closeTimeout))
	if framed, ok := c.toClient.(*framedWriter); ok {
		framed.endWith(closeFrame(code, false))
		c.backend.frames.endWith(closeFrame(code, true))
	}
	_ = c.Close()
}

package upstream

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// How often a retired generation is checked for idle connections.
const (
	firstSweep   = 200 * time.Millisecond
	longestSweep = 30 * time.Second
)

// generation is an http.Transport with the connections of one backend that are retired
// together.
type generation struct {
	backend   *backend
	transport *http.Transport
	age       *time.Timer  // retires the generation; nil without a maximum age; set before the first request
	open      atomic.Int64 // number of open connections
	retired   atomic.Bool
	answered  atomic.Bool // a request has been answered

	// waiting says that a request was sent and no byte has come since. It is changed
	// only while mu is held.
	waiting atomic.Bool

	mu           sync.Mutex
	waitingSince time.Time   // when the first waiting request was sent
	failed       time.Time   // when the first waiting request ended without an answer; zero before
	timer        *time.Timer // calls check; nil before the first use
	checkDue     time.Time   // when timer fires; zero while it does not run
	suspect      bool        // the generation was retired because it was silent
}

func newGeneration(b *backend, like *http.Transport, to address) *generation {
	g := &generation{backend: b, transport: like.Clone()}
	dial := g.transport.DialContext
	g.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		made, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		g.open.Add(1)
		c := &conn{Conn: made, generation: g}
		if delays, ok := made.(interface{ OnWriteError(failed func()) }); ok {
			delays.OnWriteError(c.writeFailed)
		}
		return c, nil
	}
	if to.scheme == "https" {
		g.transport.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			return g.dialTLS(ctx, network, address, to.upgrade)
		}
	}
	return g
}

// conn is a connection that reports to its generation when bytes come and when it is
// closed.
type conn struct {
	net.Conn
	generation *generation
	closing    sync.Once
	closed     atomic.Bool
	upload     atomic.Pointer[uploadWatch] // the body that is being sent; over HTTP/2, the latest one
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.generation.received()
	}
	return n, err
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.closing.Do(func() {
		c.generation.open.Add(-1)
		c.closed.Store(true)
		if upload := c.upload.Load(); upload != nil {
			upload.connClosed(c)
		}
	})
	return c.Conn.Close()
}

// writeFailed is called when a write to the connection has failed, and the error is
// delayed (socket.DelayWriteErrors).
func (c *conn) writeFailed() {
	if upload := c.upload.Load(); upload != nil {
		upload.writeFailed(c)
	}
}

// CloseWrite closes the writing half of the connection, or the whole connection if it has
// no halves.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// beforeRequest is called before a request is sent. Over HTTP/2 it schedules a check.
func (g *generation) beforeRequest() {
	if !g.backend.http2.Load() || g.waiting.Load() || g.retired.Load() {
		return
	}
	silence := g.backend.maxSilence()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting.Load() {
		return
	}
	g.waitingSince, g.failed = time.Now(), time.Time{}
	g.waiting.Store(true)
	g.checkAt(g.waitingSince.Add(silence))
}

// received is called when bytes have come. After a false alarm, it allows the backend a
// longer silence.
func (g *generation) received() {
	if !g.waiting.Load() {
		return
	}
	g.mu.Lock()
	wasSuspect := g.suspect
	g.suspect = false
	g.waiting.Store(false)
	g.mu.Unlock()
	if wasSuspect {
		g.backend.allowLongerSilence()
	}
}

// unanswered is called when a request has ended without an answer.
func (g *generation) unanswered() {
	if !g.waiting.Load() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting.Load() && g.failed.IsZero() {
		g.failed = time.Now()
		g.checkAt(g.failed.Add(failedSilence))
	}
}

// checkAt makes check run at a time, or earlier. The caller holds g.mu.
func (g *generation) checkAt(at time.Time) {
	if !g.checkDue.IsZero() && !at.Before(g.checkDue) {
		return
	}
	g.checkDue = at
	if g.timer == nil {
		g.timer = time.AfterFunc(time.Until(at), g.check)
	} else {
		g.timer.Reset(time.Until(at))
	}
}

// check retires the generation when it has been silent for too long. Otherwise it schedules
// the next check.
func (g *generation) check() {
	silence := g.backend.maxSilence()
	g.mu.Lock()
	g.checkDue = time.Time{}
	if !g.waiting.Load() || g.suspect || g.retired.Load() {
		g.mu.Unlock()
		return
	}
	limit := g.waitingSince.Add(silence)
	if !g.failed.IsZero() && g.failed.Add(failedSilence).Before(limit) {
		limit = g.failed.Add(failedSilence)
	}
	if time.Now().Before(limit) {
		g.checkAt(limit)
		g.mu.Unlock()
		return
	}
	g.suspect = true
	g.mu.Unlock()
	g.retire()
}

// retire makes new requests use another generation. It closes the connections when they
// become idle.
func (g *generation) retire() {
	g.backend.mu.Lock()
	if g.backend.current == g {
		g.backend.current = nil
	}
	g.backend.mu.Unlock()
	if g.retired.Swap(true) {
		return
	}
	if g.age != nil {
		g.age.Stop()
	}
	g.sweep(firstSweep)
}

// sweep closes idle connections, and calls itself again until no connection is open. It
// always runs at least twice: a request that found the generation before it was
// retired may still open a connection.
func (g *generation) sweep(next time.Duration) {
	g.transport.CloseIdleConnections()
	if next == firstSweep || g.open.Load() > 0 {
		time.AfterFunc(next, func() { g.sweep(min(2*next, longestSweep)) })
	}
}

package proxy

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/internal/reqctx"
	"gatehouse/internal/timerwheel"
	"gatehouse/proxy/http1/socket"
)

// Bounds on a client's connection.
const (
	// writeStall is how long a client may take to receive something at all.
	writeStall = 2 * time.Minute
	// readCheckInterval is how often a connection is asked whether its read deadline
	// has passed. One that is nearer than that is left to the socket.
	readCheckInterval = 5 * time.Second
)

// clientConn is a counted connection; a server.Conn.
//
//   - Read deadlines, of which each request has several, are looked at every few
//     seconds by a wheel, and by the socket only when they are near.
//   - It notices a client that leaves while its request is answered, for the
//     requests of http1/server: net/http's server does so for its own.
//   - A client that receives nothing loses its connection: net/http would wait
//     without end.
type clientConn struct {
	net.Conn
	listener   *Listener
	wheel      *timerwheel.Wheel
	client     netip.Addr // invalid when it is not counted for a client
	closed     sync.Once
	timer      timerwheel.Timer
	fireAt     atomic.Int64 // the tick in which the timer fires, at the latest
	socket     *socket.Socket
	http10Head atomic.Int32 // what is known of the HTTP/1.0 head that comes next
	phase      connPhase
	encrypted  atomic.Bool // TLS is spoken

	writing          sync.Mutex   // held while a write deadline is set
	writeDeadlineSet atomic.Bool  // somebody set one of their own
	renewWriteAt     atomic.Int64 // the tick until which ours need not be renewed

	reading        sync.Mutex       // for those below
	readDeadline   timerwheel.Ticks // what is not read then is read too late; 0 is no bound
	socketDeadline bool             // the socket has the deadline
	disconnectCtx  *reqctx.Context  // ends when the client leaves; nil for none
	watchAt        timerwheel.Ticks // when to begin to look for that
	readAhead      chan struct{}    // closed when nobody reads for that any more; nil before
	closingNew     bool             // asked to end before its first request, over TLS
	unread         []byte           // read already, and not yet by Read
}

func newClientConn(conn net.Conn, l *Listener, client netip.Addr) *clientConn {
	c := &clientConn{Conn: conn, listener: l, wheel: l.options.Wheel, client: client, socket: socket.New(conn)}
	c.timer.Handler = c
	c.scheduleWithin(timerwheel.TicksIn(readCheckInterval))
	c.phase.set(phaseNew, c.wheel.Now())
	l.add(c)
	return c
}

type connKey struct{}

// ConnContext is the ConnContext of the http.Server that serves a Listener. It lets
// HTTP10Coded find the connection of a request.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	if c, ok := conn.(*clientConn); ok {
		return context.WithValue(ctx, connKey{}, c)
	}
	return ctx
}

// What is known of an HTTP/1.0 head.
const (
	http10Unknown int32 = iota
	http10Plain
	http10Coded // it has a Transfer-Encoding
)

// HTTP10Head is the HTTP10Head of the server.Server that serves a Listener. Coded
// reports whether the next request of the connection has a Transfer-Encoding.
func HTTP10Head(conn net.Conn, coded bool) {
	if c, ok := conn.(*clientConn); ok {
		c.http10Head.Store(http10Plain)
		if coded {
			c.http10Head.Store(http10Coded)
		}
	}
}

// HTTP10Coded reports whether the HTTP/1.0 request of a context has a
// Transfer-Encoding, which net/http hides. Known is true for a request whose head was
// read by server.Server, the first time it is asked about.
func HTTP10Coded(ctx context.Context) (coded, known bool) {
	head := http10Unknown
	if c, ok := ctx.Value(connKey{}).(*clientConn); ok {
		head = c.http10Head.Swap(http10Unknown)
	}
	return head == http10Coded, head != http10Unknown
}

// Read implements net.Conn.
func (c *clientConn) Read(p []byte) (int, error) {
	c.reading.Lock()
	if len(c.unread) > 0 {
		n := copy(p, c.unread)
		if c.unread = c.unread[n:]; len(c.unread) == 0 {
			c.unread = nil
		}
		c.reading.Unlock()
		return c.afterRead(p, n, nil)
	}
	c.reading.Unlock()
	n, err := c.socket.Read(p)
	return c.afterRead(p, n, err)
}

// Unread implements server.Conn.
func (c *clientConn) Unread(data []byte) {
	c.reading.Lock()
	defer c.reading.Unlock()
	c.unread = slices.Concat(data, c.unread)
}

// disconnectCheck is how long a request takes before the connection looks
// whether its client is still there.
const disconnectCheck = 2 // ticks

// WatchDisconnect implements server.Conn.
func (c *clientConn) WatchDisconnect(ctx *reqctx.Context) {
	c.reading.Lock()
	if ctx.Err() == nil {
		c.disconnectCtx, c.watchAt = ctx, c.wheel.Now()+disconnectCheck
	}
	c.reading.Unlock()
	c.scheduleWithin(disconnectCheck)
}

// UnwatchDisconnect implements server.Conn.
func (c *clientConn) UnwatchDisconnect() {
	c.reading.Lock()
	reading := c.readAhead
	c.disconnectCtx, c.readAhead = nil, nil
	if reading != nil {
		_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
	c.reading.Unlock()
	if reading == nil {
		return
	}
	<-reading
	_ = c.Conn.SetReadDeadline(time.Time{})
}

// readForDisconnect reads ahead until the client leaves or sends something: that
// is its next request, and so it is still there. It needs c.reading.
func (c *clientConn) readForDisconnect() {
	if len(c.unread) > 0 {
		return
	}
	ctx, over := c.disconnectCtx, make(chan struct{})
	c.readAhead = over
	go func() {
		defer close(over)
		next := make([]byte, 1)
		n, err := c.Conn.Read(next)
		c.reading.Lock()
		unwatched := c.readAhead == nil
		c.unread = next[:n]
		c.reading.Unlock()
		if err != nil && !unwatched {
			ctx.Cancel(nil)
		}
	}()
}

// scheduleWithin has the timer fire after so many ticks, or earlier.
func (c *clientConn) scheduleWithin(after timerwheel.Ticks) {
	now := c.wheel.Now()
	if fireAt := timerwheel.Ticks(c.fireAt.Load()); fireAt <= now || fireAt > now+after {
		c.fireAt.Store(int64(now + after))
		c.wheel.Schedule(&c.timer, after)
	}
}

// fire implements handler: it looks whether a read deadline has passed, and
// whether it is time to look for a client that leaves.
func (c *clientConn) Fire(now timerwheel.Ticks) (next timerwheel.Ticks) {
	c.reading.Lock()
	defer c.reading.Unlock()
	next = now + timerwheel.TicksIn(readCheckInterval)
	switch {
	case c.disconnectCtx != nil && c.readAhead == nil && now < c.watchAt:
		next = c.watchAt
	case c.disconnectCtx != nil && c.readAhead == nil:
		c.readForDisconnect()
	case c.readDeadline == 0 || c.disconnectCtx != nil:
	case c.readDeadline <= now:
		c.readDeadline, c.socketDeadline = 0, true
		_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
	default:
		next = min(next, c.readDeadline)
	}
	c.fireAt.Store(int64(next))
	return next
}

// SetReadDeadline implements net.Conn.
func (c *clientConn) SetReadDeadline(t time.Time) error {
	c.reading.Lock()
	defer c.reading.Unlock()
	c.readDeadline = 0
	if !t.IsZero() {
		left := c.wheel.Until(t)
		if left <= timerwheel.TicksIn(readCheckInterval) {
			c.socketDeadline = true
			return c.Conn.SetReadDeadline(t)
		}
		c.readDeadline = c.wheel.Now() + left
	}
	if !c.socketDeadline {
		return nil
	}
	c.socketDeadline = false
	return c.Conn.SetReadDeadline(time.Time{})
}

// Write implements net.Conn.
func (c *clientConn) Write(p []byte) (int, error) {
	if !c.writeDeadlineSet.Load() && int64(c.wheel.Now()) >= c.renewWriteAt.Load() {
		c.boundWrites()
	}
	return c.socket.Write(p)
}

func (c *clientConn) boundWrites() {
	c.writing.Lock()
	defer c.writing.Unlock()
	if !c.writeDeadlineSet.Load() {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(writeStall))
		c.renewWriteAt.Store(int64(c.wheel.Now() + timerwheel.TicksIn(writeStall)/2))
	}
}

// SetWriteDeadline implements net.Conn. Where nobody else sets one, ours stays.
func (c *clientConn) SetWriteDeadline(t time.Time) error {
	if t.IsZero() && !c.writeDeadlineSet.Load() {
		return nil
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	c.writeDeadlineSet.Store(!t.IsZero())
	c.renewWriteAt.Store(0)
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *clientConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// CloseWrite passes a half-close on.
func (c *clientConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// Close implements net.Conn.
func (c *clientConn) Close() error {
	c.closed.Do(func() {
		c.wheel.Stop(&c.timer)
		c.listener.remove(c)
		if c.client.IsValid() {
			c.listener.clients.Release(c.client)
		}
	})
	return c.Conn.Close()
}

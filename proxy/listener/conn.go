package listener

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/internal/reqctx"
	"gatehouse/internal/timerwheel"
	"gatehouse/proxy/http1/server"
	"gatehouse/proxy/http1/socket"
)

// Time limits of a client's connection.
const (
	// writeStall is how long a client may receive nothing while the gateway writes.
	writeStall = 2 * time.Minute
	// readCheckInterval is how often a connection checks whether its read deadline
	// has passed. A deadline that is nearer than that is set on the socket.
	readCheckInterval = 5 * time.Second
)

// Conn is a client's connection, which its Listener counts.
//
//   - The wheel checks read deadlines every few seconds, because each request sets several
//     of them. Only a deadline that is near is set on the socket.
//   - Conn detects a client that disconnects while http1/server answers its request.
//     net/http's server does that itself.
//   - Conn closes when the client receives nothing for writeStall. net/http would wait
//     without a limit.
type Conn struct {
	net.Conn
	listener   *Listener
	wheel      *timerwheel.Wheel
	fromProxy  bool       // it has a PROXY header
	remote     net.Addr   // the client that the header names; nil without one
	counting   sync.Mutex // guards client and released
	client     netip.Addr // invalid when it is not counted for a client
	released   bool       // client is not counted any more
	closed     sync.Once
	timer      timerwheel.Timer
	fireAt     atomic.Int64 // the latest tick at which the timer fires
	socket     *socket.Socket
	http10Head atomic.Int32 // see HTTP10Head
	phase      connPhase
	encrypted  atomic.Bool // the connection uses TLS
	answers    serverAnswers
	beginning  atomic.Bool // Begin has not returned

	writing          sync.Mutex   // held while a write deadline is set
	writeDeadlineSet atomic.Bool  // the server has set one
	renewWriteAt     atomic.Int64 // the tick at which writeStall must be set again

	reading        sync.Mutex       // guards the fields below
	readDeadline   timerwheel.Ticks // the tick at which reading fails; 0 means never
	socketDeadline bool             // the socket has a deadline
	disconnectCtx  *reqctx.Context  // canceled when the client disconnects; may be nil
	watchAt        timerwheel.Ticks // the tick at which to start readForDisconnect
	readAhead      chan struct{}    // closed when readForDisconnect ends; nil before it begins
	closingNew     bool             // asked to close before its first request, over TLS
	unread         []byte           // bytes for the next Read
}

var _ server.Conn = (*Conn)(nil)

func newConn(conn net.Conn, l *Listener, client netip.Addr, fromProxy bool) *Conn {
	c := &Conn{Conn: conn, listener: l, wheel: l.options.Wheel, client: client, fromProxy: fromProxy, socket: socket.New(conn)}
	c.encrypted.Store(l.overTLS.Load())
	c.timer.Handler = c
	c.scheduleWithin(timerwheel.TicksIn(readCheckInterval))
	c.phase.set(phaseNew, c.wheel.Now())
	l.add(c)
	return c
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.readBytes(p)
	if answer := c.answers.afterRead(c, n, err); answer != nil {
		_, _ = c.writeBytes(answer)
	}
	return n, err
}

func (c *Conn) readBytes(p []byte) (int, error) {
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
func (c *Conn) Unread(data []byte) {
	if len(data) == 0 {
		return
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	c.unread = slices.Concat(data, c.unread)
}

// scheduleWithin makes the timer fire after this number of ticks, or earlier.
func (c *Conn) scheduleWithin(after timerwheel.Ticks) {
	now := c.wheel.Now()
	if fireAt := timerwheel.Ticks(c.fireAt.Load()); fireAt <= now || fireAt > now+after {
		c.fireAt.Store(int64(now + after))
		c.wheel.Schedule(&c.timer, after)
	}
}

// Fire implements timerwheel.Handler. It ends a Read whose deadline has passed, and starts
// readForDisconnect.
func (c *Conn) Fire(now timerwheel.Ticks) (next timerwheel.Ticks) {
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
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.answers.setReadDeadline(t.IsZero())
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
func (c *Conn) Write(p []byte) (int, error) {
	answer, ok := c.answers.instead(c, p)
	if !ok {
		return c.writeBytes(p)
	}
	if len(answer) == 0 {
		return len(p), nil
	}
	_, err := c.writeBytes(answer)
	return len(p), err
}

func (c *Conn) writeBytes(p []byte) (int, error) {
	if !c.writeDeadlineSet.Load() && int64(c.wheel.Now()) >= c.renewWriteAt.Load() {
		c.boundWrites()
	}
	return c.socket.Write(p)
}

// boundWrites sets writeStall on the socket, unless the server has set a deadline.
func (c *Conn) boundWrites() {
	c.writing.Lock()
	defer c.writing.Unlock()
	if !c.writeDeadlineSet.Load() {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(writeStall))
		c.renewWriteAt.Store(int64(c.wheel.Now() + timerwheel.TicksIn(writeStall)/2))
	}
}

// SetWriteDeadline implements net.Conn. Without a deadline, writeStall applies.
func (c *Conn) SetWriteDeadline(t time.Time) error {
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
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// CloseWrite closes the writing half of the connection, or the whole connection if it has
// no halves.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// Close implements net.Conn.
func (c *Conn) Close() error {
	c.closed.Do(func() {
		c.wheel.Stop(&c.timer)
		c.listener.remove(c)
	})
	return c.Conn.Close()
}

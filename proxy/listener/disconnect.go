package listener

import (
	"time"

	"gatehouse/internal/reqctx"
)

// disconnectCheck is how long a request runs before the connection starts to check
// whether its client is still connected.
const disconnectCheck = 2 // ticks

// WatchDisconnect implements server.Conn.
func (c *Conn) WatchDisconnect(ctx *reqctx.Context) {
	c.reading.Lock()
	if ctx.Err() == nil {
		c.disconnectCtx, c.watchAt = ctx, c.wheel.Now()+disconnectCheck
	}
	c.reading.Unlock()
	c.scheduleWithin(disconnectCheck)
}

// UnwatchDisconnect implements server.Conn.
func (c *Conn) UnwatchDisconnect() {
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

// readForDisconnect reads ahead until the client disconnects or sends bytes. Such bytes are
// its next request, so the client is still connected. The caller holds c.reading.
func (c *Conn) readForDisconnect() {
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

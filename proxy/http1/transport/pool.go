package transport

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"gatehouse/proxy/http1/socket"
)

// copyBuffer is the size of the buffers that bodies of requests are copied through, in
// bytes.
const copyBuffer = 8 << 10

// pools hold the connections, by address.
type pools struct {
	options Options
	buffers sync.Pool // of *[copyBuffer]byte, for bodies of requests
	// tick is the interval between two sweeps; 0 means none. Times are counted in
	// ticks, so that a request reads no clock.
	tick      time.Duration
	idleTicks uint // how long a connection may be idle; 0 means no bound
	ageTicks  uint // how old it may become; 0 means no bound

	mu          sync.Mutex
	pools       map[string]*pool
	epoch       uint        // grows with every sweep
	sweeper     *time.Timer // runs while there are idle connections; nil for none
	closingIdle bool        // connections are not kept
}

// pool holds the connections to one address. It is removed when it has none.
type pool struct {
	address string
	idle    []*conn   // used last in, first out
	open    int       // connections, including those that are being dialed
	waiting []*waiter // served first in, first out
}

// waiter is a request that waits because there are MaxConns connections.
type waiter struct {
	ready     chan *conn // receives a connection, or nil: the right to dial one
	wantsDial bool       // it wants only the right to dial
}

func (p *pools) init(o Options) {
	p.options = o
	p.buffers.New = func() any { return new([copyBuffer]byte) }
	p.pools = map[string]*pool{}
	if o.IdleTimeout > 0 {
		p.tick = o.IdleTimeout / 2
	}
	if o.MaxAge > 0 && (p.tick == 0 || o.MaxAge/ageSteps < p.tick) {
		p.tick = max(o.MaxAge/ageSteps, time.Millisecond)
	}
	if p.tick > 0 {
		p.idleTicks, p.ageTicks = uint(o.IdleTimeout/p.tick), uint(o.MaxAge/p.tick)
	}
}

// ageSteps is the number of ticks in MaxAge.
const ageSteps = 20

// newLastEpoch returns the last epoch in which a new connection takes requests. It is
// random, so that connections do not all end at once. The caller holds mu.
func (p *pools) newLastEpoch() uint {
	if p.ageTicks == 0 {
		return 0
	}
	return p.epoch + p.ageTicks - 1 - rand.UintN(p.ageTicks/5+1)
}

// get returns an idle connection or a new one; with fresh, always a new one.
func (p *pools) get(ctx context.Context, address string, fresh bool) (*conn, error) {
	for {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		c, to, err := p.reserve(ctx, address, fresh)
		switch {
		case err != nil:
			return nil, err
		case c == nil:
			return p.dial(ctx, to)
		case !fresh:
			return c, nil
		}
		c.discard()
	}
}

// reserve returns an idle connection, or the right to dial one. It may wait for that.
func (p *pools) reserve(ctx context.Context, address string, wantsDial bool) (*conn, *pool, error) {
	p.mu.Lock()
	p.closingIdle = false
	to := p.pools[address]
	if to == nil {
		to = &pool{address: address}
		p.pools[address] = to
	}
	if last := len(to.idle) - 1; last >= 0 && !wantsDial {
		c := to.idle[last]
		to.idle[last] = nil
		to.idle = to.idle[:last]
		p.mu.Unlock()
		return c, to, nil
	}
	if p.options.MaxConns == 0 || to.open < p.options.MaxConns {
		to.open++
		p.mu.Unlock()
		return nil, to, nil
	}
	w := &waiter{ready: make(chan *conn, 1), wantsDial: wantsDial}
	to.waiting = append(to.waiting, w)
	var unused *conn // an idle connection that is closed to make room
	if len(to.idle) > 0 {
		unused = to.idle[0]
		to.idle = slices.Delete(to.idle, 0, 1)
	}
	p.mu.Unlock()

	if unused != nil {
		unused.discard() // and the first waiter gets its place
	}
	select {
	case c := <-w.ready:
		return c, to, nil
	case <-ctx.Done():
		p.cancelWait(to, w)
		return nil, nil, context.Cause(ctx)
	}
}

// cancelWait removes a waiter, or passes on what it has received meanwhile.
func (p *pools) cancelWait(from *pool, w *waiter) {
	p.mu.Lock()
	index := slices.Index(from.waiting, w)
	if index >= 0 {
		from.waiting = slices.Delete(from.waiting, index, index+1)
	}
	p.mu.Unlock()
	if index >= 0 {
		return
	}
	if c := <-w.ready; c != nil {
		p.put(c)
	} else {
		p.release(from)
	}
}

// dial opens a connection that was reserved.
func (p *pools) dial(ctx context.Context, to *pool) (*conn, error) {
	netConn, err := p.options.Dial(ctx, "tcp", to.address)
	if err != nil {
		p.release(to)
		return nil, err
	}
	c := newConn(netConn, p, to)
	p.mu.Lock()
	c.lastEpoch = p.newLastEpoch()
	p.startSweeper()
	p.mu.Unlock()
	return c, nil
}

// isExpired reports whether a connection takes no more requests. The caller holds mu.
func (p *pools) isExpired(c *conn) bool { return c.lastEpoch > 0 && p.epoch > c.lastEpoch }

// startSweeper makes sweep run after a tick. The caller holds mu.
func (p *pools) startSweeper() {
	if p.sweeper == nil && p.tick > 0 {
		p.sweeper = time.AfterFunc(p.tick, p.sweep)
	}
}

// put returns a connection to the pool, or hands it to a waiter.
func (p *pools) put(c *conn) {
	if !p.tryPut(c) {
		c.discard()
	}
}

// tryPut is put. It reports false when the connection is to be closed.
func (p *pools) tryPut(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isExpired(c) {
		return false
	}
	if len(c.pool.waiting) > 0 {
		if c.pool.waiting[0].wantsDial {
			return false // when it is closed, the waiter may dial
		}
		c.pool.popWaiter() <- c
		return true
	}
	if p.closingIdle || len(c.pool.idle) >= p.options.MaxIdle {
		return false
	}
	c.epoch = p.epoch
	c.pool.idle = append(c.pool.idle, c)
	p.startSweeper()
	return true
}

// popWaiter removes the first waiter.
func (p *pool) popWaiter() chan<- *conn {
	first := p.waiting[0]
	p.waiting[0] = nil
	p.waiting = p.waiting[1:]
	return first.ready
}

// release is called when a connection has been closed or not been opened: another may
// take its place.
func (p *pools) release(from *pool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(from.waiting) > 0 {
		from.popWaiter() <- nil
		return
	}
	if from.open--; from.open == 0 {
		delete(p.pools, from.address)
	}
}

// sweep runs once a tick while there are connections. It closes idle ones that have
// been idle for too long, that are too old, or that the backend has closed.
func (p *pools) sweep() {
	p.mu.Lock()
	p.epoch++
	var unused []*conn
	kept := 0
	for _, pool := range p.pools {
		pool.idle = slices.DeleteFunc(pool.idle, func(c *conn) bool {
			if p.idleTicks > 0 && p.epoch-c.epoch >= p.idleTicks || p.isExpired(c) || !c.socket.IsIdle() {
				unused = append(unused, c)
				return true
			}
			return false
		})
		kept += len(pool.idle)
		if p.ageTicks > 0 { // connections in use grow older, too
			kept += pool.open
		}
	}
	p.sweeper = nil
	if kept > 0 {
		p.startSweeper()
	}
	p.mu.Unlock()
	discardAll(unused)
}

func (p *pools) closeIdle() {
	p.mu.Lock()
	p.closingIdle = true
	var unused []*conn
	for _, pool := range p.pools {
		unused = append(unused, pool.idle...)
		pool.idle = nil
	}
	p.mu.Unlock()
	discardAll(unused)
}

// closeIdleOf closes the idle connections of one pool.
func (p *pools) closeIdleOf(pool *pool) {
	p.mu.Lock()
	unused := pool.idle
	pool.idle = nil
	p.mu.Unlock()
	discardAll(unused)
}

// closeIdleAt closes the idle connections to an address.
func (p *pools) closeIdleAt(address string) {
	p.mu.Lock()
	pool := p.pools[address]
	p.mu.Unlock()
	if pool != nil {
		p.closeIdleOf(pool)
	}
}

func discardAll(unused []*conn) {
	for _, c := range unused {
		c.discard()
	}
}

// requestContextKey is the key of the request's context in the one that the standard
// transport dials with, which outlives the request.
type requestContextKey struct{}

// withRequestContext returns the request for the standard transport, with its context
// under requestContextKey.
func (p *pools) withRequestContext(r *http.Request) *http.Request {
	if p.options.MaxConns == 0 {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), requestContextKey{}, r.Context()))
}

// dialStandard dials for the standard transport. The connection delays the errors of
// writes, for which that transport would drop a response that is there. It counts for
// MaxConns; if there is no room, an idle connection is closed.
func (p *pools) dialStandard(ctx context.Context, network, address string) (net.Conn, error) {
	if p.options.MaxConns == 0 {
		conn, err := p.options.Dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return socket.DelayWriteErrors(conn, 0), nil
	}
	waitCtx := ctx
	if requestCtx, ok := ctx.Value(requestContextKey{}).(context.Context); ok {
		waitCtx = requestCtx
	}
	_, to, err := p.reserve(waitCtx, address, true)
	if err != nil {
		return nil, err
	}
	conn, err := p.options.Dial(ctx, network, address)
	if err != nil {
		p.release(to)
		return nil, err
	}
	counted := &countedConn{Conn: conn, release: sync.OnceFunc(func() { p.release(to) })}
	return socket.DelayWriteErrors(counted, 0), nil
}

// countedConn calls release when it is closed.
type countedConn struct {
	net.Conn
	release func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// CloseWrite closes the writing side of the connection.
func (c *countedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

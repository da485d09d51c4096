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

// copyBuffer is what a body of a request is copied through, in bytes.
const copyBuffer = 8 << 10

// pools hold the connections, by address.
type pools struct {
	options Options
	buffers sync.Pool // of *[copyBuffer]byte, for bodies of requests
	// tick is how often what waits is looked at; 0 is never. Times are counted in
	// ticks: a request reads no clock for them.
	tick      time.Duration
	idleTicks uint // how long a connection may wait; 0 is no bound
	ageTicks  uint // how old it may become; 0 is no bound

	mu          sync.Mutex
	pools       map[string]*pool
	epoch       uint        // grows with every sweep
	sweeper     *time.Timer // runs while something waits
	closingIdle bool        // nothing begins to wait
}

// pool is what there is for one address. It is known as long as it has
// something.
type pool struct {
	address string
	idle    []*conn   // the last one that began to wait is the first to be used
	open    int       // connections, those that are being dialled included
	waiting []*waiter // the first that came is the first to be served
}

// waiter is a request for which there may be no more connections.
type waiter struct {
	ready     chan *conn // one is given, or nil: leave to dial
	wantsDial bool       // it has no use for a connection, only for the leave
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

// ageSteps is how finely the age of connections is told.
const ageSteps = 20

// newLastEpoch is the last one in which a connection that is made now takes requests:
// not the same for all, or all would be made anew at once.
func (p *pools) newLastEpoch() uint {
	if p.ageTicks == 0 {
		return 0
	}
	return p.epoch + p.ageTicks - 1 - rand.UintN(p.ageTicks/5+1)
}

// get returns a connection that waited, or a new one; always a new one where
// fresh says so.
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

// reserve returns a connection that waited, or leave to dial one.
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
	var unused *conn // there is one only where it is of no use
	if len(to.idle) > 0 {
		unused = to.idle[0]
		to.idle = slices.Delete(to.idle, 0, 1)
	}
	p.mu.Unlock()

	if unused != nil {
		unused.discard() // and its place is given to who waits first
	}
	select {
	case c := <-w.ready:
		return c, to, nil
	case <-ctx.Done():
		p.cancelWait(to, w)
		return nil, nil, context.Cause(ctx)
	}
}

// cancelWait takes back a waiter, or passes on what it was given meanwhile.
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

// dial opens a connection for which there is leave.
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

// isExpired reports whether a connection takes no more requests. It needs mu.
func (p *pools) isExpired(c *conn) bool { return c.lastEpoch > 0 && p.epoch > c.lastEpoch }

// startSweeper has the sweeper run. It needs mu.
func (p *pools) startSweeper() {
	if p.sweeper == nil && p.tick > 0 {
		p.sweeper = time.AfterFunc(p.tick, p.sweep)
	}
}

// put lets a connection wait for a request, or gives it to one that waits.
func (p *pools) put(c *conn) {
	if !p.tryPut(c) {
		c.discard()
	}
}

func (p *pools) tryPut(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isExpired(c) {
		return false
	}
	if len(c.pool.waiting) > 0 {
		if c.pool.waiting[0].wantsDial {
			return false // once closed, it is its leave to dial
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

// popWaiter takes the first waiter.
func (p *pool) popWaiter() chan<- *conn {
	first := p.waiting[0]
	p.waiting[0] = nil
	p.waiting = p.waiting[1:]
	return first.ready
}

// release says that a connection, or the leave to dial one, is free.
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

// sweep runs once a tick while there are connections, and closes those that have
// waited for too long, those that are too old, and those that the backend closed.
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
		if p.ageTicks > 0 { // those that are in use grow older, too
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

// closeIdleOf closes what waits in one pool.
func (p *pools) closeIdleOf(pool *pool) {
	p.mu.Lock()
	unused := pool.idle
	pool.idle = nil
	p.mu.Unlock()
	discardAll(unused)
}

func discardAll(unused []*conn) {
	for _, c := range unused {
		c.discard()
	}
}

// requestContextKey is the key of the context of the request for which the standard
// transport dials: its own outlives the request.
type requestContextKey struct{}

// withRequestContext is the request as the standard transport gets it.
func (p *pools) withRequestContext(r *http.Request) *http.Request {
	if p.options.MaxConns == 0 {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), requestContextKey{}, r.Context()))
}

// dialStandard dials for the standard transport, which would drop an answer for
// an error of a write. Its connections count, so where there are as many as may
// be, one that waits makes room.
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

// countedConn tells when it is closed.
type countedConn struct {
	net.Conn
	release func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// CloseWrite passes a half-close on.
func (c *countedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

package lean

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"gatehouse/proxy/socket"
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

	mu      sync.Mutex
	pools   map[string]*pool
	epoch   uint        // grows with every sweep
	sweeper *time.Timer // runs while something waits
	closing bool        // nothing begins to wait
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
	given chan *conn // one is given, or nil: leave to dial
	dials bool       // it has no use for a connection, only for the leave
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

// lastTick is the last one in which a connection that is made now takes requests:
// not the same for all, or all would be made anew at once.
func (p *pools) lastTick() uint {
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
func (p *pools) reserve(ctx context.Context, address string, dials bool) (*conn, *pool, error) {
	p.mu.Lock()
	p.closing = false
	to := p.pools[address]
	if to == nil {
		to = &pool{address: address}
		p.pools[address] = to
	}
	if last := len(to.idle) - 1; last >= 0 && !dials {
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
	w := &waiter{given: make(chan *conn, 1), dials: dials}
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
	case c := <-w.given:
		return c, to, nil
	case <-ctx.Done():
		p.leave(to, w)
		return nil, nil, context.Cause(ctx)
	}
}

// leave takes back a waiter, or passes on what it was given meanwhile.
func (p *pools) leave(from *pool, w *waiter) {
	p.mu.Lock()
	place := slices.Index(from.waiting, w)
	if place >= 0 {
		from.waiting = slices.Delete(from.waiting, place, place+1)
	}
	p.mu.Unlock()
	if place >= 0 {
		return
	}
	if c := <-w.given; c != nil {
		p.put(c)
	} else {
		p.closed(from)
	}
}

// dial opens a connection for which there is leave.
func (p *pools) dial(ctx context.Context, to *pool) (*conn, error) {
	made, err := p.options.Dial(ctx, "tcp", to.address)
	if err != nil {
		p.closed(to)
		return nil, err
	}
	c := newConn(made, p, to)
	p.mu.Lock()
	c.last = p.lastTick()
	p.watch()
	p.mu.Unlock()
	return c, nil
}

// isOld reports whether a connection takes no more requests. It needs mu.
func (p *pools) isOld(c *conn) bool { return c.last > 0 && p.epoch > c.last }

// watch has the sweeper run. It needs mu.
func (p *pools) watch() {
	if p.sweeper == nil && p.tick > 0 {
		p.sweeper = time.AfterFunc(p.tick, p.sweep)
	}
}

// put lets a connection wait for a request, or gives it to one that waits.
func (p *pools) put(c *conn) {
	if !p.keep(c) {
		c.discard()
	}
}

func (p *pools) keep(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isOld(c) {
		return false
	}
	if len(c.pool.waiting) > 0 {
		if c.pool.waiting[0].dials {
			return false // once closed, it is its leave to dial
		}
		c.pool.next() <- c
		return true
	}
	if p.closing || len(c.pool.idle) >= p.options.MaxIdle {
		return false
	}
	c.epoch = p.epoch
	c.pool.idle = append(c.pool.idle, c)
	p.watch()
	return true
}

// next takes the first waiter.
func (p *pool) next() chan<- *conn {
	first := p.waiting[0]
	p.waiting[0] = nil
	p.waiting = p.waiting[1:]
	return first.given
}

// closed says that a connection, or the leave to dial one, is free.
func (p *pools) closed(from *pool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(from.waiting) > 0 {
		from.next() <- nil
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
	for _, each := range p.pools {
		each.idle = slices.DeleteFunc(each.idle, func(c *conn) bool {
			if p.idleTicks > 0 && p.epoch-c.epoch >= p.idleTicks || p.isOld(c) || !c.socket.IsQuiet() {
				unused = append(unused, c)
				return true
			}
			return false
		})
		kept += len(each.idle)
		if p.ageTicks > 0 { // those that are in use grow older, too
			kept += each.open
		}
	}
	p.sweeper = nil
	if kept > 0 {
		p.watch()
	}
	p.mu.Unlock()
	discardAll(unused)
}

func (p *pools) closeIdle() {
	p.mu.Lock()
	p.closing = true
	var unused []*conn
	for _, each := range p.pools {
		unused = append(unused, each.idle...)
		each.idle = nil
	}
	p.mu.Unlock()
	discardAll(unused)
}

// closeIdleOf closes what waits in one pool.
func (p *pools) closeIdleOf(one *pool) {
	p.mu.Lock()
	unused := one.idle
	one.idle = nil
	p.mu.Unlock()
	discardAll(unused)
}

func discardAll(unused []*conn) {
	for _, c := range unused {
		c.discard()
	}
}

// asker is the key of the context of the request for which the standard
// transport dials: its own outlives the request.
type asker struct{}

// asking is the request as the standard transport gets it.
func (p *pools) asking(r *http.Request) *http.Request {
	if p.options.MaxConns == 0 {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), asker{}, r.Context()))
}

// dialStandard dials for the standard transport, which would drop an answer for
// an error of a write. Its connections count, so where there are as many as may
// be, one that waits makes room.
func (p *pools) dialStandard(ctx context.Context, network, address string) (net.Conn, error) {
	if p.options.MaxConns == 0 {
		made, err := p.options.Dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return socket.AfterReads(made, 0), nil
	}
	waits := ctx
	if asks, ok := ctx.Value(asker{}).(context.Context); ok {
		waits = asks
	}
	_, to, err := p.reserve(waits, address, true)
	if err != nil {
		return nil, err
	}
	made, err := p.options.Dial(ctx, network, address)
	if err != nil {
		p.closed(to)
		return nil, err
	}
	counted := &countedConn{Conn: made, closed: sync.OnceFunc(func() { p.closed(to) })}
	return socket.AfterReads(counted, 0), nil
}

// countedConn tells when it is closed.
type countedConn struct {
	net.Conn
	closed func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}

// CloseWrite passes a half-close on.
func (c *countedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

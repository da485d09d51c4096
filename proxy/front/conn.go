package front

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/internal/reqctx"
	"gatehouse/proxy/wire"
)

const (
	// usualHead is the size of the buffer of a connection, in bytes, and
	// largeHead that of the largest heads that are taken.
	usualHead = 4 << 10
	largeHead = 16 << 10
	// lingerPause is how long a client that is still sending may pause before its
	// connection is closed, and lingerTime how long it may go on at most. One that
	// sends requests behind the last that is answered may pause for nextPause.
	lingerPause = 2 * time.Second
	lingerTime  = 10 * time.Second
	nextPause   = 500 * time.Millisecond
	// lonely is for how many requests a connection whose client needs its time
	// does not let the others go first.
	lonely = 128
)

// The states of a connection.
const (
	waiting = iota // for a request
	busy           // one is being read or answered
	over           // the server has closed it
)

// conn is a client's connection.
type conn struct {
	Conn
	server   *Server
	opened   time.Time
	state    atomic.Int32
	served   atomic.Bool     // a request
	template *http.Request   // what all its requests have in common
	context  context.Context // has the values of their contexts

	buffer []byte
	large  *[largeHead]byte // the buffer, when the usual one was too small
	data   []byte           // in the buffer: read, and not yet taken
	plain  int              // how much of that are lines that were found to be
	alone  int              // requests until it lets others go first again
	broken error            // of a write

	posted    bool     // the request before was a POST
	answering *request // while its handler runs
}

// request is all that there is of one, in one piece.
type request struct {
	http.Request
	ctx      reqctx.Context
	url      url.URL
	body     body
	response response
}

// largeBuffers are of *[largeHead]byte.
var largeBuffers = sync.Pool{New: func() any { return new([largeHead]byte) }}

// serve is the life of a connection.
func (s *Server) serve(made Conn) {
	c := &conn{Conn: made, server: s, opened: time.Now(), buffer: make([]byte, usualHead)}
	if !s.add(c) {
		_ = made.Close()
		return
	}
	passes := false
	defer func() {
		if panicked := recover(); panicked != nil && panicked != http.ErrAbortHandler { //nolint:errorlint // it is given as it is
			s.log("http: panic serving %v: %v\n%s", c.RemoteAddr(), panicked, debug.Stack())
		}
		if c.answering != nil {
			c.abort(c.answering)
		}
		s.remove(c)
		if !passes {
			_ = c.Close()
		}
	}()
	c.prepare()
	if passes = c.serve(); passes {
		if s.OldCoding != nil && hasOldCoding(c.data) {
			s.OldCoding(made)
		}
		c.Unread(c.data)
		s.pass(made, nil)
	}
}

// prepare makes what all requests have in common.
func (c *conn) prepare() {
	ctx := context.WithValue(context.Background(), http.ServerContextKey, c.server.standard)
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, c.LocalAddr())
	if c.server.standard.ConnContext != nil {
		ctx = c.server.standard.ConnContext(ctx, c.Conn)
	}
	c.context = ctx
	c.template = &http.Request{RemoteAddr: c.RemoteAddr().String(), Body: http.NoBody}
}

// mayClose reports whether the server may close the connection while it waits.
func (c *conn) mayClose() bool {
	return c.served.Load() || time.Since(c.opened) >= newConnGrace
}

// serve answers plain requests until the connection ends or is to be passed on.
func (c *conn) serve() (passes bool) {
	for {
		head, passes := c.readHead()
		if head == "" {
			return passes
		}
		r := &request{}
		r.Request = *c.template.WithContext(&r.ctx)
		r.URL = &r.url
		if !wire.Request(head, &r.Request) {
			return true
		}
		c.data = c.data[len(head):]
		c.posted = r.Method == http.MethodPost
		_ = c.SetReadDeadline(time.Time{})
		if !c.answer(r) {
			return false
		}
		c.served.Store(true)
		if !c.state.CompareAndSwap(busy, waiting) || c.server.draining.Load() {
			return false
		}
	}
}

// readHead returns the next head, which stays in the buffer. Without one, the
// connection has ended, or is to be passed on.
func (c *conn) readHead() (head string, passes bool) {
	c.tidy()
	served, begun, bounded := c.served.Load(), false, false
	patience := c.server.standard.ReadHeaderTimeout // to begin, and then to go on
	if served {
		patience = c.server.standard.IdleTimeout
	}
	if patience > 0 || served { // the handler may have set another
		c.allow(patience)
	}
	if served && len(c.data) == 0 {
		c.Idle()
	}
	before := c.beforeHead()
	for {
		if len(c.data) > 0 && !begun {
			begun = true
			if !c.state.CompareAndSwap(waiting, busy) {
				return "", false
			}
		}
		before.skip(c)
		end := wire.HeadEnd(c.data)
		if end > 0 && !c.server.refuses(end) {
			return string(c.data[:end]), false
		}
		if begun && served && !bounded {
			bounded = true
			c.allow(c.server.standard.ReadHeaderTimeout)
		}
		if end > 0 || c.server.refuses(len(c.data)) || before.isLookedAt(served) && !c.mayBePlain() && !isOldAndCut(c.data) || !c.makeRoom() {
			return "", true
		}
		if err := c.fill(!begun && served); err != nil {
			return "", begun && errors.Is(err, io.EOF) && before.isLookedAt(served)
		}
	}
}

// allow bounds the time until more is there; 0 is no bound.
func (c *conn) allow(patience time.Duration) {
	var by time.Time
	if patience > 0 {
		by = time.Now().Add(patience)
	}
	_ = c.SetReadDeadline(by)
}

// fill reads into the buffer what there is. When the server is busy, the next
// request is often there once the others have had their turn, which is cheaper
// than to be woken for it.
func (c *conn) fill(asksAgain bool) error {
	yields := asksAgain && c.alone == 0
	if yields {
		runtime.Gosched()
	} else if asksAgain {
		c.alone--
	}
	n, err := c.Read(c.data[len(c.data):cap(c.data)])
	c.data = c.data[:len(c.data)+n]
	if yields && c.Waited() {
		c.alone = lonely
	}
	if n > 0 {
		return nil
	}
	return err
}

// tidy gives back a large buffer that is not needed any more.
func (c *conn) tidy() {
	if len(c.data) > 0 {
		return
	}
	if c.large != nil {
		largeBuffers.Put(c.large)
		c.large, c.buffer = nil, make([]byte, usualHead)
	}
	c.data = c.buffer[:0]
}

// makeRoom makes some behind the data. There is none behind a head that is
// larger than those that are taken.
func (c *conn) makeRoom() bool {
	switch {
	case len(c.data) < cap(c.data):
		return true
	case len(c.data) < len(c.buffer): // the request before is in front of it
	case c.large != nil:
		return false
	default:
		c.large = largeBuffers.Get().(*[largeHead]byte)
		c.buffer = c.large[:]
	}
	c.data = c.buffer[:copy(c.buffer, c.data)]
	return true
}

// readBody reads from a body. What came with the head comes first.
func (c *conn) readBody(p []byte) (int, error) {
	if len(c.data) > 0 {
		n := copy(p, c.data)
		c.data = c.data[n:]
		return n, nil
	}
	return c.Read(p)
}

// answer has the handler answer one request. It tells whether another one may
// follow.
func (c *conn) answer(r *request) bool {
	r.ctx.Init(c.context)
	if r.ContentLength > 0 {
		r.body = body{conn: c, left: r.ContentLength, ctx: &r.ctx}
		r.Body = &r.body
	} else {
		c.WatchDisconnect(&r.ctx)
	}
	r.response = response{conn: c, request: r, length: -1, last: r.Close}
	c.answering = r
	c.server.standard.Handler.ServeHTTP(&r.response, &r.Request)
	c.answering = nil
	c.endContext(r)
	whole := r.response.finish()
	_ = c.SetWriteDeadline(time.Time{})
	if whole && !r.response.last && r.body.leave() {
		return true
	}
	c.leave(r)
	return false
}

// endContext ends the context of a request whose handler has returned.
func (c *conn) endContext(r *request) {
	r.ctx.Cancel(nil)
	c.UnwatchDisconnect()
}

// abort sends what there is of an answer whose handler has panicked, so that the
// client sees one that is cut off, if any.
func (c *conn) abort(r *request) {
	c.endContext(r)
	if r.response.committed {
		_ = r.response.flush()
	}
	c.leave(r)
}

// leave lets a client that is still sending receive the answer: to close the
// connection at once could take it away (RFC 9112 section 9.6).
func (c *conn) leave(r *request) {
	pause := lingerPause
	if !r.body.end() {
		if len(c.data) == 0 {
			return
		}
		pause = nextPause
	}
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	discarded := make([]byte, usualHead)
	end := time.Now().Add(lingerTime)
	for err := error(nil); err == nil && time.Now().Before(end); {
		_ = c.SetReadDeadline(time.Now().Add(pause))
		_, err = c.Read(discarded)
	}
}

package front

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/proxy/wire"
)

const (
	// usualHead is the size of the buffer of a connection, in bytes, and
	// largeHead that of the largest heads that are taken.
	usualHead = 4 << 10
	largeHead = 16 << 10
	// leaveDelay is how long a client that is still sending may take to receive
	// the answer before its connection is closed, as in net/http.
	leaveDelay = 500 * time.Millisecond
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
	served   atomic.Bool   // a request
	template *http.Request // what all its requests have in common

	buffer []byte
	large  *[largeHead]byte // the buffer, when the usual one was too small
	data   []byte           // in the buffer: read, and not yet taken
	alone  int              // requests until it lets others go first again
	broken error            // of a write
}

// request is all that there is of one, in one piece.
type request struct {
	http.Request
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
		s.remove(c)
		if !passes {
			_ = c.Close()
		}
	}()
	c.prepare()
	if passes = c.serve(); passes {
		c.Unread(c.data)
		s.pass(made, nil)
	}
}

// prepare makes what all requests have in common.
func (c *conn) prepare() {
	ctx := context.WithValue(context.Background(), http.ServerContextKey, c.server.standard)
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, c.LocalAddr())
	if c.server.ConnContext != nil {
		ctx = c.server.ConnContext(ctx, c.Conn)
	}
	c.template = (&http.Request{RemoteAddr: c.RemoteAddr().String(), Body: http.NoBody}).WithContext(ctx)
}

// mayClose tells whether the server may close the connection while it waits.
func (c *conn) mayClose() bool {
	return c.served.Load() || time.Since(c.opened) >= newConnGrace
}

// serve answers plain requests until the connection ends or is to be passed on.
func (c *conn) serve() (passes bool) {
	patience := c.server.standard.ReadHeaderTimeout
	for {
		head, passes := c.readHead(patience)
		if head == "" {
			return passes
		}
		r := &request{Request: *c.template}
		r.URL = &r.url
		if !wire.Request(head, &r.Request) {
			return true
		}
		c.data = c.data[len(head):]
		_ = c.SetReadDeadline(time.Time{})
		if !c.answer(r) {
			return false
		}
		c.served.Store(true)
		if !c.state.CompareAndSwap(busy, waiting) || c.server.draining.Load() {
			return false
		}
		patience = c.server.standard.IdleTimeout
	}
}

// readHead gives the next head, which stays in the buffer. Without one, the
// connection has ended, or is to be passed on. The client has that long to
// begin, and the ReadHeaderTimeout to go on.
func (c *conn) readHead(patience time.Duration) (head string, passes bool) {
	if patience > 0 {
		_ = c.SetReadDeadline(time.Now().Add(patience))
	}
	c.tidy()
	for begun := false; ; {
		if len(c.data) > 0 && !begun {
			begun = true
			if !c.state.CompareAndSwap(waiting, busy) {
				return "", false
			}
			if c.served.Load() {
				c.data = bytes.TrimPrefix(c.data, []byte("\r\n")) // RFC 9112 section 2.2
			}
		}
		if end := wire.HeadEnd(c.data); end > 0 {
			return string(c.data[:end]), false
		}
		if !wire.MayBePlain(c.data) {
			return "", true
		}
		if limit := c.server.standard.ReadHeaderTimeout; begun && patience != limit && limit > 0 {
			patience = limit
			_ = c.SetReadDeadline(time.Now().Add(limit))
		}
		if !c.makeRoom() {
			return "", true
		}
		if err := c.fill(!begun && c.served.Load()); err != nil {
			return "", false
		}
	}
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
	if r.ContentLength > 0 {
		r.body = body{conn: c, left: r.ContentLength}
		r.Body = &r.body
	}
	r.response = response{conn: c, request: r, length: -1}
	c.server.standard.Handler.ServeHTTP(&r.response, &r.Request)
	whole := r.response.finish()
	_ = c.SetWriteDeadline(time.Time{})
	if !r.body.leave() {
		c.leave()
		return false
	}
	return whole && !r.response.last
}

// leave lets a client that is still sending receive the answer: to close the
// connection at once could take it away (RFC 9112 section 9.6).
func (c *conn) leave() {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = c.SetReadDeadline(time.Now().Add(leaveDelay))
	_, _ = io.CopyN(io.Discard, c.Conn, maxDrained)
}

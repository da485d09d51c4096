package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/internal/reqctx"
	"gatehouse/proxy/http1/wire"
)

const (
	// bufferSize is the size of a connection's buffer, in bytes. maxHead is the size
	// of the largest heads that are read here.
	bufferSize = 4 << 10
	maxHead    = 16 << 10
	// lingerReadTimeout bounds each read of a lingering close, and lingerTimeout all
	// of them. pipelinedReadTimeout takes the place of lingerReadTimeout when the
	// client has sent only requests that are not answered.
	lingerReadTimeout    = 2 * time.Second
	lingerTimeout        = 10 * time.Second
	pipelinedReadTimeout = 500 * time.Millisecond
)

// States of a connection.
const (
	stateIdle   = iota // no request has begun
	stateActive        // a request is being read or answered
	stateClosed        // the server has closed it
)

// http2Preface begins the preface of HTTP/2, which net/http reads (RFC 9113 section 3.4).
const http2Preface = "PRI * HTTP/2.0"

// conn is a client's connection.
type conn struct {
	Conn
	server   *Server
	opened   time.Time
	state    atomic.Int32
	served   atomic.Bool     // a request was answered
	template *http.Request   // what all its requests have in common
	context  context.Context // parent of their contexts

	buffer   []byte
	large    *[maxHead]byte // the buffer for a head larger than bufferSize; else nil
	data     []byte         // part of buffer that was read and not consumed
	checked  int            // bytes of data that are lines known to be simple
	writeErr error          // the first error of a write

	prevWasPOST bool     // the previous request was a POST
	current     *request // the request whose handler runs; nil for none
}

// request has all that belongs to one request, so that it is one allocation.
type request struct {
	http.Request
	ctx      reqctx.Context
	url      url.URL
	body     body
	response response
}

// largeBuffers holds *[maxHead]byte.
var largeBuffers = sync.Pool{New: func() any { return new([maxHead]byte) }}

// serve serves one connection until it ends or is handed off.
func (s *Server) serve(client Conn) {
	c := &conn{Conn: client, server: s, opened: time.Now(), buffer: make([]byte, bufferSize)}
	if !s.add(c) {
		_ = client.Close()
		return
	}
	handedOff := false
	defer func() {
		if panicked := recover(); panicked != nil && panicked != http.ErrAbortHandler { //nolint:errorlint // the panic's own value, not wrapped
			s.log("http: panic serving %v: %v\n%s", c.RemoteAddr(), panicked, debug.Stack())
		}
		if c.current != nil {
			c.abort(c.current)
		}
		s.remove(c)
		if !handedOff {
			_ = c.Close()
		}
	}()
	if client.Begin() != nil {
		return
	}
	c.prepare()
	if handedOff = c.serve(); handedOff && c.isLatePreface() {
		handedOff = false
		c.lingeringClose(&request{})
	}
	if handedOff {
		if coded := hasHTTP10Coding(c.data); s.HTTP10Head != nil && isHTTP10(c.data) && (coded || !isPartialHTTP10(c.data)) {
			s.HTTP10Head(client, coded)
		}
		c.Unread(c.data)
		s.handOff(client, nil)
	}
}

// isLatePreface reports whether the preface of HTTP/2 follows a request. net/http would
// take it as the first bytes of a connection, which alone may be the preface (RFC 9113
// section 3.4).
func (c *conn) isLatePreface() bool {
	protocols := c.server.standard.Protocols
	return protocols != nil && protocols.UnencryptedHTTP2() && c.served.Load() && bytes.HasPrefix(c.data, []byte(http2Preface))
}

// prepare makes what all requests of the connection have in common.
func (c *conn) prepare() {
	ctx := context.WithValue(context.Background(), http.ServerContextKey, c.server.standard)
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, c.LocalAddr())
	if c.server.standard.ConnContext != nil {
		ctx = c.server.standard.ConnContext(ctx, c.Conn)
	}
	c.context = ctx
	c.template = &http.Request{RemoteAddr: c.RemoteAddr().String(), Body: http.NoBody}
}

// mayClose reports whether the server may close the connection while it is idle.
func (c *conn) mayClose() bool {
	return c.served.Load() || time.Since(c.opened) >= newConnGrace
}

// serve answers simple requests until the connection ends. It reports whether the
// connection is to be handed off.
func (c *conn) serve() (handedOff bool) {
	for {
		head, handedOff := c.readHead()
		if head == "" {
			return handedOff
		}
		r := &request{}
		r.Request = *c.template.WithContext(&r.ctx)
		r.URL = &r.url
		if !wire.Request(head, &r.Request) {
			return true
		}
		c.data = c.data[len(head):]
		c.prevWasPOST = r.Method == http.MethodPost
		_ = c.SetReadDeadline(time.Time{})
		if !c.serveRequest(r) {
			return false
		}
		c.served.Store(true)
		if !c.state.CompareAndSwap(stateActive, stateIdle) || c.server.draining.Load() {
			return false
		}
	}
}

// readHead returns the next head, which stays in the buffer. It returns "" when the
// connection has ended or is to be handed off.
func (c *conn) readHead() (head string, handedOff bool) {
	c.resetBuffer()
	served, active, deadlineSet := c.served.Load(), false, false
	timeout := c.server.standard.ReadHeaderTimeout // for the first byte and then for the rest
	if served {
		timeout = c.server.standard.IdleTimeout
	}
	if timeout > 0 || served { // the handler may have set a deadline
		c.setReadTimeout(timeout)
	}
	if served && len(c.data) == 0 {
		c.Idle()
	}
	breaks := c.newLeadingBreaks()
	for {
		if len(c.data) > 0 && !active {
			active = true
			if !c.state.CompareAndSwap(stateIdle, stateActive) {
				return "", false
			}
		}
		breaks.skip(c)
		end := wire.HeadEnd(c.data)
		if end > 0 && !c.server.isTooLarge(end) {
			return string(c.data[:end]), false
		}
		if active && served && !deadlineSet {
			deadlineSet = true
			c.setReadTimeout(c.server.standard.ReadHeaderTimeout)
		}
		if end > 0 || c.server.isTooLarge(len(c.data)) || breaks.isParseable(served) && !c.mayBeSimple() && !isPartialHTTP10(c.data) || !c.makeRoom() {
			return "", true
		}
		if err := c.fill(); err != nil {
			if active && c.server.HeadTimeout != nil && errors.Is(err, os.ErrDeadlineExceeded) {
				c.server.HeadTimeout(c.Conn)
			}
			return "", active && errors.Is(err, io.EOF) && breaks.isParseable(served)
		}
	}
}

// setReadTimeout sets the read deadline that long from now; 0 means none.
func (c *conn) setReadTimeout(timeout time.Duration) {
	var deadline time.Time
	if timeout > 0 {
		deadline = time.Now().Add(timeout)
	}
	_ = c.SetReadDeadline(deadline)
}

// fill reads once into the buffer. To call runtime.Gosched first, so that the next
// request may have come by then, did not pay. Switched on and off every 100 ms in one
// gateway over loopback, it changed the CPU time of a request by +1.5 % with one
// connection, -3.0 % with 8, +1.8 % with 16, -0.6 % with 64 and +0.1 % with 256, each
// within 2.4 to 4 % (two standard errors).
func (c *conn) fill() error {
	n, err := c.Read(c.data[len(c.data):cap(c.data)])
	c.data = c.data[:len(c.data)+n]
	if n > 0 {
		return nil
	}
	return err
}

// resetBuffer returns a large buffer to its pool when no data is left in it.
func (c *conn) resetBuffer() {
	if len(c.data) > 0 {
		return
	}
	if c.large != nil {
		largeBuffers.Put(c.large)
		c.large, c.buffer = nil, make([]byte, bufferSize)
	}
	c.data = c.buffer[:0]
}

// makeRoom makes room behind the data, if need be in a larger buffer. It reports false
// when the head is larger than maxHead.
func (c *conn) makeRoom() bool {
	switch {
	case len(c.data) < cap(c.data):
		return true
	case len(c.data) < len(c.buffer): // the previous request is in front of it
	case c.large != nil:
		return false
	default:
		c.large = largeBuffers.Get().(*[maxHead]byte)
		c.buffer = c.large[:]
	}
	c.data = c.buffer[:copy(c.buffer, c.data)]
	return true
}

// readBody reads from a body, first what was read together with the head.
func (c *conn) readBody(p []byte) (int, error) {
	if len(c.data) > 0 {
		n := copy(p, c.data)
		c.data = c.data[n:]
		return n, nil
	}
	return c.Read(p)
}

// serveRequest calls the handler for one request and finishes the response. It reports
// whether another request may follow.
func (c *conn) serveRequest(r *request) bool {
	r.ctx.Init(c.context)
	if r.ContentLength > 0 {
		r.body = body{conn: c, left: r.ContentLength, ctx: &r.ctx}
		r.Body = &r.body
	} else {
		c.WatchDisconnect(&r.ctx)
	}
	r.response = response{conn: c, request: r, length: -1, closeAfterReply: r.Close}
	c.current = r
	c.server.standard.Handler.ServeHTTP(&r.response, &r.Request)
	c.current = nil
	c.endContext(r)
	complete := r.response.finish()
	_ = c.SetWriteDeadline(time.Time{})
	if complete && !r.response.closeAfterReply && r.body.discardRest() {
		return true
	}
	c.lingeringClose(r)
	return false
}

// endContext ends the context of a request whose handler has returned.
func (c *conn) endContext(r *request) {
	r.ctx.Cancel(nil)
	c.UnwatchDisconnect()
}

// abort is called when the handler has panicked. It sends what is there of the
// response, so that the client sees that it is cut off, and closes the connection.
func (c *conn) abort(r *request) {
	c.endContext(r)
	if r.response.committed {
		_ = r.response.flush()
	}
	c.lingeringClose(r)
}

// lingeringClose reads and discards what a client still sends, for a while: to close
// the connection at once could take the response away from the client (RFC 9112
// section 9.6).
func (c *conn) lingeringClose(r *request) {
	readTimeout := lingerReadTimeout
	if !r.body.detach() {
		if len(c.data) == 0 {
			return
		}
		readTimeout = pipelinedReadTimeout
	}
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	discarded := make([]byte, bufferSize)
	end := time.Now().Add(lingerTimeout)
	for err := error(nil); err == nil && time.Now().Before(end); {
		_ = c.SetReadDeadline(time.Now().Add(readTimeout))
		_, err = c.Read(discarded)
	}
}

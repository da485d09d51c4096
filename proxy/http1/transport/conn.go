package transport

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
	"time"

	"gatehouse/internal/reqctx"
	"gatehouse/proxy/http1/socket"
	"gatehouse/proxy/http1/wire"
)

// sendGrace is how long the end of a response waits for the goroutine that sends the
// request's body. It has probably sent all, but has not returned.
const sendGrace = 20 * time.Millisecond

var (
	errHeaderSize = errors.New("the head of the backend's answer is too large")
	errSwitched   = errors.New("the backend switched protocols without being asked to")
	errStatus     = errors.New("the backend answered with a status that there is not")
)

// noResponseError is the error when no byte of a response came.
type noResponseError struct {
	cause error
	sent  bool // a part of the request was written
}

func (e *noResponseError) Error() string { return "no answer: " + e.cause.Error() }
func (e *noResponseError) Unwrap() error { return e.cause }

// conn is a connection to a backend. It carries one request at a time.
type conn struct {
	net.Conn
	pools     *pools
	pool      *pool
	socket    *socket.Socket
	reader    *bufio.Reader
	writer    *bufio.Writer
	flush     func() error // writer.Flush
	headLeft  int64        // bytes that the head may still have
	reused    bool         // it has carried a request
	epoch     uint         // of the pool, when the connection became idle
	lastEpoch uint         // of the pool: the last in which it takes requests; 0 means no bound

	waiter       BodyWaiter      // called by the first read of the body; nil afterwards
	writePending bool            // the request is still buffered; the first Read flushes it
	idleChecked  bool            // the connection was checked with IsIdle, or is new
	written      int64           // bytes of the request; by the sending goroutine
	writeFailed  bool            // a write failed; by the sending goroutine
	sent         chan struct{}   // closed when sendBody has ended; nil without a body
	bodyErr      error           // the error of reading the body; set before sent is closed
	context      *reqctx.Context // of the request, if it takes subscribers; else nil
	release      func() bool     // ends the watch of any other context
	closing      sync.Once
}

func newConn(netConn net.Conn, pools *pools, pool *pool) *conn {
	c := &conn{Conn: netConn, pools: pools, pool: pool, socket: socket.New(netConn)}
	c.reader = bufio.NewReader(connReader{c})
	c.writer = bufio.NewWriter(connWriter{c})
	c.flush = c.writer.Flush
	return c
}

// connReader and connWriter are what the connection's buffers read from and write
// to.
type (
	connReader struct{ *conn }
	connWriter struct{ *conn }
)

// Read implements io.Reader. It returns an error when the head is too large.
func (i connReader) Read(p []byte) (int, error) {
	if i.headLeft <= 0 {
		return 0, errHeaderSize
	}
	p = p[:min(int64(len(p)), i.headLeft)]
	var n int
	var err error
	if i.writePending {
		checkIdle := !i.idleChecked
		i.writePending, i.idleChecked = false, true
		n, err = i.socket.WriteThenRead(checkIdle, i.flush, p)
	} else {
		n, err = i.readBytes(p)
	}
	i.headLeft -= int64(n)
	return n, err
}

// readBytes reads from the socket. It calls the BodyWaiter, if the first bytes of a
// body are not there.
func (c *conn) readBytes(p []byte) (n int, err error) {
	if waiter := c.waiter; waiter != nil {
		c.waiter = nil
		n, ready, err := c.socket.ReadNow(p)
		if ready {
			return n, err
		}
		waiter.BodyAwaited()
	}
	return c.socket.Read(p)
}

// Write implements io.Writer. Before the first bytes on a reused connection it checks
// that the backend has not closed it.
func (o connWriter) Write(p []byte) (int, error) {
	if !o.idleChecked {
		if o.idleChecked = true; !o.socket.IsIdle() {
			o.writeFailed = true
			return 0, socket.ErrStale
		}
	}
	n, err := o.socket.Write(p)
	o.written += int64(n)
	if err != nil {
		o.writeFailed = true
	}
	return n, err
}

// ReadFrom implements io.ReaderFrom, so that a bufio.Writer does not buffer a body:
// what the client has sent is written at once.
func (o connWriter) ReadFrom(body io.Reader) (int64, error) {
	buffer := o.pools.buffers.Get().(*[copyBuffer]byte)
	defer o.pools.buffers.Put(buffer)
	return io.CopyBuffer(struct{ io.Writer }{o}, body, buffer[:])
}

// exchange sends a request and reads the head of its response. After an error the
// connection cannot be used any more.
func (c *conn) exchange(r *http.Request, head []byte) (*http.Response, error) {
	c.written, c.sent, c.bodyErr, c.idleChecked = 0, nil, nil, !c.reused
	c.watch(r.Context())
	if err := c.send(r, head); err != nil {
		return nil, &noResponseError{err, c.written > 0}
	}
	res, err := c.receive(r)
	if err != nil {
		if c.waitSent(0) && c.bodyErr != nil {
			return nil, c.bodyErr
		}
		return nil, err
	}
	c.attachBody(r, res)
	return res, nil
}

// waitSent waits until the request has been sent, at most for timeout. It reports
// whether that is so.
func (c *conn) waitSent(timeout time.Duration) bool {
	if c.sent == nil {
		return true
	}
	select {
	case <-c.sent:
		return true
	default:
	}
	if timeout == 0 {
		return false
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-c.sent:
		return true
	case <-timer.C:
		return false
	}
}

// send sends the request. One without a body may stay in the buffer: then the first
// Read of the response writes it. A goroutine sends a body.
func (c *conn) send(r *http.Request, head []byte) error {
	if hasBody(r) {
		if !c.idleChecked && !c.socket.IsIdle() { // before the body is read
			return socket.ErrStale
		}
		c.idleChecked = true
		c.sent = make(chan struct{})
		go c.sendBody(r)
		return nil
	}
	err := c.writeRequest(r, head)
	if c.writePending = c.socket.CanWriteThenRead(); err == nil && !c.writePending {
		err = c.flush()
	}
	if err != nil {
		return fmt.Errorf("write request: %w", err)
	}
	return nil
}

// writeRequest writes a request without a body into the buffer.
func (c *conn) writeRequest(r *http.Request, head []byte) error {
	if head == nil {
		var ok bool
		if head, ok = wire.AppendRequest(c.writer.AvailableBuffer(), r); !ok {
			return r.Write(c.writer)
		}
	}
	_, err := c.writer.Write(head)
	return err
}

// sendBody sends a request that has a body. When reading the body fails, the
// connection is closed, since no backend answers half of it. When writing fails, a
// response may be there.
func (c *conn) sendBody(r *http.Request) {
	body := &requestBody{ReadCloser: r.Body}
	r = r.WithContext(r.Context())
	r.Body = body
	err := r.Write(c.writer)
	if err == nil {
		err = c.flush()
	}
	var bodyErr error
	if err != nil && !c.writeFailed {
		bodyErr = cmp.Or(body.err, err) // net/http hides the error of the body
	}
	c.bodyErr = bodyErr
	close(c.sent) // from now on the connection may carry another request
	if bodyErr != nil {
		c.discard()
	}
}

// requestBody records the error of a read.
type requestBody struct {
	io.ReadCloser
	err error
}

// Read implements io.Reader.
func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// receive reads the head of the response, and all 1xx heads before it (RFC 9110
// section 15.2).
func (c *conn) receive(r *http.Request) (*http.Response, error) {
	c.headLeft = c.pools.options.MaxHeaderBytes
	if _, err := c.reader.Peek(1); err != nil {
		// sendBody may have written some of the request.
		return nil, &noResponseError{fmt.Errorf("read response: %w", err), c.sent != nil || c.written > 0}
	}
	trace := httptrace.ContextClientTrace(r.Context())
	for {
		res, err := c.readResponse(r)
		switch {
		case err != nil:
			return nil, fmt.Errorf("read response: %w", err)
		case res.StatusCode < 100: // not an informational response
			return nil, errStatus
		case res.StatusCode == http.StatusSwitchingProtocols:
			return nil, errSwitched
		case res.StatusCode >= 200:
			c.headLeft = math.MaxInt64
			return res, nil
		case trace != nil && trace.Got1xxResponse != nil:
			if err := trace.Got1xxResponse(res.StatusCode, textproto.MIMEHeader(res.Header)); err != nil {
				return nil, err
			}
			c.headLeft = c.pools.options.MaxHeaderBytes // the caller bounds their number
		}
	}
}

// readResponse reads one head. net/http parses it when it is not simple or not
// completely buffered.
func (c *conn) readResponse(r *http.Request) (*http.Response, error) {
	buffered, _ := c.reader.Peek(c.reader.Buffered())
	if end := wire.HeadEnd(buffered); end > 0 {
		if res, ok := wire.Response(string(buffered[:end]), r.Method); ok {
			_, _ = c.reader.Discard(end)
			res.Request = r
			return res, nil
		}
	}
	return http.ReadResponse(c.reader, r)
}

// attachBody hands the connection to the body of the response. Without a body, it
// returns the connection to the pool.
func (c *conn) attachBody(r *http.Request, res *http.Response) {
	closeAfter := res.Close || r.Close
	if r.Method == http.MethodHead || res.Body == http.NoBody || res.ContentLength == 0 {
		res.Body = http.NoBody
		c.finish(closeAfter)
		return
	}
	if res.ContentLength > 0 && c.reader.Buffered() == 0 {
		c.waiter = hooksOf(r.Context()).BodyAwaited
	}
	b := &body{source: res.Body, conn: c, ctx: r.Context(), closeAfter: closeAfter}
	if res.Body == nil { // package wire has parsed the head
		b.fixed = fixedBody{c.reader, res.ContentLength}
		b.source = &b.fixed
	}
	res.Body = b
}

// finish is called after a complete response. It returns the connection to the pool,
// unless it may not carry another request: one side wants to close, the request was
// not completely sent, or more was read than the response.
func (c *conn) finish(closeAfter bool) {
	if !c.unwatch() || closeAfter || !c.socket.CanWriteThenRead() || !c.waitSent(sendGrace) || c.bodyErr != nil || c.writeFailed || c.reader.Buffered() > 0 {
		c.discard()
		return
	}
	c.reused, c.context, c.release, c.waiter = true, nil, nil, nil // an idle connection keeps nothing of the request in memory
	c.pools.put(c)
}

// discard closes the connection, which interrupts reads and writes.
func (c *conn) discard() {
	c.unwatch()
	c.closeConn()
}

// ContextEnded implements reqctx.Subscriber.
func (c *conn) ContextEnded() { c.closeConn() }

// watch closes the connection when the context ends, until unwatch is called. For a
// context that takes subscribers it does not allocate.
func (c *conn) watch(ctx context.Context) {
	if c.context = reqctx.Of(ctx); c.context != nil {
		c.context.Subscribe(c)
	} else {
		c.release = context.AfterFunc(ctx, c.closeConn)
	}
}

// unwatch reports whether the context had not ended.
func (c *conn) unwatch() bool {
	switch {
	case c.context != nil:
		return c.context.Unsubscribe(c)
	case c.release != nil:
		return c.release()
	}
	return true
}

// closeConn closes the connection once. It is also called when the context ends.
func (c *conn) closeConn() {
	c.closing.Do(func() {
		_ = c.Close()
		c.pools.release(c.pool)
	})
}

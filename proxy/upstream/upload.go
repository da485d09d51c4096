package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// answerGrace is how long http.Transport may take over an answer that came just
// before the end of its connection, or over another attempt.
const answerGrace = time.Second

// Upload is the body of a request that wants to know when nobody will answer it.
// http.Transport does not return before it has read the body to its end, or to an
// error, though its connection over HTTP/1.1 has been closed, or its stream over
// HTTP/2 has been reset: it would wait for a client that pauses, and that would be
// blamed (issue 10).
type Upload interface {
	// OnClose has closed called when http.Transport closes the body.
	OnClose(closed func())
	// BackendLost is called at most once.
	BackendLost()
	// BodyAbandoned is called when a write to the connection has failed: nothing more
	// of the body is sent. http.Transport closes the body when it gets the error. That
	// error is delayed until the answer has been read (socket.DelayWriteErrors), and
	// the answer may wait for the end of the body (issue 10).
	BodyAbandoned()
}

// uploadWatch looks after one Upload until it is closed. From then on no connection
// refers to the request.
type uploadWatch struct {
	ctx  context.Context // of the request
	body Upload

	mu       sync.Mutex
	conn     *conn // that it is sent on; nil while there is none
	timer    *time.Timer
	closed   bool // http.Transport has closed the body that it sent on conn
	returned bool // RoundTrip has returned
}

// watchUpload is the request with a watch over its body, and what to call when
// RoundTrip returns.
func watchUpload(r *http.Request) (*http.Request, func()) {
	body, ok := r.Body.(Upload)
	if !ok {
		return r, func() {}
	}
	w := &uploadWatch{ctx: r.Context(), body: body}
	body.OnClose(w.bodyClosed)
	return r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GetConn: func(string) { w.detach() },
		GotConn: func(got httptrace.GotConnInfo) { w.attach(got.Conn) },
	})), w.roundTripReturned
}

// attach says which connection the body is sent on.
func (w *uploadWatch) attach(made net.Conn) {
	if secure, ok := made.(*tls.Conn); ok {
		made = secure.NetConn()
	}
	c, ok := made.(*conn)
	if !ok {
		return
	}
	w.detach()
	w.mu.Lock()
	w.conn, w.closed = c, false
	w.mu.Unlock()
	c.upload.Store(w)
	if c.closed.Load() {
		w.connClosed(c)
	}
}

// detach says that the body is on no connection.
func (w *uploadWatch) detach() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conn != nil {
		w.conn.upload.CompareAndSwap(w, nil)
	}
	if w.timer != nil {
		w.timer.Stop()
	}
	w.conn, w.timer = nil, nil
}

// connClosed says that a connection was closed.
func (w *uploadWatch) connClosed(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conn == c {
		w.startTimer(c)
	}
}

// writeFailed says that a write to a connection has failed. It may be called after
// RoundTrip has returned: the answer is there, and the body is still being sent. Once
// the body is closed another attempt may read it, on another connection.
func (w *uploadWatch) writeFailed(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conn == c && !w.closed {
		w.body.BodyAbandoned()
	}
}

// bodyClosed says that http.Transport has closed the body.
func (w *uploadWatch) bodyClosed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.conn != nil {
		w.conn.upload.CompareAndSwap(w, nil)
		w.startTimer(w.conn)
	}
}

// roundTripReturned says that nobody waits for an answer any more.
func (w *uploadWatch) roundTripReturned() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.returned = true
	if w.timer != nil {
		w.timer.Stop()
	}
}

// startTimer notifies the body when RoundTrip has not returned after a while, nor taken
// another connection. It needs mu.
func (w *uploadWatch) startTimer(c *conn) {
	if w.timer != nil || w.returned {
		return
	}
	w.timer = time.AfterFunc(answerGrace, func() {
		w.mu.Lock()
		waits := w.conn == c && !w.returned && w.ctx.Err() == nil
		w.mu.Unlock()
		if waits {
			w.body.BackendLost()
		}
	})
}

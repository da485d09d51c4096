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

// answerGrace is how long http.Transport may take to return after its connection has ended:
// it may still return an answer that came just before, or make another attempt.
const answerGrace = time.Second

// Upload is a request body that is notified when the request will get no answer. After the
// connection was closed, or the HTTP/2 stream was reset, http.Transport still reads the
// body to its end or to an error before it returns. So it would wait for a client that
// pauses, and the client would get the blame (issue 10).
type Upload interface {
	// OnClose sets a function that is called when http.Transport closes the body.
	OnClose(closed func())
	// BackendLost is called when the request will get no answer. It is called at most
	// once.
	BackendLost()
	// BodyAbandoned is called when a write to the connection has failed, so that no more
	// of the body is sent. http.Transport closes the body only when it gets the error.
	// That error is delayed until the answer has been read (socket.DelayWriteErrors),
	// and the answer may wait for the end of the body (issue 10).
	BodyAbandoned()
}

// uploadWatch watches the connection of one Upload until the body is closed. After that, no
// connection refers to the request.
type uploadWatch struct {
	ctx  context.Context // of the request
	body Upload

	mu       sync.Mutex
	conn     *conn       // the connection that the body is sent on; nil without one
	timer    *time.Timer // calls BackendLost; nil while it is not needed
	closed   bool        // http.Transport has closed the body that it sent on conn
	returned bool        // RoundTrip has returned
}

// watchUpload returns the request with an uploadWatch, if its body is an Upload. The
// function must be called when RoundTrip has returned.
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

// attach is called with the connection that the body is sent on.
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

// detach is called when the body is not sent on a connection any more.
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

// connClosed is called when a connection was closed.
func (w *uploadWatch) connClosed(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conn == c {
		w.startTimer(c)
	}
}

// writeFailed is called when a write to a connection has failed. It may be called after
// RoundTrip has returned, when the answer came before the whole body was sent. It does
// nothing after the body was closed, because another attempt may then read the body on
// another connection.
func (w *uploadWatch) writeFailed(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conn == c && !w.closed {
		w.body.BodyAbandoned()
	}
}

// bodyClosed is called when http.Transport has closed the body.
func (w *uploadWatch) bodyClosed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.conn != nil {
		w.conn.upload.CompareAndSwap(w, nil)
		w.startTimer(w.conn)
	}
}

// roundTripReturned is called when RoundTrip has returned. It stops the timer.
func (w *uploadWatch) roundTripReturned() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.returned = true
	if w.timer != nil {
		w.timer.Stop()
	}
}

// startTimer starts a timer that calls BackendLost, unless RoundTrip returns or uses another
// connection within answerGrace. The caller holds w.mu.
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

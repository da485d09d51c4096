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
	// OnClose has closed called when http.Transport closes the body; nil ends that.
	OnClose(closed func())
	// BackendLost is called at most once.
	BackendLost()
}

// uploadWatch looks after one Upload while RoundTrip has not returned.
type uploadWatch struct {
	ctx  context.Context // of the request
	body Upload

	mu    sync.Mutex
	conn  *conn // that it is sent on; nil while there is none
	timer *time.Timer
}

// watchUpload is the request with a watch over its body, and the end of that.
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
		})), func() {
			body.OnClose(nil)
			w.detach()
		}
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
	w.conn = c
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

// bodyClosed says that http.Transport has closed the body.
func (w *uploadWatch) bodyClosed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conn != nil {
		w.startTimer(w.conn)
	}
}

// startTimer notifies the body when RoundTrip has not returned after a while, nor taken
// another connection. It needs mu.
func (w *uploadWatch) startTimer(c *conn) {
	if w.timer != nil {
		return
	}
	w.timer = time.AfterFunc(answerGrace, func() {
		w.mu.Lock()
		waits := w.conn == c && w.ctx.Err() == nil
		w.mu.Unlock()
		if waits {
			w.body.BackendLost()
		}
	})
}

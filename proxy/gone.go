package proxy

import (
	"context"
	"io"
	"net/http"
)

// This file notices a client that leaves while its request is answered. Of the
// requests that net/http's server has read, that does so itself.

// look implements impatient: when the request has taken a moment, it is to end
// when the client leaves. What is left of a body tells of that by itself, to
// whoever reads it.
func (x *exchange) look() {
	if x.read.Load() {
		x.conn.watch(func() { x.cancel(context.Canceled) })
	}
}

// wasRead says that the request has been read to its end.
func (x *exchange) wasRead() {
	x.read.Store(true)
	x.patience.lookSoon()
}

// noticeEnd is the request with a body that tells when it was read.
func (x *exchange) noticeEnd(r *http.Request) *http.Request {
	if x.conn == nil || r.ContentLength == 0 {
		return r
	}
	with := *r
	with.Body = &noticedBody{r.Body, x.wasRead}
	return &with
}

type noticedBody struct {
	io.ReadCloser
	whole func()
}

// Read implements io.Reader.
func (b *noticedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.whole()
	}
	return n, err
}

package transport

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"sync/atomic"
)

// body is the body of a response. At its end the connection returns to the pool. Close
// before the end closes the connection.
type body struct {
	source     io.Reader
	fixed      fixedBody // the source, when package wire has parsed the head
	conn       *conn
	ctx        context.Context
	closeAfter bool                  // the connection is not used again
	result     atomic.Pointer[error] // what Read returns from now on; nil before the end
}

var errEOF = io.EOF

// NotifyingBody is a response body that calls Hooks.BodyAwaited.
type NotifyingBody interface {
	io.ReadCloser
	NotifiesWaiter()
}

var _ NotifyingBody = (*body)(nil)

// NotifiesWaiter implements NotifyingBody.
func (*body) NotifiesWaiter() {}

// Read implements io.Reader. The trailers are there when it has returned io.EOF.
func (b *body) Read(p []byte) (int, error) {
	if result := b.result.Load(); result != nil {
		return 0, *result
	}
	n, err := b.source.Read(p)
	if err == nil {
		return n, nil
	}
	complete := err == io.EOF
	result := &errEOF
	if !complete {
		result = new(causeOr(b.ctx, err))
	}
	if !b.result.CompareAndSwap(nil, result) {
		return n, *b.result.Load()
	}
	if complete {
		b.conn.finish(b.closeAfter)
	} else {
		b.conn.discard()
	}
	return n, *result
}

// Close implements io.Closer.
func (b *body) Close() error {
	if b.result.CompareAndSwap(nil, &http.ErrBodyReadAfterClose) {
		b.conn.discard()
	}
	return nil
}

// fixedBody reads a body of known length.
type fixedBody struct {
	reader *bufio.Reader
	left   int64
}

// Read implements io.Reader. It returns io.EOF together with the last bytes.
func (b *fixedBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.reader.Read(p[:min(int64(len(p)), b.left)])
	switch b.left -= int64(n); {
	case b.left == 0:
		err = io.EOF
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

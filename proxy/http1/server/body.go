package server

import (
	"io"
	"net/http"
	"sync"
	"time"

	"gatehouse/internal/reqctx"
)

// maxDiscard is how much of a body that nobody has read is read for the sake of
// the next request, in bytes, as in net/http.
const maxDiscard = 256 << 10

// body is a request's body of known length.
type body struct {
	conn *conn
	ctx  *reqctx.Context // of the request

	mu     sync.Mutex // who answers may still read while the answer begins
	left   int64
	closed bool
	err    error
	// watched is set when the body has been read to its end, and the client that
	// leaves is looked for.
	watched bool
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.read(p)
	if err == io.EOF && !b.watched { //nolint:errorlint // io.Reader gives it as it is
		b.watched = true
		b.conn.WatchDisconnect(b.ctx) // what else comes is not part of the body
	}
	return n, err
}

func (b *body) read(p []byte) (int, error) {
	switch {
	case b.err != nil:
		return 0, b.err
	case b.left == 0:
		return 0, io.EOF
	}
	n, err := b.conn.readBody(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case b.left == 0:
		return n, io.EOF
	case err == io.EOF: //nolint:errorlint // io.Reader gives it as it is
		b.err = io.ErrUnexpectedEOF
	default:
		b.err = err
	}
	return n, b.err
}

// Close implements io.Closer. What is left of the body is read when the request
// has been answered.
func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// discardRest reads what is left, if that is little: then there is nothing for the
// handler any more, and the next request begins here.
func (b *body) discardRest() bool {
	if b.conn == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.left >= maxDiscard:
		return false
	case b.left > 0:
		buf := blockPool.Get().(*[blockSize]byte)
		for b.left > 0 && b.err == nil {
			_, _ = b.read(buf[:])
		}
		blockPool.Put(buf)
	}
	b.closed = b.closed || b.left == 0
	return b.left == 0
}

// detach takes the body away from whoever may still be reading it. It tells
// whether something was left.
func (b *body) detach() (unread bool) {
	if b.conn == nil {
		return false
	}
	if !b.mu.TryLock() {
		_ = b.conn.SetReadDeadline(time.Unix(1, 0)) // somebody waits for more of it
		b.mu.Lock()
	}
	defer b.mu.Unlock()
	b.closed = true
	return b.left > 0
}

package server

import (
	"io"
	"net/http"
	"sync"
	"time"

	"gatehouse/internal/reqctx"
)

// maxDiscard is the number of bytes of an unread body that are read so that the
// connection can be used again, as in net/http.
const maxDiscard = 256 << 10

// body is the body of a request, of known length.
type body struct {
	conn *conn
	ctx  *reqctx.Context // of the request

	mu     sync.Mutex // the handler may read while the response begins
	left   int64
	closed bool
	err    error
	// watched reports whether the body has been read to its end, so that the
	// connection watches for the client's disconnect.
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
	if err == io.EOF && !b.watched { //nolint:errorlint // an io.Reader returns it unwrapped
		b.watched = true
		b.conn.WatchDisconnect(b.ctx) // what comes next is not part of the body
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
	case err == io.EOF: //nolint:errorlint // an io.Reader returns it unwrapped
		b.err = io.ErrUnexpectedEOF
	default:
		b.err = err
	}
	return n, b.err
}

// Close implements io.Closer. The rest of the body is read when the request has been
// answered.
func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// discardRest reads the rest of the body, if it is small. It reports whether the body
// has been read to its end, so that the next request begins there.
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

// detach makes all further reads fail, and interrupts one that is under way. It
// reports whether some of the body was not read.
func (b *body) detach() (unread bool) {
	if b.conn == nil {
		return false
	}
	if !b.mu.TryLock() {
		_ = b.conn.SetReadDeadline(time.Unix(1, 0)) // interrupts a Read that waits
		b.mu.Lock()
	}
	defer b.mu.Unlock()
	b.closed = true
	return b.left > 0
}

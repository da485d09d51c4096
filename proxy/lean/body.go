package lean

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"sync/atomic"
)

// body is the body of an answer. At its end the connection is given back;
// whoever closes it before does not wait for the rest.
type body struct {
	source io.Reader
	known  knownBody // the source, of a plain answer
	conn   *conn
	ctx    context.Context
	last   bool                  // no other request follows on the connection
	end    atomic.Pointer[error] // what Read gives from now on; nil while more may come
}

var atEnd = io.EOF

// TellsOfWaits marks a body whose Waiter is told.
func (*body) TellsOfWaits() {}

// Read implements io.Reader. Trailers are there when it has given io.EOF.
func (b *body) Read(p []byte) (int, error) {
	if end := b.end.Load(); end != nil {
		return 0, *end
	}
	n, err := b.source.Read(p)
	if err == nil {
		return n, nil
	}
	whole := err == io.EOF
	end := &atEnd
	if !whole {
		end = new(endOf(b.ctx, err))
	}
	if !b.end.CompareAndSwap(nil, end) {
		return n, *b.end.Load()
	}
	if whole {
		b.conn.finish(b.last)
	} else {
		b.conn.discard()
	}
	return n, *end
}

// Close implements io.Closer.
func (b *body) Close() error {
	if b.end.CompareAndSwap(nil, &http.ErrBodyReadAfterClose) {
		b.conn.discard()
	}
	return nil
}

// knownBody reads a body of known length.
type knownBody struct {
	reader *bufio.Reader
	left   int64
}

// Read implements io.Reader. The last bytes come with io.EOF.
func (b *knownBody) Read(p []byte) (int, error) {
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

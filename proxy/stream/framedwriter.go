package stream

import (
	"io"
	"net"
	"sync"
	"time"
)

// framedWriter writes one direction of a WebSocket, and can end it between two
// frames.
type framedWriter struct {
	w io.Writer

	mu     sync.Mutex
	frames frames
	final  []byte        // the close frame; nil until endWith is called
	ended  chan struct{} // closed when final has been written, or writing it has failed
}

// Write implements io.Writer. After endWith was called, it writes only the rest of the
// current frame.
func (f *framedWriter) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.final == nil {
		n, err := f.w.Write(p)
		f.frames.advance(p[:n], false)
		return n, err
	}
	n := f.frames.advance(p, true)
	if n, err := f.w.Write(p[:n]); err != nil {
		return n, err
	}
	f.finish()
	if n < len(p) {
		return n, net.ErrClosed
	}
	return n, nil
}

// finish writes the close frame, unless another frame is incomplete.
func (f *framedWriter) finish() {
	if !f.frames.atBoundary() {
		return
	}
	select {
	case <-f.ended:
	default:
		_, _ = f.w.Write(f.final)
		close(f.ended)
	}
}

// endWith writes a close frame as soon as the current frame is complete. It returns when
// the close frame is written, or after closeTimeout.
func (f *framedWriter) endWith(last []byte) {
	f.mu.Lock()
	if f.final == nil {
		f.final, f.ended = last, make(chan struct{})
	}
	f.finish()
	ended := f.ended
	f.mu.Unlock()
	select {
	case <-ended:
	case <-time.After(closeTimeout):
	}
}

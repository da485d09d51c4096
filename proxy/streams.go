package proxy

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// closeTimeout is how long a peer may take to receive the end of a stream.
const closeTimeout = time.Second

// streams are the upgraded connections of a gateway, which net/http no longer
// knows of: they are ended here.
type streams struct {
	mu    sync.Mutex
	live  map[*stream]struct{}
	empty chan struct{} // closed while live is empty and somebody waits
}

// stream is one upgraded connection, as the client's net.Conn. Both its
// directions are written through a framedWriter where it is a WebSocket.
type stream struct {
	net.Conn
	streams  *streams
	toClient io.Writer
	buffered []byte // read from the client with its request; for Read
	a        *attempt
	sent     atomic.Int64 // bytes written to the client
	once     sync.Once
}

// halfCloseTimeout is how long a WebSocket may be silent when one side has ended its
// connection: there is no half of a WebSocket (RFC 6455 section 7.1.1), and the
// other side may never have noticed.
const halfCloseTimeout = 5 * time.Second

func (s *streams) add(conn net.Conn, early []byte, a *attempt) *stream {
	made := &stream{Conn: conn, streams: s, toClient: conn, buffered: early, a: a}
	if a.upgradeStream != nil && a.upgradeStream.frames != nil {
		made.toClient = &framedWriter{w: conn}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == nil {
		s.live = map[*stream]struct{}{}
	}
	s.live[made] = struct{}{}
	return made
}

// Read implements net.Conn: from the client to the backend.
func (s *stream) Read(p []byte) (int, error) {
	if len(s.buffered) > 0 {
		n := copy(p, s.buffered)
		s.buffered = s.buffered[n:]
		return n, nil
	}
	n, err := s.Conn.Read(p)
	if err == io.EOF { //nolint:errorlint // as an io.Reader gives it
		s.a.upgradeStream.onHalfClose()
	}
	return n, err
}

// Write implements net.Conn: from the backend to the client.
func (s *stream) Write(p []byte) (int, error) {
	n, err := s.toClient.Write(p)
	s.sent.Add(int64(n))
	s.a.x.metrics.Sent(int64(n))
	return n, err
}

// CloseWrite passes a half-close on.
func (s *stream) CloseWrite() error {
	if half, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return s.Close()
}

// Close implements net.Conn; httputil calls it when the stream has ended.
func (s *stream) Close() error {
	s.once.Do(func() {
		s.streams.mu.Lock()
		defer s.streams.mu.Unlock()
		delete(s.streams.live, s)
		if len(s.streams.live) == 0 && s.streams.empty != nil {
			close(s.streams.empty)
			s.streams.empty = nil
		}
	})
	return s.Conn.Close()
}

// endWith closes the stream: a WebSocket with a close frame both ways, between two
// frames; anything else, or one whose peer does not take it, as it is.
func (s *stream) endWith(code uint16) {
	_ = s.SetDeadline(time.Now().Add(closeTimeout))
	if framed, ok := s.toClient.(*framedWriter); ok {
		framed.endWith(closeFrame(code, false))
		s.a.upgradeStream.frames.endWith(closeFrame(code, true))
	}
	_ = s.Close()
}

// drain waits for the streams to end by themselves until the context does, and
// ends those that are left.
func (s *streams) drain(ctx context.Context) (left int) {
	s.mu.Lock()
	if len(s.live) == 0 {
		s.mu.Unlock()
		return 0
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	none := s.empty
	s.mu.Unlock()
	select {
	case <-none:
		return 0
	case <-ctx.Done():
	}

	s.mu.Lock()
	var remaining []*stream
	for live := range s.live {
		remaining = append(remaining, live)
	}
	s.mu.Unlock()
	var ending sync.WaitGroup
	for _, live := range remaining {
		ending.Go(func() { live.endWith(closeGoingAway) })
	}
	ending.Wait()
	return len(remaining)
}

// framedWriter writes one direction of a WebSocket, and can end it between two
// frames.
type framedWriter struct {
	w io.Writer

	mu     sync.Mutex
	frames frames
	final  []byte        // the close frame, once the direction is to end
	ended  chan struct{} // closed when final is out, or cannot be
}

// Write implements io.Writer. Once the direction is to end it finishes the
// frame that has begun, and nothing after that.
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

// finish writes the close frame when it is its turn.
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

// endWith writes the last frame as soon as the one that has begun is complete, and
// waits for that, for a bounded time.
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

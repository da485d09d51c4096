package forward

import (
	"errors"
	"io"
	"net/http"
	"time"

	"gatehouse/proxy/upstream"
)

// This file handles answers that begin before the end of the request body. A backend may
// answer without reading a small body. Often the body has arrived by then, but the gateway
// has not read it yet. Such an answer would have to close the client's connection (RFC
// 9112 section 9.3, issue 10). So it first waits for the end of the body.

const (
	// maxEarlyWait is how many bytes of a body may be unread for an answer to wait for
	// its end, as in net/http.
	maxEarlyWait = 256 << 10
	// earlyAnswerGrace is how long an answer waits. Some clients wait for the answer
	// before they send the rest; they get it after that time.
	earlyAnswerGrace = 500 * time.Millisecond
)

// transportBody is the body that the transport gets. It records when the transport stops
// reading.
type transportBody struct {
	io.ReadCloser
	client *clientBody
	// attempt is the number of attempts before this one. A transport may still use the
	// body of an attempt that has failed; it has no effect on the next attempt.
	attempt int
}

var _ upstream.Upload = (*transportBody)(nil)

// Read implements io.Reader.
func (s *transportBody) Read(p []byte) (int, error) {
	if s.client.keepsOpen && !s.client.mayRead(s.attempt) {
		return 0, errBodyAbandoned
	}
	return s.ReadCloser.Read(p)
}

// Close implements io.Closer.
func (s *transportBody) Close() error {
	s.BodyAbandoned()
	s.client.mu.Lock()
	closed := s.client.onClose
	if s.attempt != s.client.attempt {
		closed = nil
	}
	s.client.mu.Unlock()
	if closed != nil {
		closed()
	}
	return s.ReadCloser.Close()
}

// OnClose implements upstream.Upload.
func (s *transportBody) OnClose(closed func()) {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	if s.attempt == s.client.attempt {
		s.client.onClose = closed
	}
}

// BodyAbandoned implements upstream.Upload.
func (s *transportBody) BodyAbandoned() {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	if s.attempt == s.client.attempt {
		s.client.released = true
		s.client.signalDone()
	}
}

// errBackendLost is the cause when the backend is lost before the client has sent its whole
// body.
var errBackendLost = errors.New("backend closed the connection before the request body had ended")

// BackendLost implements upstream.Upload. It makes a read from the client fail.
func (s *transportBody) BackendLost() {
	b := s.client
	b.mu.Lock()
	waits := s.attempt == b.attempt && b.phase == bodyUploading && !b.ended
	if waits {
		b.phase = bodyAbandoned
	}
	b.mu.Unlock()
	if waits {
		b.setRefusal(ErrUpstream.Because(errBackendLost)) // before the read fails, which would blame the client
		_ = b.control.SetReadDeadline(time.Unix(1, 0))
	}
}

// signalDone wakes waitForEnd. The caller holds b.mu.
func (b *clientBody) signalDone() {
	if b.readDone != nil {
		close(b.readDone)
		b.readDone = nil
	}
}

// waitForEnd waits until the whole body has been read, for at most earlyGrace. It returns at
// once when much of the body is unread, or when the client waits for a 100. It reads the
// rest itself when the transport does not.
func (b *clientBody) waitForEnd() {
	rest := b.remaining.Load()
	b.mu.Lock()
	if b.ended || b.expects || rest < 0 || rest > maxEarlyWait || b.refusal.Load() != nil {
		b.mu.Unlock()
		return
	}
	by := time.Now().Add(b.earlyGrace)
	released, settled := b.released, make(chan struct{})
	if !released {
		b.readDone = settled
	}
	b.mu.Unlock()
	if !released {
		timer := time.NewTimer(time.Until(by))
		defer timer.Stop()
		select {
		case <-settled:
		case <-timer.C:
			return
		}
	}
	if !b.complete() && b.refusal.Load() == nil {
		b.discardRest(by)
	}
}

// discardRest reads the part of the body that the transport has not read, until the time
// by.
func (b *clientBody) discardRest(by time.Time) {
	_ = b.control.SetReadDeadline(by)
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.complete() {
		return
	}
	if b.copy != nil {
		b.copy.drop(MirrorIncomplete) // the rest goes nowhere
	}
	n, err := io.Copy(io.Discard, b.ReadCloser)
	b.received.Add(n)
	if err == nil {
		b.finish()
	}
	b.deadline(0)
}

// newClientBody returns the clientBody of a request with a body.
func newClientBody(t *Transfer, control *http.ResponseController) *clientBody {
	limit, in := int64(t.backend.config.MaxBody), t.In
	b := &clientBody{
		ReadCloser: in.Body, control: control, idle: t.backend.config.IdleTimeout, left: limit, bounded: limit > 0,
		expects: len(in.Header["Expect"]) > 0 && !t.isHTTP10(), earlyGrace: t.forwarder.EarlyGrace,
	}
	b.remaining.Store(in.ContentLength)
	b.keepsOpen, b.copy = t.backend.servers != nil, t.copy
	return b
}

// mayRead reports whether an attempt may read the body. From now on no other attempt may.
func (b *clientBody) mayRead(attempt int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if attempt != b.attempt {
		return false
	}
	b.touched = true
	return true
}

// isWhole reports whether another attempt can send the whole body. It cannot when a read
// has begun: that read may still get the beginning of the body.
func (b *clientBody) isWhole() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.isUnread()
}

// isUnread is isWhole. The caller holds b.mu.
func (b *clientBody) isUnread() bool {
	return b.refusal.Load() == nil && (!b.touched || b.ended && b.received.Load() == 0)
}

// reuse takes the body away from the current attempt, so that another one can send it. It
// reports false when that is not possible.
func (b *clientBody) reuse() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.isUnread() {
		return false
	}
	b.attempt++
	b.released, b.onClose, b.phase = false, nil, bodyUploading
	return true
}

// forAttempt returns what the transport of the current attempt reads.
func (b *clientBody) forAttempt(body io.ReadCloser) *transportBody {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.attempt > 0 { // the transport of an attempt before may still have the first one
		return &transportBody{body, b, b.attempt}
	}
	b.forTransport = transportBody{body, b, 0}
	return &b.forTransport
}

// Close implements io.Closer. When another attempt may send the body, it stays open; the
// server closes it after the answer.
func (b *clientBody) Close() error {
	if b.keepsOpen {
		return nil
	}
	return b.ReadCloser.Close()
}

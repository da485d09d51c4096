package forward

import (
	"errors"
	"io"
	"net/http"
	"time"

	"gatehouse/proxy/upstream"
)

// This file is about answers that begin before the client's body has ended. A
// backend that answers without a look at a small body often does so before the
// gateway has read it, though it has come. Without a wait for its end such an
// answer would end the client's connection (RFC 9112 section 9.3, issue 10).

const (
	// maxEarlyWait is how much of a body may be left, in bytes, for an answer to wait
	// for its end, as in net/http.
	maxEarlyWait = 256 << 10
	// earlyAnswerGrace is how long an answer waits. A client that waits for the
	// answer itself before it sends the rest gets it then.
	earlyAnswerGrace = 500 * time.Millisecond
)

// transportBody is the body as the transport gets it: it tells when the transport
// reads no more.
type transportBody struct {
	io.ReadCloser
	client *clientBody
}

var _ upstream.Upload = (*transportBody)(nil)

// Close implements io.Closer.
func (s *transportBody) Close() error {
	s.BodyAbandoned()
	s.client.mu.Lock()
	closed := s.client.onClose
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
	s.client.onClose = closed
}

// BodyAbandoned implements upstream.Upload.
func (s *transportBody) BodyAbandoned() {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	s.client.released = true
	s.client.signalDone()
}

// errBackendLost is for a backend that went away while the client had not sent all.
var errBackendLost = errors.New("backend closed the connection before the request body had ended")

// BackendLost implements upstream.Upload: it ends the wait for the client.
func (s *transportBody) BackendLost() {
	b := s.client
	b.mu.Lock()
	waits := b.phase == bodyUploading && !b.ended
	if waits {
		b.phase = bodyAbandoned
	}
	b.mu.Unlock()
	if waits {
		b.setRefusal(ErrUpstream.Because(errBackendLost)) // before the read fails, which would be the client's fault
		_ = b.control.SetReadDeadline(time.Unix(1, 0))
	}
}

// signalDone wakes whoever waits for the end of the body. The caller holds b.mu.
func (b *clientBody) signalDone() {
	if b.readDone != nil {
		close(b.readDone)
		b.readDone = nil
	}
}

// waitForEnd waits until the body has been read to its end, if little of it is
// left and the client is sending it. What the transport does not read is read
// here.
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

// discardRest reads what the transport has left, until then at most.
func (b *clientBody) discardRest(by time.Time) {
	_ = b.control.SetReadDeadline(by)
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.complete() {
		return
	}
	if _, err := io.Copy(io.Discard, b.ReadCloser); err == nil {
		b.finish()
	}
	b.deadline(0)
}

// newClientBody returns the body of a request that has one.
func newClientBody(t *Transfer, control *http.ResponseController) *clientBody {
	limit, in := int64(t.backend.config.MaxBody), t.In
	b := &clientBody{
		ReadCloser: in.Body, control: control, idle: t.backend.config.IdleTimeout, left: limit, bounded: limit > 0,
		expects: len(in.Header["Expect"]) > 0 && !t.isHTTP10(), earlyGrace: t.forwarder.EarlyGrace,
	}
	b.remaining.Store(in.ContentLength)
	return b
}

package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/internal/httperr"
	"gatehouse/proxy/idletimer"
)

// LastReadGrace is how long net/http may read the rest of an unread body. net/http reads it
// before it ends the request.
const LastReadGrace = time.Second

// bodyPhase decides which time limit applies to a client that sends nothing.
type bodyPhase int

const (
	bodyUploading bodyPhase = iota // the backend has not answered: each read has a deadline
	bodyStreaming                  // the backend has answered: the idle timer covers both bodies
	bodyAbandoned                  // the rest of the body will not be read
)

// clientBody is the request body while it is sent to the backend. It is streamed. It
// counts bytes for the route's max_body, and waits for each piece for at most the idle
// timeout.
type clientBody struct {
	io.ReadCloser
	control   *http.ResponseController
	idleTimer atomic.Pointer[idletimer.Timer] // of the current attempt
	idle      time.Duration                   // 0 means no limit
	left      int64                           // bytes that are still allowed, if bounded
	bounded   bool                            // the route has a max_body
	refusal   atomic.Pointer[httperr.Error]   // what is wrong with the body; nil if nothing
	trailers  func()                          // forwards the trailers at the end of the body; may be nil

	reading sync.Mutex // held during a read
	copy    *mirrored  // that gets the bytes, too; nil without one. It is used during a read

	received     atomic.Int64  // bytes read
	remaining    atomic.Int64  // unread bytes by Content-Length; negative when unknown
	expects      bool          // the client has asked for 100 (Continue)
	keepsOpen    bool          // Close does nothing
	earlyGrace   time.Duration // see Forwarder.EarlyGrace
	forTransport transportBody // the body that the transport gets

	mu       sync.Mutex // guards the fields below: one goroutine reads, another answers
	phase    bodyPhase
	attempt  int           // that may read; see transportBody.attempt
	touched  bool          // an attempt has begun to read; kept only when there may be others
	ended    bool          // the whole body has been read, including trailers
	released bool          // the transport does not read any more
	onClose  func()        // called when the transport closes the body; may be nil
	readDone chan struct{} // closed when reading ends; nil while waitForEnd does not wait
}

var (
	errBodySize      = errors.New("request body exceeds max_body")
	errBodyAbandoned = errors.New("request body was abandoned")
)

// Read reads from the client. When reading fails, Read sets the refusal that tells the
// client what was wrong.
func (b *clientBody) Read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.complete() { // net/http may call Read again after the last byte
		return 0, io.EOF
	}
	if !b.beginRead() {
		return 0, errBodyAbandoned
	}
	defer b.touch()
	if b.bounded && int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one byte over the limit shows that the body is too large
	}
	n, err := b.ReadCloser.Read(p)
	b.received.Add(int64(n))
	if b.copy != nil {
		b.copy.write(p[:n])
	}
	switch {
	case b.bounded && int64(n) > b.left:
		n, err = int(b.left), errBodySize
		b.setRefusal(httperr.BodyTooLarge)
	case err == io.EOF:
		b.finish()
	case err != nil:
		b.setRefusal(readRefusal(err))
	}
	b.left -= int64(n)
	b.remaining.Add(-int64(n))
	return n, err
}

// touch restarts the idle timer. It is called when a read has ended.
func (b *clientBody) touch() { b.idleTimer.Load().Touch() }

// beginRead prepares a read. During an upload it pauses the idle timer and sets the read
// deadline. It reports whether the body may still be read.
func (b *clientBody) beginRead() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.phase == bodyUploading {
		b.idleTimer.Load().Pause()
		if b.idle > 0 {
			b.deadline(b.idle)
		}
	}
	return b.phase != bodyAbandoned
}

// deadline limits reads from the client from now on; 0 removes the limit. It does nothing
// on a connection without deadlines.
func (b *clientBody) deadline(limit time.Duration) {
	var at time.Time
	if limit > 0 {
		at = time.Now().Add(limit)
	}
	_ = b.control.SetReadDeadline(at)
}

// finish is called when the whole body has been read. It removes the deadline, because
// net/http continues to read in order to detect a disconnect.
func (b *clientBody) finish() {
	b.mu.Lock()
	b.ended = true
	b.signalDone()
	if b.phase == bodyUploading && b.idle > 0 {
		b.deadline(0)
	}
	b.mu.Unlock()
	if b.trailers != nil {
		b.trailers()
	}
	if b.copy != nil {
		b.copy.send()
	}
}

// dropCopy gives up a copy whose body has not become complete.
func (b *clientBody) dropCopy() {
	if b.copy == nil {
		return
	}
	b.reading.Lock()
	defer b.reading.Unlock()
	b.copy.drop(MirrorIncomplete)
}

// startStreaming is called when the backend has answered. From now on, bytes in either
// body restart the idle timer for both.
func (b *clientBody) startStreaming() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.phase = bodyStreaming
	if !b.ended && b.idle > 0 {
		b.deadline(0)
	}
}

// abandon limits how long net/http may read the rest of the body after the answer. It first
// makes a running read end. Otherwise net/http would abort that read, and remove the
// limit while doing so.
func (b *clientBody) abandon() {
	b.mu.Lock()
	b.phase = bodyAbandoned
	ended := b.ended
	b.mu.Unlock()
	if ended {
		return
	}
	_ = b.control.SetReadDeadline(time.Unix(1, 0))
	b.reading.Lock()
	defer b.reading.Unlock()
	b.deadline(LastReadGrace)
}

// complete reports whether the whole body has been read.
func (b *clientBody) complete() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ended
}

// finalRefusal waits for a running read to end, and returns the refusal that it has set, or
// nil. When a connection cannot be read, net/http cancels the request before it lets the
// read return.
func (b *clientBody) finalRefusal() *httperr.Error {
	b.reading.Lock()
	defer b.reading.Unlock()
	return b.refusal.Load()
}

func (b *clientBody) setRefusal(refusal *httperr.Error) {
	b.refusal.CompareAndSwap(nil, refusal)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.signalDone()
}

// readRefusal returns the refusal for an error of reading the client's body.
func readRefusal(err error) *httperr.Error {
	var network *net.OpError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return httperr.BodyTimeout
	case errors.As(err, &network), errors.Is(err, io.ErrUnexpectedEOF): // the connection was reset or closed
		return refuseClientGone
	}
	return httperr.BodyMalformed.Because(fmt.Errorf("read request body: %w", err))
}

// backendBody is the response body while it is sent to the client. Every read restarts the
// idle timer.
type backendBody struct {
	io.ReadCloser
	a     *attempt
	res   *http.Response
	begun bool // Read was called
}

// Read implements io.Reader. It stores the error that ends an incomplete body, for the
// access log: httputil cuts off the answer without reporting the error.
func (b *backendBody) Read(p []byte) (n int, err error) {
	if b.begun {
		n, err = b.ReadCloser.Read(p)
	} else {
		b.begun = true
		n, err = b.readFirst(p)
	}
	b.a.idleTimer.Touch()
	switch {
	case err == io.EOF: //nolint:errorlint // as an io.Reader gives it
		b.a.t.backend.cleanTrailer(b.res.Trailer)
	case err != nil && b.a.t.err == nil:
		why := err
		if ended := context.Cause(b.res.Request.Context()); ended != nil {
			why = ended // the read failed because the request was canceled
		}
		b.a.t.err = fmt.Errorf("read response body: %w", why)
	}
	return n, err
}

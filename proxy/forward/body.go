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

// LastReadGrace is for a body that nobody will read: net/http waits for the
// rest of it before it ends the request.
const LastReadGrace = time.Second

// bodyPhase says who looks after a client that sends nothing.
type bodyPhase int

const (
	bodyUploading bodyPhase = iota // the backend has not answered: it is the client's turn
	bodyStreaming                  // it has: the idle timer looks after both directions
	bodyAbandoned                  // nobody will read what is left
)

// clientBody is the request body on its way to the backend: never held, counted
// against the route's bound, each piece awaited for the idle timeout.
type clientBody struct {
	io.ReadCloser
	control   *http.ResponseController
	idleTimer atomic.Pointer[idletimer.Timer] // of the current attempt
	idle      time.Duration                   // 0 is no bound
	left      int64                           // bytes that may still come, if bounded
	bounded   bool
	refusal   atomic.Pointer[httperr.Error]
	trailers  func() // hands the trailers on, once they have come; nil without

	reading sync.Mutex // held while a read is under way

	remaining    atomic.Int64  // bytes still to come; negative when unknown
	expects      bool          // the client asked for 100 (Continue)
	earlyGrace   time.Duration // for an early answer to wait for the rest
	forTransport transportBody // what the transport gets

	mu       sync.Mutex // whoever reads and whoever answers are two goroutines
	phase    bodyPhase
	ended    bool          // all of it has been read, trailers and all
	released bool          // the transport reads no more of it
	onClose  func()        // is called when the transport closes it; nil without
	readDone chan struct{} // closed when nothing more is read of it; nil until somebody waits
}

var (
	errBodySize      = errors.New("request body exceeds max_body")
	errBodyAbandoned = errors.New("request body was abandoned")
)

// Read waits for the client, not for the backend, and tells apart why nothing
// more comes: the fault is then the client's and is answered as such.
func (b *clientBody) Read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.complete() { // net/http reads on behind a length
		return 0, io.EOF
	}
	if !b.beginRead() {
		return 0, errBodyAbandoned
	}
	defer b.touch()
	if b.bounded && int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one more byte than allowed tells "exactly full" from "too large"
	}
	n, err := b.ReadCloser.Read(p)
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

// touch is called when a read has ended.
func (b *clientBody) touch() { b.idleTimer.Load().Touch() }

// beginRead begins the wait for the client's next bytes, if they are still wanted.
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

// deadline bounds reads from the client from now on; 0 lifts the bound. A
// connection that knows no deadlines stays as it is.
func (b *clientBody) deadline(limit time.Duration) {
	var at time.Time
	if limit > 0 {
		at = time.Now().Add(limit)
	}
	_ = b.control.SetReadDeadline(at)
}

// finish notes that the body is complete. net/http goes on reading, to notice a
// client that leaves, so the deadline must not stay.
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
}

// startStreaming is called when the backend has answered: both bodies are streams now, and
// either one shows life for the other.
func (b *clientBody) startStreaming() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.phase = bodyStreaming
	if !b.ended && b.idle > 0 {
		b.deadline(0)
	}
}

// abandon bounds what net/http still reads of a body when the answer is given.
// A read under way has to end first: net/http would abort it, and lift the
// bound with it.
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

// complete reports whether all of the body has been read.
func (b *clientBody) complete() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ended
}

// finalRefusal is what is wrong with the body, once the read that is under way has
// ended: net/http ends a request whose connection cannot be read before it lets
// that read return.
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

// readRefusal names what was wrong with the client's body.
func readRefusal(err error) *httperr.Error {
	var network *net.OpError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return httperr.BodyTimeout
	case errors.As(err, &network), errors.Is(err, io.ErrUnexpectedEOF): // a connection that was reset, or closed
		return refuseClientGone
	}
	return httperr.BodyMalformed.Because(fmt.Errorf("read request body: %w", err))
}

// backendBody is the response body on its way to the client. Every piece,
// and every piece of an upgraded stream in either direction, shows life.
type backendBody struct {
	io.ReadCloser
	a     *attempt
	res   *http.Response
	begun bool // something was read
}

// Read leaves why a body broke off where the access log finds it: httputil
// cuts the answer off without telling.
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
		b.a.t.backend.policy.cleanTrailer(b.res.Trailer)
	case err != nil && b.a.t.err == nil:
		why := err
		if ended := context.Cause(b.res.Request.Context()); ended != nil {
			why = ended // the read failed because the request was ended
		}
		b.a.t.err = fmt.Errorf("read response body: %w", why)
	}
	return n, err
}

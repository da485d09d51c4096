package proxy

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// What is kept of bodies, so that a request can be sent again which the backend
// says it has not processed: behind its GOAWAY, refused, or on a connection that
// was closed before anything of the request was written (RFC 9113 section 8.7).
const (
	replayBytes     = 64 << 10 // of one body; a longer one is not sent again
	replayBytesLeft = 4 << 20  // of all bodies at once
)

var errNotKept = errors.New("request was not processed, and too much of its body was sent to keep it")

// replayBudget bounds what is kept of all bodies, in bytes.
type replayBudget struct{ used atomic.Int64 }

func (b *replayBudget) take(n int) bool {
	if b.used.Add(int64(n)) <= replayBytesLeft {
		return true
	}
	b.give(n)
	return false
}

func (b *replayBudget) give(n int) { b.used.Add(-int64(n)) }

// replayBody is the body of a request that may be sent again until its answer
// begins. Each attempt reads it from the start: what was read before is kept.
type replayBody struct {
	source io.ReadCloser
	budget *replayBudget

	reading sync.Mutex // held while a read is under way; guards kept and end
	kept    []byte
	end     error // of source

	mu      sync.Mutex     // a read does not hold it while it waits
	dropped bool           // kept is not all that was read; changed with reading held, too
	settled bool           // it will not be sent again
	latest  *replayAttempt // whose end is that of source
	closed  bool           // latest was closed before it was settled
}

// replayAttempt is the body of one attempt.
type replayAttempt struct {
	body   *replayBody
	at     int
	closed atomic.Bool
}

// first returns the body of the first attempt.
func (b *replayBody) first() io.ReadCloser {
	b.latest = &replayAttempt{body: b}
	return b.latest
}

// again gives the body of another attempt. The one before has ended, or reads for
// this one now.
func (b *replayBody) again() (io.ReadCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.settled || b.dropped {
		return nil, errNotKept
	}
	b.latest, b.closed = &replayAttempt{body: b}, false
	return b.latest, nil
}

// sendAgain is http.Request.GetBody: the transport wants the body once more,
// whatever it has said of the attempt before.
func (x *exchange) sendAgain() (io.ReadCloser, error) {
	body, err := x.replay.again()
	if err != nil {
		return nil, err
	}
	x.body.mu.Lock()
	x.body.released = false
	x.body.mu.Unlock()
	return &sentBody{body, x.body}, nil
}

// Read implements io.Reader.
func (a *replayAttempt) Read(p []byte) (int, error) {
	b := a.body
	b.reading.Lock()
	defer b.reading.Unlock()
	switch {
	case a.closed.Load():
		return 0, http.ErrBodyReadAfterClose
	case b.dropped:
		if a.at < 0 { // it has read on by itself since then
			return b.source.Read(p)
		}
		return 0, errNotKept
	case a.at < len(b.kept):
		n := copy(p, b.kept[a.at:])
		a.at += n
		return n, nil
	case b.end != nil:
		return 0, b.end
	}
	n, err := b.source.Read(p)
	b.end = err
	a.at += n
	if !b.keep(p[:n]) {
		a.at = -1
	}
	return n, err
}

// keep adds to what is kept, or gives all of it up. It needs reading.
func (b *replayBody) keep(p []byte) bool {
	b.mu.Lock()
	settled := b.settled
	b.mu.Unlock()
	if settled || len(b.kept)+len(p) > replayBytes || !b.budget.take(len(p)) {
		b.drop()
		return false
	}
	b.kept = append(b.kept, p...)
	return true
}

// drop needs reading.
func (b *replayBody) drop() {
	b.budget.give(len(b.kept))
	b.kept = nil
	b.mu.Lock()
	b.dropped = true
	b.mu.Unlock()
}

// Close implements io.Closer. The source is closed only when no other attempt
// can follow: it may still be wanted.
func (a *replayAttempt) Close() error {
	a.closed.Store(true)
	b := a.body
	b.mu.Lock()
	latest := b.latest == a
	b.closed = b.closed || latest
	settled := b.settled
	b.mu.Unlock()
	if latest && settled {
		return b.source.Close()
	}
	return nil
}

// settle says that the request will not be sent again: its answer has begun, or
// nobody waits for one. The latest attempt may go on reading.
func (b *replayBody) settle() {
	b.mu.Lock()
	before, closed := b.settled, b.closed
	b.settled = true
	b.mu.Unlock()
	if before {
		return
	}
	if closed {
		go b.source.Close() // as the transport closes a body: it may wait for a read to end
	}
	if b.reading.TryLock() { // or whoever reads drops it
		if b.latest.at >= len(b.kept) && !b.dropped {
			b.drop()
			b.latest.at = -1
		}
		b.reading.Unlock()
	}
}

// release lets go of what is kept, when the request is over.
func (b *replayBody) release() {
	b.settle()
	b.reading.Lock()
	defer b.reading.Unlock()
	b.drop()
}

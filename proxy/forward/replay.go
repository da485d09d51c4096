package forward

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
	replayBytes      = 64 << 10 // of one body; a longer one is not sent again
	replayBytesTotal = 4 << 20  // of all bodies at once
)

var errNotReplayable = errors.New("request was not processed, and too much of its body was sent to keep it")

// replayBudget bounds what is kept of all bodies, in bytes.
type replayBudget struct{ used atomic.Int64 }

func (b *replayBudget) acquire(n int) bool {
	if b.used.Add(int64(n)) <= replayBytesTotal {
		return true
	}
	b.release(n)
	return false
}

func (b *replayBudget) release(n int) { b.used.Add(-int64(n)) }

// replayBody is the body of a request that may be sent again until its answer
// begins. Each attempt reads it from the start: what was read before is kept.
type replayBody struct {
	source io.ReadCloser
	budget *replayBudget

	reading sync.Mutex // held while a read is under way; guards data and err
	data    []byte
	err     error // of source

	mu        sync.Mutex     // a read does not hold it while it waits
	discarded bool           // data is not all that was read; changed with reading held, too
	committed bool           // it will not be sent again
	latest    *replayAttempt // whose end is that of source
	closed    bool           // latest was closed before it was committed
}

// replayAttempt is the body of one attempt.
type replayAttempt struct {
	body   *replayBody
	offset int
	closed atomic.Bool
}

// firstAttempt returns the body of the first attempt.
func (b *replayBody) firstAttempt() io.ReadCloser {
	b.latest = &replayAttempt{body: b}
	return b.latest
}

// newAttempt returns the body of another attempt. The one before has ended, or reads for
// this one now.
func (b *replayBody) newAttempt() (io.ReadCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.committed || b.discarded {
		return nil, errNotReplayable
	}
	b.latest, b.closed = &replayAttempt{body: b}, false
	return b.latest, nil
}

// Read implements io.Reader.
func (a *replayAttempt) Read(p []byte) (int, error) {
	b := a.body
	b.reading.Lock()
	defer b.reading.Unlock()
	switch {
	case a.closed.Load():
		return 0, http.ErrBodyReadAfterClose
	case b.discarded:
		if a.offset < 0 { // it has read on by itself since then
			return b.source.Read(p)
		}
		return 0, errNotReplayable
	case a.offset < len(b.data):
		n := copy(p, b.data[a.offset:])
		a.offset += n
		return n, nil
	case b.err != nil:
		return 0, b.err
	}
	n, err := b.source.Read(p)
	b.err = err
	a.offset += n
	if !b.append(p[:n]) {
		a.offset = -1
	}
	return n, err
}

// append adds to what is kept, or gives all of it up. It needs reading.
func (b *replayBody) append(p []byte) bool {
	b.mu.Lock()
	settled := b.committed
	b.mu.Unlock()
	if settled || len(b.data)+len(p) > replayBytes || !b.budget.acquire(len(p)) {
		b.discard()
		return false
	}
	b.data = append(b.data, p...)
	return true
}

// discard needs reading.
func (b *replayBody) discard() {
	b.budget.release(len(b.data))
	b.data = nil
	b.mu.Lock()
	b.discarded = true
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
	settled := b.committed
	b.mu.Unlock()
	if latest && settled {
		return b.source.Close()
	}
	return nil
}

// commit says that the request will not be sent again: its answer has begun, or
// nobody waits for one. The latest attempt may go on reading.
func (b *replayBody) commit() {
	b.mu.Lock()
	before, closed := b.committed, b.closed
	b.committed = true
	b.mu.Unlock()
	if before {
		return
	}
	if closed {
		go b.source.Close() // as the transport closes a body: it may wait for a read to end
	}
	if b.reading.TryLock() { // or whoever reads drops it
		if b.latest.offset >= len(b.data) && !b.discarded {
			b.discard()
			b.latest.offset = -1
		}
		b.reading.Unlock()
	}
}

// release lets go of what is kept, when the request is over.
func (b *replayBody) release() {
	b.commit()
	b.reading.Lock()
	defer b.reading.Unlock()
	b.discard()
}

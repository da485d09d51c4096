package forward

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// Limits on the bytes of bodies that are kept, so that a request can be sent again. A
// request is sent again only if the backend has not processed it (RFC 9113 section 8.7):
// after a GOAWAY, a refused stream, or a connection that was closed before anything of
// the request was written.
const (
	replayBytes      = 64 << 10 // of one body; longer bodies are not sent again
	replayBytesTotal = 4 << 20  // of all bodies together
)

var errNotReplayable = errors.New("request was not processed, and too much of its body was sent to keep it")

// replayBudget counts the bytes that are kept of all bodies.
type replayBudget struct{ used atomic.Int64 }

func (b *replayBudget) acquire(n int) bool {
	if b.used.Add(int64(n)) <= replayBytesTotal {
		return true
	}
	b.release(n)
	return false
}

func (b *replayBudget) release(n int) { b.used.Add(-int64(n)) }

// replayBody is the body of a request that may be sent again, until its answer begins. It
// keeps the bytes that were read, so that each attempt reads the body from the start.
type replayBody struct {
	source io.ReadCloser
	budget *replayBudget

	reading sync.Mutex // held during a read; guards data and err
	data    []byte     // the bytes that were read, unless discarded
	err     error      // of source

	mu        sync.Mutex     // not held while a read waits; guards the fields below
	discarded bool           // data was deleted; changed only while reading is also held
	committed bool           // the body will not be sent again
	latest    *replayAttempt // the attempt that closes source
	closed    bool           // latest was closed before commit
}

// replayAttempt is the body of one attempt.
type replayAttempt struct {
	body   *replayBody
	offset int // in data; -1 after data was discarded, when the attempt reads source directly
	closed atomic.Bool
}

// firstAttempt returns the body of the first attempt.
func (b *replayBody) firstAttempt() io.ReadCloser {
	b.latest = &replayAttempt{body: b}
	return b.latest
}

// newAttempt returns the body of another attempt. If the attempt before still reads, the
// bytes are also kept for the new attempt. newAttempt returns errNotReplayable when the
// bytes were not kept.
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
		if a.offset < 0 { // this attempt had read all of data when it was discarded
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

// append keeps the bytes, or discards all when they exceed a limit or the body is committed.
// It reports whether the bytes are kept. The caller holds b.reading.
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

// discard deletes the kept bytes. The caller holds b.reading.
func (b *replayBody) discard() {
	b.budget.release(len(b.data))
	b.data = nil
	b.mu.Lock()
	b.discarded = true
	b.mu.Unlock()
}

// Close implements io.Closer. It closes source only when no other attempt can follow.
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

// commit is called when the request will not be sent again: its answer has begun, or the
// request has ended. The latest attempt may still read.
func (b *replayBody) commit() {
	b.mu.Lock()
	before, closed := b.committed, b.closed
	b.committed = true
	b.mu.Unlock()
	if before {
		return
	}
	if closed {
		go b.source.Close() // it may wait for a read to end
	}
	if b.reading.TryLock() { // otherwise append discards data after the running read
		if b.latest.offset >= len(b.data) && !b.discarded {
			b.discard()
			b.latest.offset = -1
		}
		b.reading.Unlock()
	}
}

// release deletes the kept bytes. It is called when the request has ended.
func (b *replayBody) release() {
	b.commit()
	b.reading.Lock()
	defer b.reading.Unlock()
	b.discard()
}

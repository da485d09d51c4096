package backend

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// ErrFull is the error when a backend has its limit of requests in flight, and the
// request cannot wait or has waited long enough.
var ErrFull = errors.New("the backend has its limit of requests in flight")

// queue bounds the requests in flight. Requests that wait get a place in the order in
// which they came.
type queue struct {
	inFlight atomic.Int64
	waits    atomic.Int64 // number of waiting requests

	mu      sync.Mutex
	waiting []*ticket
}

// ticket is a request that waits.
type ticket struct {
	ready chan struct{} // closed when the request has its place
}

// Enter takes a place among the requests in flight, or waits for one. It returns ErrFull,
// or the error of ctx. After nil, Leave must be called.
func (b *Backend) Enter(ctx context.Context) error {
	limit := int64(b.config.MaxRequests)
	q := &b.state.queue
	if limit == 0 {
		q.inFlight.Add(1)
		return nil
	}
	if q.waits.Load() == 0 && q.tryEnter(limit) {
		return nil
	}
	err := q.wait(ctx, limit, int(b.config.MaxWaiting), b.config.MaxWait)
	if errors.Is(err, ErrFull) {
		b.state.rejected.Add(1)
	}
	return err
}

// tryEnter takes a place if there is one.
func (q *queue) tryEnter(limit int64) bool {
	for {
		now := q.inFlight.Load()
		if now >= limit {
			return false
		}
		if q.inFlight.CompareAndSwap(now, now+1) {
			return true
		}
	}
}

// wait waits for a place.
func (q *queue) wait(ctx context.Context, limit int64, room int, longest time.Duration) error {
	q.mu.Lock()
	if len(q.waiting) >= room {
		if len(q.waiting) == 0 && q.tryEnter(limit) {
			q.mu.Unlock()
			return nil
		}
		q.mu.Unlock()
		return ErrFull
	}
	t := &ticket{ready: make(chan struct{})}
	q.waiting = append(q.waiting, t)
	q.waits.Add(1)
	q.admit(limit) // a place may have become free before the request waited
	q.mu.Unlock()

	timer := time.NewTimer(longest)
	defer timer.Stop()
	var err error
	select {
	case <-t.ready:
		return nil
	case <-timer.C:
		err = ErrFull
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if q.giveUp(t) {
		return err
	}
	return nil // it has got its place meanwhile
}

// admit gives free places to the first requests that wait. The caller holds mu.
func (q *queue) admit(limit int64) {
	for len(q.waiting) > 0 && q.tryEnter(limit) {
		first := q.waiting[0]
		q.waiting[0] = nil
		q.waiting = q.waiting[1:]
		q.waits.Add(-1)
		close(first.ready)
	}
}

// giveUp removes a request that waits. It reports false when the request has its place.
func (q *queue) giveUp(t *ticket) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, other := range q.waiting {
		if other == t {
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
			q.waits.Add(-1)
			return true
		}
	}
	return false
}

// Leave gives up the place of a request that has ended.
func (b *Backend) Leave() {
	q := &b.state.queue
	q.inFlight.Add(-1)
	if q.waits.Load() == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	limit := int64(b.config.MaxRequests)
	if limit == 0 { // a reload has removed the limit
		limit = 1 << 62
	}
	q.admit(limit)
}

// InFlight returns the number of requests in flight, and of those that wait.
func (b *Backend) InFlight() (requests, waiting int64) {
	return b.state.queue.inFlight.Load(), b.state.queue.waits.Load()
}

package backend

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/config"
)

// ErrFull is the error when a backend has its limit of requests in flight, and the
// request cannot wait or has waited long enough.
var ErrFull = errors.New("the backend has its limit of requests in flight")

// queue bounds the requests in flight. Requests that wait get a place in the order in
// which they came.
type queue struct {
	limit    atomic.Int64 // of the live table; 0 before there is one
	inFlight atomic.Int64
	waits    atomic.Int64 // number of waiting requests

	mu      sync.Mutex
	waiting []*ticket
}

// ticket is a request that waits.
type ticket struct {
	ready chan struct{} // closed when the request has its place
}

// unbounded is the limit of a backend without max_requests.
const unbounded = math.MaxInt64

func limitOf(cfg *config.Backend) int64 {
	if cfg.MaxRequests == 0 {
		return unbounded
	}
	return int64(cfg.MaxRequests)
}

// limit returns the limit of the live table. It holds for requests of tables before it, too.
func (b *Backend) limit() int64 {
	if live := b.state.queue.limit.Load(); live != 0 {
		return live
	}
	return limitOf(b.config)
}

// setLimit changes the limit. Requests that wait get the places that are new.
func (q *queue) setLimit(limit int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limit.Store(limit)
	q.admit(limit)
}

// Enter takes a place among the requests in flight, or waits for one. It returns ErrFull,
// or the error of ctx. After nil, Leave must be called.
func (b *Backend) Enter(ctx context.Context) error {
	limit, q := b.limit(), &b.state.queue
	if limit == unbounded {
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
	limit = cmp.Or(q.limit.Load(), limit) // a reload may have changed it just now
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
	i := slices.Index(q.waiting, t)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	q.waits.Add(-1)
	return true
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
	q.admit(b.limit())
}

// InFlight returns the number of requests in flight, and of those that wait.
func (b *Backend) InFlight() (requests, waiting int64) {
	return b.state.queue.inFlight.Load(), b.state.queue.waits.Load()
}

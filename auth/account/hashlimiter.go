package account

// This file bounds how much bcrypt runs at a time. Bcrypt is the most expensive
// work that a stranger can cause: each login uses one core for a quarter of a
// second.

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
)

const (
	maxWaiting = 24              // attempts that wait for a slot
	maxWait    = 2 * time.Second // how long each of them waits before it is refused
)

// ErrBusy means that too many attempts wait for bcrypt already, or that the
// wait was too long. Nothing was hashed or compared.
var ErrBusy = errors.New("too many passwords are being hashed")

// hashLimiter lets a few attempts hash at a time and a few more wait. They run
// in the order of arrival, because the runtime serves the senders of a channel
// in that order.
type hashLimiter struct {
	admitted chan struct{} // one value for each attempt that hashes or waits
	slots    chan struct{} // one value for each attempt that hashes
	wait     time.Duration
}

// newHashLimiter uses half of the processors for hashing.
func newHashLimiter() *hashLimiter {
	working := max(1, runtime.GOMAXPROCS(0)/2)
	return &hashLimiter{
		admitted: make(chan struct{}, working+maxWaiting),
		slots:    make(chan struct{}, working),
		wait:     maxWait,
	}
}

// hasWaiters reports whether an attempt waits for a slot.
func (t *hashLimiter) hasWaiters() bool { return len(t.admitted) > len(t.slots) }

// hashSlot is a place among the waiting attempts. After acquire it is a place
// among the hashing ones.
type hashSlot struct {
	limiter *hashLimiter
	working bool
}

// enter returns a waiting slot, or ErrBusy at once. The caller must call
// release.
func (t *hashLimiter) enter() (*hashSlot, error) {
	select {
	case t.admitted <- struct{}{}:
		return &hashSlot{limiter: t}, nil
	default:
		return nil, ErrBusy
	}
}

// acquire waits until the slot may hash. It returns ErrBusy after too long a
// wait, and the context's error when the context ends first.
func (t *hashSlot) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("wait for a slot: %w", err)
	}
	timer := time.NewTimer(t.limiter.wait)
	defer timer.Stop()
	select {
	case t.limiter.slots <- struct{}{}:
		t.working = true
		return nil
	case <-timer.C:
		return ErrBusy
	case <-ctx.Done():
		return fmt.Errorf("wait for a slot: %w", ctx.Err())
	}
}

// release frees the slot, whether or not it was acquired.
func (t *hashSlot) release() {
	if t.working {
		<-t.limiter.slots
	}
	<-t.limiter.admitted
}

// do runs work in a slot of its own.
func (t *hashLimiter) do(ctx context.Context, work func() error) error {
	slot, err := t.enter()
	if err != nil {
		return err
	}
	defer slot.release()
	if err := slot.acquire(ctx); err != nil {
		return err
	}
	return work()
}

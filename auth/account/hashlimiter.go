package account

// This file bounds how much bcrypt runs at a time. It is the costliest thing a
// stranger can ask for: a core for a quarter of a second, for every login.

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
)

const (
	maxWaiting = 24              // who wait for a slot
	maxWait    = 2 * time.Second // and for how long, before they are sent away
)

// ErrBusy says that too many wait for bcrypt already, or that the wait was too
// long. Nothing was hashed or compared.
var ErrBusy = errors.New("too many passwords are being hashed")

// hashLimiter lets a few hash at a time and a few more wait, in the order in which
// they came: the runtime serves the senders of a channel so.
type hashLimiter struct {
	admitted chan struct{} // one for each that hashes or waits
	slots    chan struct{} // one for each that hashes
	wait     time.Duration
}

// newHashLimiter leaves half of the processors to everything else.
func newHashLimiter() *hashLimiter {
	working := max(1, runtime.GOMAXPROCS(0)/2)
	return &hashLimiter{
		admitted: make(chan struct{}, working+maxWaiting),
		slots:    make(chan struct{}, working),
		wait:     maxWait,
	}
}

// hasWaiters reports whether somebody waits for a slot.
func (t *hashLimiter) hasWaiters() bool { return len(t.admitted) > len(t.slots) }

// hashSlot is a place among those that wait, and after acquire one among those
// that hash.
type hashSlot struct {
	limiter *hashLimiter
	working bool
}

// enter returns a slot that waits, or ErrBusy at once. The caller calls release.
func (t *hashLimiter) enter() (*hashSlot, error) {
	select {
	case t.admitted <- struct{}{}:
		return &hashSlot{limiter: t}, nil
	default:
		return nil, ErrBusy
	}
}

// acquire waits until the slot may hash. It returns ErrBusy after too long a wait,
// and the context's error when that ends first.
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

// release frees the slot, whether it was acquired or only waited.
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

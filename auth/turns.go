package auth

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
	maxWaiting = 24              // who wait for a turn
	maxWait    = 2 * time.Second // and for how long, before they are sent away
)

// ErrBusy says that too many wait for bcrypt already, or that the wait was too
// long. Nothing was hashed or compared.
var ErrBusy = errors.New("too many passwords are being hashed")

// turns lets a few work at a time and a few more wait, in the order in which
// they came: the runtime serves the senders of a channel so.
type turns struct {
	places chan struct{} // held by who works or waits
	slots  chan struct{} // held by who works
	wait   time.Duration
}

// newTurns leaves half of the processors to everything else.
func newTurns() *turns {
	working := max(1, runtime.GOMAXPROCS(0)/2)
	return &turns{
		places: make(chan struct{}, working+maxWaiting),
		slots:  make(chan struct{}, working),
		wait:   maxWait,
	}
}

// awaited reports whether somebody waits for a turn.
func (t *turns) awaited() bool { return len(t.places) > len(t.slots) }

// turn is a place among those who wait, and later one among those who work.
type turn struct {
	turns   *turns
	working bool
}

// join takes a place, or returns ErrBusy at once. The caller calls leave.
func (t *turns) join() (*turn, error) {
	select {
	case t.places <- struct{}{}:
		return &turn{turns: t}, nil
	default:
		return nil, ErrBusy
	}
}

// begin waits until it is this one's turn to work. It returns ErrBusy after too
// long a wait, and the context's error when that ends first.
func (t *turn) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("wait for a turn: %w", err)
	}
	patience := time.NewTimer(t.turns.wait)
	defer patience.Stop()
	select {
	case t.turns.slots <- struct{}{}:
		t.working = true
		return nil
	case <-patience.C:
		return ErrBusy
	case <-ctx.Done():
		return fmt.Errorf("wait for a turn: %w", ctx.Err())
	}
}

// leave gives back what is held.
func (t *turn) leave() {
	if t.working {
		<-t.turns.slots
	}
	<-t.turns.places
}

// do does the work in a turn of its own.
func (t *turns) do(ctx context.Context, work func() error) error {
	turn, err := t.join()
	if err != nil {
		return err
	}
	defer turn.leave()
	if err := turn.begin(ctx); err != nil {
		return err
	}
	return work()
}

package store

// This file reports changes to users to a follower, whoever makes them: this
// process, another replica, a command, or a person with psql.

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// The pauses of Follow before it connects again.
const (
	firstFeedPause = 50 * time.Millisecond
	lastFeedPause  = time.Second
)

// Follower receives changes to users. Its methods are called one at a time and
// delay later changes, so they must return quickly.
type Follower interface {
	// Connected is called when every change from now on will be reported. What
	// was read before may be outdated, because earlier changes may not have
	// been reported.
	Connected()
	// Changed is called when the row of a user was added, removed, or changed
	// in a column that matters to requests. The id may be unknown here.
	Changed(id uuid.UUID)
	// AllChanged is called when any number of rows may have changed.
	AllChanged()
	// Lost is called with the cause when changes are no longer reported, until
	// Connected is called. It is called for every attempt that fails.
	Lost(cause error)
}

// Follow implements Store.
func (s *sqlStore) Follow(ctx context.Context, follower Follower) {
	pause := firstFeedPause
	for {
		connected, err := s.follow(ctx, follower)
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		follower.Lost(err)
		if connected {
			pause = firstFeedPause
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
		pause = min(2*pause, lastFeedPause)
	}
}

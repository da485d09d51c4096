package store

// This file keeps a follower told of changes to users, whoever makes them: this
// process, another replica, a command, or somebody with psql.

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// How long Follow waits before it connects again.
const (
	firstFeedPause = 50 * time.Millisecond
	lastFeedPause  = time.Second
)

// Follower is told of changes to users. Its methods are called one after the
// other, and what comes next waits for them: they should not take long.
type Follower interface {
	// Connected says that every change from now on will be told. What was read
	// before may be old: changes may have gone untold.
	Connected()
	// Changed says that the row of a user was added, removed, or changed in
	// what matters to a request. It may be of a user that was never here.
	Changed(id uuid.UUID)
	// AllChanged says that any number of rows may have.
	AllChanged()
	// Lost says that changes go untold until Connected comes, and why. It comes
	// for every attempt that fails.
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

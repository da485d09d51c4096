package store

// This file waits for the database at start.

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	firstPause = 100 * time.Millisecond
	lastPause  = 3 * time.Second
	// pingLimit ends an attempt that nobody answers, so that the next may find
	// the database back.
	pingLimit = 5 * time.Second
)

// WaitReady pings the store until it answers, with growing, random pauses so
// that replicas which start together do not knock together. After limit it
// returns an error that names the address and the last cause. When ctx ends
// first it returns ctx's cause.
func WaitReady(ctx context.Context, store Store, limit time.Duration) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var cause error
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := pingOnce(limited, store)
		if err == nil {
			return nil
		}
		// Our own deadline cutting an attempt short says less than the attempt
		// before it.
		if cause == nil || limited.Err() == nil {
			cause = err
		}
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-limited.Done():
		}
		if ctx.Err() != nil {
			return fmt.Errorf("wait for database %s: %w", store.Address(), context.Cause(ctx))
		}
		if limited.Err() != nil {
			return fmt.Errorf("reach database %s within %s: %w", store.Address(), limit, cause)
		}
	}
}

func pingOnce(ctx context.Context, store Store) error {
	ctx, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	return store.Ping(ctx)
}

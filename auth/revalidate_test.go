package auth

// This file tests that no remembered state is older than a minute, and that no
// request waits for this.

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"gatehouse/store"
)

// revalidating runs c.Revalidate until the test ends, with the bubble's clock.
func revalidating(t *testing.T, limit int) (*CachedUsers, *rows) {
	t.Helper()
	c, asked := newCached(limit)
	c.Connected()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Revalidate(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return c, asked
}

// passTime advances the time, with a request of ann every second.
func passTime(t *testing.T, c *CachedUsers, how time.Duration, want UserState, wantErr error) {
	t.Helper()
	for range how / time.Second {
		time.Sleep(time.Second)
		expectState(t, c, "every second", ann, want, wantErr)
	}
}

// TestRevalidate changes rows without reporting it.
func TestRevalidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, asked := revalidating(t, 0)
		nobody := uuid.New()
		expectState(t, c, "first", ann, member, nil)
		expectState(t, c, "first", nobody, UserState{}, store.ErrNotFound)
		passTime(t, c, 10*time.Minute, member, nil)
		asked.expectReads(t, "after ten minutes", 2)
		if asked.lists.Load() < 10 || asked.lists.Load() > 20 {
			t.Errorf("read again %d times in ten minutes, want once in 30 to 60 seconds", asked.lists.Load())
		}
		var told atomic.Int64
		stop := c.Watch(ann, func() { told.Add(1) })
		defer stop()

		disabled := asked.disable(ann)
		asked.set(nobody, member)
		time.Sleep(maxAge)
		expectState(t, c, "a minute after an untold change", ann, disabled, nil)
		expectState(t, c, "a minute after it was added", nobody, member, nil)
		if told.Load() != 1 {
			t.Errorf("who watches was told %d times, want once", told.Load())
		}
		asked.mu.Lock()
		delete(asked.states, ann)
		asked.mu.Unlock()
		time.Sleep(maxAge)
		expectState(t, c, "a minute after an untold deletion", ann, UserState{}, store.ErrNotFound)
		asked.expectReads(t, "all that", 0)
	})
}

// TestRevalidateHanging uses a store that does not answer: no request waits,
// and users.grace decides.
func TestRevalidateHanging(t *testing.T) {
	for name, trouble := range map[string]func(*rows){
		"hangs":   func(r *rows) { r.block() },
		"refuses": func(r *rows) { r.fail(errAway) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, asked := revalidating(t, 0)
				c.SetGrace(3 * time.Minute)
				expectState(t, c, "first", ann, member, nil)
				trouble(asked)
				var told atomic.Int64
				stop := c.Watch(ann, func() { told.Add(1) })
				defer stop()
				passTime(t, c, 3*time.Minute, member, nil)
				asked.expectReads(t, "in grace", 1)
				time.Sleep(time.Minute)
				if _, err := c.UserState(t.Context(), ann); err == nil || errors.Is(err, store.ErrNotFound) {
					t.Errorf("after the grace: %v, want that nobody knows", err)
				}
				if told.Load() == 0 {
					t.Error("who watches was not told after the grace")
				}
				asked.mu.Lock()
				asked.err, asked.gate = nil, nil
				asked.mu.Unlock()
				time.Sleep(lookupTimeout)
				expectState(t, c, "with the store back", ann, member, nil)
			})
		})
	}
}

// TestRevalidateRace keeps a change that was reported while an older row was
// being read.
func TestRevalidateRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, asked := revalidating(t, 0)
		expectState(t, c, "first", ann, member, nil)
		release := asked.block()
		time.Sleep(revalidateAge + 2*revalidateInterval) // being read
		disabled := member
		disabled.Active = false
		asked.mu.Lock()
		asked.gate = nil
		asked.states[ann] = disabled
		asked.mu.Unlock()
		c.Changed(ann)
		expectState(t, c, "told", ann, disabled, nil)
		close(release)
		synctest.Wait()
		expectState(t, c, "after the older row was read", ann, disabled, nil)
	})
}

// TestRevalidateIdle requires that unused entries are dropped, and that many
// users are read in few queries.
func TestRevalidateIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, asked := revalidating(t, 0)
		for range 3 * revalidateBatch {
			id := uuid.New()
			asked.set(id, member)
			expectState(t, c, "first", id, member, nil)
		}
		time.Sleep(maxAge)
		if asked.lists.Load() < 3 || asked.lists.Load() > 8 {
			t.Errorf("%d questions for three batches within a minute", asked.lists.Load())
		}
		time.Sleep(2 * idleAge)
		asked.lists.Store(0)
		time.Sleep(10 * time.Minute)
		if c.mu.RLock(); len(c.entries) > 0 || asked.lists.Load() > 0 || c.byAge.oldest != nil || c.byAge.newest != nil {
			t.Errorf("%d entries are left that nobody uses, read %d times", len(c.entries), asked.lists.Load())
		}
		c.mu.RUnlock()
	})
}

// TestRevalidateUnknownWatched requires that the watcher of a user who is no
// longer remembered checks by itself.
func TestRevalidateUnknownWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := revalidating(t, 1)
		expectState(t, c, "first", ann, member, nil)
		var told atomic.Int64
		stop := c.Watch(ann, func() { told.Add(1) })
		defer stop()
		expectState(t, c, "instead", bob, member, nil)
		time.Sleep(maxAge)
		if told.Load() == 0 {
			t.Error("nobody was told within a minute")
		}
	})
}

package auth

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"gatehouse/auth/authtest"
	"gatehouse/store"
)

// rows is a store that counts its queries, and can block its answers.
type rows struct {
	mu     sync.Mutex
	states map[uuid.UUID]UserState
	err    error         // of every answer, when set
	gate   chan struct{} // when set: every answer waits for one, with what was true before
	reads  int
	lists  atomic.Int64 // reads of many
}

func (r *rows) UserState(ctx context.Context, id uuid.UUID) (UserState, error) {
	r.mu.Lock()
	r.reads++
	state, found := r.states[id]
	err, gate := r.err, r.gate
	r.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return UserState{}, ctx.Err()
		}
	}
	if err == nil && !found {
		err = store.ErrNotFound
	}
	if err != nil {
		return UserState{}, err
	}
	return state, nil
}

// ListUserStates counts as one read, for any number of ids.
func (r *rows) ListUserStates(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]UserState, error) {
	r.mu.Lock()
	found := map[uuid.UUID]UserState{}
	for _, id := range ids {
		if state, known := r.states[id]; known {
			found[id] = state
		}
	}
	r.lists.Add(1)
	err, gate := r.err, r.gate
	r.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return found, err
}

func (r *rows) set(id uuid.UUID, state UserState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.states[id] = state
}

// disable disables a member, and returns their state from now on.
func (r *rows) disable(id uuid.UUID) UserState {
	disabled := member
	disabled.Active = false
	r.set(id, disabled)
	return disabled
}

func (r *rows) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

// block makes all later answers wait for release.
func (r *rows) block() (release chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gate = make(chan struct{})
	return r.gate
}

func (r *rows) expectReads(t *testing.T, when string, want int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reads != want {
		t.Errorf("%s: the store was asked %d times, want %d", when, r.reads, want)
	}
	r.reads = 0
}

var (
	errAway = errors.New("connection refused")
	ann     = uuid.MustParse("0d9ff6c2-8d8d-4a4e-9d53-6f3b8a1c2e10")
	bob     = uuid.MustParse("1a2b3c4d-5d0c-4d7b-9a4e-3b2f7c1d0a22")
	member  = UserState{Active: true, CompanyID: &authtest.Acme, Role: "user"}
)

func newCached(limit int) (*CachedUsers, *rows) {
	asked := &rows{states: map[uuid.UUID]UserState{ann: member, bob: member}}
	return NewCachedUsers(CachedUsersOptions{Users: asked, Limit: limit, Grace: 30 * time.Second, Now: time.Now}), asked
}

// expectState asks for a state and compares it.
func expectState(t *testing.T, users UserStates, when string, id uuid.UUID, want UserState, wantErr error) {
	t.Helper()
	got, err := users.UserState(t.Context(), id)
	if got != want || !errors.Is(err, wantErr) {
		t.Errorf("%s: %+v, %v; want %+v, %v", when, got, err, want, wantErr)
	}
}

// TestCachedUsersSteadyState requires one query per user, present or not, for
// any number of requests.
func TestCachedUsersSteadyState(t *testing.T) {
	c, asked := newCached(0)
	c.Connected()
	nobody := uuid.New()
	for range 1000 {
		expectState(t, c, "steady", ann, member, nil)
		expectState(t, c, "steady", nobody, UserState{}, store.ErrNotFound)
	}
	asked.expectReads(t, "steady state", 2)

	disabled := asked.disable(ann)
	asked.set(nobody, member)
	c.Changed(ann)
	c.Changed(nobody)
	for range 10 {
		expectState(t, c, "after a change", ann, disabled, nil)
		expectState(t, c, "after it was added", nobody, member, nil)
	}
	asked.expectReads(t, "after a change", 2)

	c.AllChanged()
	expectState(t, c, "after all changed", ann, disabled, nil)
	asked.expectReads(t, "after all changed", 1)
}

// TestCachedUsersOneQuestion requires that simultaneous callers share one
// query, which continues when the first of them leaves.
func TestCachedUsersOneQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, asked := newCached(0)
		c.Connected()
		release := asked.block()
		cancelled, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() {
			_, err := c.UserState(cancelled, ann)
			left <- err
		}()
		synctest.Wait()
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() { expectState(t, c, "one of many", ann, member, nil) })
		}
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("who left got %v", err)
		}
		close(release)
		group.Wait()
		asked.expectReads(t, "one hundred at once", 1)
	})
}

// TestCachedUsersRace reports a change while an old row is being read.
// Afterwards the old row must be neither remembered nor returned to later
// callers.
func TestCachedUsersRace(t *testing.T) {
	for name, change := range map[string]func(*CachedUsers){
		"one changed": func(c *CachedUsers) { c.Changed(ann) },
		"all changed": (*CachedUsers).AllChanged,
		"reconnected": func(c *CachedUsers) { c.Lost(errAway); c.Connected() },
		"lost":        func(c *CachedUsers) { c.Lost(errAway) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, asked := newCached(0)
				c.Connected()
				release := asked.block()
				var early sync.WaitGroup
				early.Go(func() { expectState(t, c, "before the change", ann, member, nil) })
				synctest.Wait()

				disabled := asked.disable(ann)
				change(c)
				if name == "lost" { // nothing is known of a change
					close(release)
					early.Wait()
					expectState(t, c, "after the loss", ann, disabled, nil)
					return
				}
				var late sync.WaitGroup
				late.Go(func() { expectState(t, c, "while the old row is read", ann, disabled, nil) })
				synctest.Wait()
				close(release)
				early.Wait()
				late.Wait()
				expectState(t, c, "afterwards", ann, disabled, nil)
				asked.expectReads(t, "old row, new row", 2)
			})
		})
	}
}

// TestCachedUsersGrace loses the feed. Known states stay for the grace and no
// longer. Then the store is asked each time, and without the store there is no
// state.
func TestCachedUsersGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, asked := newCached(0)
		expectState(t, c, "before the first connection", ann, member, nil)
		expectState(t, c, "before the first connection", ann, member, nil)
		asked.expectReads(t, "before the first connection", 2)
		c.Lost(errAway)
		expectState(t, c, "after an attempt", ann, member, nil)
		asked.expectReads(t, "after an attempt", 1)

		c.Connected()
		expectState(t, c, "connected", ann, member, nil)
		asked.expectReads(t, "connected", 1)
		c.Lost(errAway)
		time.Sleep(20 * time.Second)
		c.Lost(errAway) // another attempt must not prolong it
		time.Sleep(10*time.Second - time.Nanosecond)
		expectState(t, c, "in the last of the grace", ann, member, nil)
		asked.expectReads(t, "in grace", 0)
		expectState(t, c, "who was not known", bob, member, nil)
		expectState(t, c, "who was not known", bob, member, nil)
		asked.expectReads(t, "who was not known", 2)

		time.Sleep(time.Nanosecond)
		disabled := asked.disable(ann)
		for range 3 {
			expectState(t, c, "after the grace", ann, disabled, nil)
		}
		asked.expectReads(t, "after the grace", 3)
		asked.fail(errAway)
		expectState(t, c, "with the store away", ann, UserState{}, errAway)

		// After the feed is back, older entries are not trusted.
		asked.fail(nil)
		asked.set(ann, member)
		asked.expectReads(t, "with the store away", 1)
		c.Connected()
		expectState(t, c, "back", ann, member, nil)
		expectState(t, c, "back", ann, member, nil)
		asked.expectReads(t, "back", 1)

		c.SetGrace(0)
		c.Lost(errAway)
		expectState(t, c, "without a grace", ann, member, nil)
		asked.expectReads(t, "without a grace", 1)
		c.Connected() // ends the timer
	})
}

// TestCachedUsersHanging requires a bound on a store that never answers.
func TestCachedUsersHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, asked := newCached(0)
		asked.block()
		began := time.Now()
		expectState(t, c, "hanging", ann, UserState{}, context.DeadlineExceeded)
		if took := time.Since(began); took != lookupTimeout {
			t.Errorf("took %s", took)
		}
	})
}

// TestCachedUsersErrors requires that errors are not remembered.
func TestCachedUsersErrors(t *testing.T) {
	c, asked := newCached(0)
	c.Connected()
	asked.fail(errAway)
	expectState(t, c, "away", ann, UserState{}, errAway)
	asked.fail(nil)
	expectState(t, c, "back", ann, member, nil)
}

// TestCachedUsersBounded requires that unknown users cannot fill the memory,
// and that a frequent user stays.
func TestCachedUsersBounded(t *testing.T) {
	const limit = 1000
	c, asked := newCached(limit)
	c.Connected()
	for range 10 * limit {
		expectState(t, c, "often", ann, member, nil)
		expectState(t, c, "once", uuid.New(), UserState{}, store.ErrNotFound)
	}
	if len(c.entries) > limit || len(c.lookups) > 0 {
		t.Errorf("%d entries and %d questions are left", len(c.entries), len(c.lookups))
	}
	if asked.reads > 10*limit+limit/10 {
		t.Errorf("who comes often was asked for %d times", asked.reads-10*limit)
	}
}

// TestCachedUsersWatch requires calls of the watchers, also of those of unknown
// users.
func TestCachedUsersWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newCached(0)
		var annTold, bobTold atomic.Int32
		expect := func(when string, wantAnn, wantBob int32) {
			t.Helper()
			synctest.Wait()
			if ann, bob := annTold.Swap(0), bobTold.Swap(0); ann != wantAnn || bob != wantBob {
				t.Errorf("%s: told %d and %d times, want %d and %d", when, ann, bob, wantAnn, wantBob)
			}
		}
		c.Connected()
		stop := c.Watch(ann, func() { annTold.Add(1) })
		stopSecond := c.Watch(ann, func() { annTold.Add(1) })
		stopBob := c.Watch(bob, func() { bobTold.Add(1) })
		c.Changed(ann)
		expect("ann changed", 2, 0)
		c.Changed(uuid.New())
		expect("a stranger changed", 0, 0)
		stopSecond()
		stopSecond()
		c.AllChanged()
		expect("all changed", 1, 1)
		c.Lost(errAway)
		expect("lost", 0, 0)
		time.Sleep(30 * time.Second)
		expect("after the grace", 1, 1)
		time.Sleep(30 * time.Second)
		expect("after another", 1, 1)
		c.Connected()
		expect("connected again", 1, 1)
		time.Sleep(time.Hour)
		expect("an hour later", 0, 0)
		stop()
		stopBob()
		c.AllChanged()
		expect("nobody watches", 0, 0)
		if len(c.watchers) > 0 {
			t.Errorf("%d users are still watched", len(c.watchers))
		}
	})
}

// TestCachedUsersConcurrently is for the race detector.
func TestCachedUsersConcurrently(t *testing.T) {
	c, _ := newCached(10)
	c.Connected()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 500 {
				_, _ = c.UserState(t.Context(), ann)
				_, _ = c.UserState(t.Context(), uuid.New())
				stop := c.Watch(ann, func() {})
				c.Changed(ann)
				c.AllChanged()
				c.Lost(errAway)
				c.SetGrace(time.Second)
				c.Connected()
				stop()
			}
		})
	}
	group.Wait()
}

func BenchmarkCachedUsers(b *testing.B) {
	c, _ := newCached(0)
	c.Connected()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.UserState(b.Context(), ann); err != nil {
				b.Fatal(err)
			}
		}
	})
}

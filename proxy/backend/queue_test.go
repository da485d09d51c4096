package backend

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/config"
	"gatehouse/config/value"
)

func withQueue(requests, waiting value.Count, wait time.Duration) func(*config.Backend) {
	return func(cfg *config.Backend) { cfg.MaxRequests, cfg.MaxWaiting, cfg.MaxWait = requests, waiting, wait }
}

func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBackend(t, newTestRegistry(), withQueue(2, 2, time.Second), 1)
		for range 2 {
			if err := b.Enter(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		var order []int
		var mu sync.Mutex
		enter := func(ctx context.Context, number int) <-chan error {
			done := make(chan error, 1)
			go func() {
				err := b.Enter(ctx)
				if err == nil {
					mu.Lock()
					order = append(order, number)
					mu.Unlock()
				}
				done <- err
			}()
			synctest.Wait()
			return done
		}
		impatient, leave := context.WithCancel(t.Context())
		first := enter(impatient, 1)
		second := enter(t.Context(), 2)
		if err := b.Enter(t.Context()); !errors.Is(err, ErrFull) {
			t.Errorf("a request past max_waiting: %v", err)
		}
		leave()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("a client that leaves: %v", err)
		}
		third := enter(t.Context(), 3)
		b.Leave()
		if err := <-second; err != nil {
			t.Errorf("the first that waits: %v", err)
		}
		b.Leave()
		if err := <-third; err != nil {
			t.Errorf("the second that waits: %v", err)
		}
		if len(order) != 2 || order[0] != 2 || order[1] != 3 {
			t.Errorf("the order was %v", order)
		}
		began := time.Now()
		if err := b.Enter(t.Context()); !errors.Is(err, ErrFull) || time.Since(began) != time.Second {
			t.Errorf("after max_wait: %v, %v", err, time.Since(began))
		}
		b.Leave()
		b.Leave()
		if inFlight, waiting := b.InFlight(); inFlight != 0 || waiting != 0 {
			t.Errorf("%d in flight, %d waiting at the end", inFlight, waiting)
		}
	})
}

// No place is lost or given twice while requests come, wait and leave.
func TestQueueKeepsItsPlaces(t *testing.T) {
	const limit = 3
	b := newTestBackend(t, newTestRegistry(), withQueue(limit, 5, time.Millisecond), 1)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			for range 500 {
				ctx, cancel := context.WithTimeout(context.Background(), 500*time.Microsecond)
				if b.Enter(ctx) == nil {
					if inFlight, _ := b.InFlight(); inFlight > limit {
						t.Errorf("%d requests are in flight", inFlight)
					}
					b.Leave()
				}
				cancel()
			}
		})
	}
	group.Wait()
	if inFlight, waiting := b.InFlight(); inFlight != 0 || waiting != 0 {
		t.Errorf("%d in flight, %d waiting at the end", inFlight, waiting)
	}
}

func TestBudget(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var u budget
	allowed := func(total int64) (number int) {
		for u.allow(now, 20, total+int64(number)) {
			number++
		}
		return number
	}
	if got := allowed(0); got != freeRetries {
		t.Errorf("without requests %d retries are allowed in a second", got)
	}
	now = now.Add(time.Second)
	if got := allowed(3); got != freeRetries {
		t.Errorf("in the next second %d retries are allowed", got)
	}
	now = now.Add(time.Minute)
	u.observe(now, 1000)
	now = now.Add(time.Second)
	if got := allowed(2000); got < 195 || got > 205 {
		t.Errorf("with 1000 requests %d retries are allowed, want 20 %%", got)
	}
}

// What is known about a server outlives a reload, also when the backend changes, and is
// forgotten when the server leaves.
func TestReloadKeepsWhatIsKnown(t *testing.T) {
	registry := newTestRegistry()
	checked := func(cfg *config.Backend) {
		withPassive(50)(cfg)
		cfg.Health = &config.Health{Path: "/", Interval: time.Hour, Timeout: time.Second, Fails: 3, Passes: 2}
	}
	before := newTestBackend(t, registry, checked, 1, 1, 1)
	servers := before.Servers()
	failing(before, servers[0], 3)
	servers[1].SetHealth(false, nil)
	servers[2].Begin()
	before.state.rotation.Store(41)

	after := newTestBackend(t, registry, checked, 5, 5)
	kept := after.Servers()
	if len(kept) != 2 || kept[0] != servers[0] || kept[1] != servers[1] {
		t.Fatal("the servers are not the same")
	}
	if state := kept[0].State(); !state.Ejected {
		t.Error("an ejection was forgotten")
	}
	if state := kept[1].State(); state.Healthy {
		t.Error("the health was forgotten")
	}
	if after.state.rotation.Load() != 41 {
		t.Error("the place in the round was forgotten")
	}
	servers[2].End()
	servers[2].endStreams() // the time for its streams is over
	again := newTestBackend(t, registry, checked, 5, 5, 5)
	if again.Servers()[2] == servers[2] {
		t.Error("a server that had left is remembered")
	}
}

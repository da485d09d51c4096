package storetest

// This file has the contract about attempts: how they are counted, how long
// they wait, and that the stored rows are bounded.

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"gatehouse/store"
)

// morning is the time of the first attempts.
var morning = time.Date(2026, 3, 14, 8, 0, 0, 0, time.UTC)

// tally allows two free attempts and then doubles the wait, from a second to a
// minute.
func tally(key string) store.Tally {
	return store.Tally{
		Key: key, Free: 2, First: time.Second, Longest: time.Minute, Leak: 10 * time.Minute, Most: 20,
	}
}

// attempt counts one attempt and returns its wait.
func attempt(t *testing.T, s store.Attempts, tally store.Tally, now time.Time) time.Duration {
	t.Helper()
	wait, err := s.CountAttempt(t.Context(), tally, now)
	if err != nil {
		t.Fatal(err)
	}
	return wait
}

func standing(t *testing.T, s store.Attempts, key string) store.Standing {
	t.Helper()
	standings, err := s.Standings(t.Context(), "never used", key)
	if err != nil || len(standings) != 2 {
		t.Fatalf("standings: %v, %v", standings, err)
	}
	if weight := standings[0].Weight(tally(key), morning); weight != 0 || standings[0].Next.After(morning) {
		t.Errorf("a key that was never used stands at %+v", standings[0])
	}
	return standings[1]
}

func testAttemptWaits(t *testing.T, s store.Attempts) {
	ann, now := tally("ann"), morning
	for i, wait := range []time.Duration{0, 0, 1, 2, 4, 8, 16, 32, 60, 60} {
		if got := attempt(t, s, ann, now); got != 0 {
			t.Fatalf("attempt %d has to wait %s", i+1, got)
		}
		want := wait * time.Second
		if got := standing(t, s, "ann").Next.Sub(now); got != want {
			t.Errorf("after attempt %d the next has to wait %s, want %s", i+1, got, want)
		}
		if want == 0 {
			continue
		}
		before := standing(t, s, "ann")
		if got := attempt(t, s, ann, now.Add(want-time.Millisecond)); got != time.Millisecond {
			t.Errorf("too early: wait %s, want 1ms", got)
		}
		if after := standing(t, s, "ann"); after != before {
			t.Errorf("an attempt that has to wait changes %+v to %+v", before, after)
		}
		now = now.Add(want)
	}
	if got := attempt(t, s, tally("bob"), now); got != 0 {
		t.Errorf("another key has to wait %s", got)
	}
}

func testAttemptsLeak(t *testing.T, s store.Attempts) {
	ann := tally("ann")
	for range 2 {
		attempt(t, s, ann, morning)
	}
	for _, test := range []struct {
		after  time.Duration
		weight int
	}{{0, 2}, {9 * time.Minute, 2}, {10 * time.Minute, 1}, {19 * time.Minute, 1}, {20 * time.Minute, 0}, {time.Hour, 0}} {
		if got := standing(t, s, "ann").Weight(ann, morning.Add(test.after)); got != test.weight {
			t.Errorf("after %s the weight is %d, want %d", test.after, got, test.weight)
		}
	}
	// Counted from zero, not from before.
	attempt(t, s, ann, morning.Add(time.Hour))
	if got := standing(t, s, "ann").Weight(ann, morning.Add(time.Hour)); got != 1 {
		t.Errorf("an hour later the weight is %d, want 1", got)
	}
}

// The weight of any number of attempts, over any time, decreases to 0 in a
// known time.
func testAttemptsBounded(t *testing.T, s store.Attempts) {
	free := tally("ann")
	free.Free = 1_000
	for range 50 {
		attempt(t, s, free, morning)
	}
	if got := standing(t, s, "ann").Weight(free, morning); got != free.Most {
		t.Errorf("the weight is %d, want %d", got, free.Most)
	}
	huge := tally("bob")
	huge.First, huge.Longest = 1<<29*time.Microsecond, 1<<30*time.Microsecond
	now := morning
	for range 30 {
		if wait := attempt(t, s, huge, now); wait != 0 {
			t.Fatalf("wait %s", wait)
		}
		now = standing(t, s, "bob").Next
	}
}

func testForgiveAttempt(t *testing.T, s store.Attempts) {
	ann := tally("ann")
	for range 3 {
		attempt(t, s, ann, morning)
	}
	if err := s.ForgiveAttempt(t.Context(), ann, morning); err != nil {
		t.Fatal(err)
	}
	if got := standing(t, s, "ann"); got.Weight(ann, morning) != 2 || got.Next.After(morning) {
		t.Errorf("one of three forgiven: %+v", got)
	}
	attempt(t, s, ann, morning)
	if err := s.ClearAttempts(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	if got := standing(t, s, "ann"); got.Weight(ann, morning) != 0 || got.Next.After(morning) {
		t.Errorf("cleared: %+v", got)
	}
	for range 30 { // forgiving more than was counted has no effect
		if err := s.ForgiveAttempt(t.Context(), ann, morning); err != nil {
			t.Fatal(err)
		}
	}
	attempt(t, s, ann, morning)
	if got := standing(t, s, "ann").Weight(ann, morning); got != 1 {
		t.Errorf("after more was forgiven than counted, one attempt weighs %d", got)
	}
}

// Of many simultaneous attempts, only the allowed ones pass.
func testConcurrentAttempts(t *testing.T, s store.Attempts) {
	const tries = 30
	waits := make([]time.Duration, tries)
	var group sync.WaitGroup
	for i := range tries {
		group.Go(func() { waits[i] = attempt(t, s, tally("ann"), morning) })
	}
	group.Wait()
	passed := 0
	for _, wait := range waits {
		if wait == 0 {
			passed++
		} else if wait != time.Second {
			t.Errorf("wait %s, want a second", wait)
		}
	}
	if passed != 3 {
		t.Errorf("%d attempts passed, want 2 free ones and the one that makes the next wait", passed)
	}
}

func testPruneAttempts(t *testing.T, s store.Attempts) {
	for i := range 10 { // attempt9 takes longest to clear
		for range i + 1 {
			attempt(t, s, store.Tally{
				Key: fmt.Sprintf("attempt%d", i), Free: 100, First: time.Second, Longest: time.Minute, Leak: time.Minute, Most: 20,
			}, morning)
		}
	}
	left := func() (keys []int) {
		for i := range 10 {
			if standing(t, s, fmt.Sprintf("attempt%d", i)).Clear.After(time.Unix(0, 0)) {
				keys = append(keys, i)
			}
		}
		return keys
	}
	prune := func(now time.Time, most int) {
		t.Helper()
		if err := s.PruneAttempts(t.Context(), now, now.Add(-time.Hour), most); err != nil {
			t.Fatal(err)
		}
	}
	prune(morning, 10)
	if got := left(); len(got) != 10 {
		t.Errorf("nothing is clear, and there are no more than ten, but left are %d", got)
	}
	prune(morning.Add(3*time.Minute), 10)
	if got := left(); len(got) != 7 || got[0] != 3 {
		t.Errorf("after three minutes there are left %d, want 3 to 9", got)
	}
	prune(morning, 2)
	if got := left(); len(got) != 2 || got[0] != 8 {
		t.Errorf("of two that may stay there are left %d, want 8 and 9", got)
	}
}

func testAddresses(t *testing.T, s store.Attempts) {
	seen := func(account, address string) time.Time {
		t.Helper()
		at, err := s.AddressSeen(t.Context(), account, address)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	remember := func(account, address string, now time.Time) {
		t.Helper()
		if err := s.RememberAddress(t.Context(), account, address, now, 3); err != nil {
			t.Fatal(err)
		}
	}
	if at := seen("ann", "home"); !at.IsZero() {
		t.Errorf("never seen, but at %s", at)
	}
	remember("ann", "home", morning)
	remember("bob", "home", morning)
	for i := range 3 {
		remember("ann", fmt.Sprintf("hotel%d", i), morning.Add(time.Duration(i+1)*time.Minute))
	}
	for _, test := range []struct {
		account, address string
		want             time.Time
	}{
		{"ann", "home", time.Time{}}, // the fourth address removed it
		{"ann", "hotel0", morning.Add(time.Minute)},
		{"ann", "hotel2", morning.Add(3 * time.Minute)},
		{"bob", "home", morning},
		{"bob", "hotel0", time.Time{}},
	} {
		if at := seen(test.account, test.address); !at.Equal(test.want) {
			t.Errorf("%s at %s: seen %s, want %s", test.account, test.address, at, test.want)
		}
	}
	remember("ann", "hotel0", morning.Add(time.Hour)) // seen again
	if err := s.PruneAttempts(t.Context(), morning, morning.Add(10*time.Minute), 100); err != nil {
		t.Fatal(err)
	}
	if seen("ann", "hotel0").IsZero() || !seen("ann", "hotel2").IsZero() || !seen("bob", "home").IsZero() {
		t.Error("pruned are not those that were not seen lately")
	}
}

func testAttemptsCancelled(t *testing.T, s store.Attempts) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func() error{
		"Standings":       func() error { _, err := s.Standings(ctx, "ann"); return err },
		"CountAttempt":    func() error { _, err := s.CountAttempt(ctx, tally("ann"), morning); return err },
		"ForgiveAttempt":  func() error { return s.ForgiveAttempt(ctx, tally("ann"), morning) },
		"ClearAttempts":   func() error { return s.ClearAttempts(ctx, "ann") },
		"AddressSeen":     func() error { _, err := s.AddressSeen(ctx, "ann", "home"); return err },
		"RememberAddress": func() error { return s.RememberAddress(ctx, "ann", "home", morning, 3) },
		"PruneAttempts":   func() error { return s.PruneAttempts(ctx, morning, morning, 3) },
	} {
		wantError(t, name, call(), context.Canceled)
	}
	if got := standing(t, s, "ann").Weight(tally("ann"), morning); got != 0 {
		t.Errorf("counted %d though nobody was asked", got)
	}
}

package auth

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// oneAtATime has room for two more to wait.
func oneAtATime() *turns {
	return &turns{places: make(chan struct{}, 3), slots: make(chan struct{}, 1), wait: maxWait}
}

func TestTurnsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line, release := oneAtATime(), make(chan struct{})
		var order []int
		for i := range 3 {
			go func() {
				err := line.do(t.Context(), func() error {
					order = append(order, i)
					<-release
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		begin := time.Now()
		if err := line.do(t.Context(), func() error { return nil }); !errors.Is(err, ErrBusy) || time.Since(begin) != 0 {
			t.Errorf("a fourth: %v after %s, want ErrBusy at once", err, time.Since(begin))
		}
		for range 3 {
			release <- struct{}{}
			synctest.Wait()
		}
		if !slices.Equal(order, []int{0, 1, 2}) {
			t.Errorf("order %v", order)
		}
		wantNobody(t, line)
	})
}

func TestTurnsPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line, release := oneAtATime(), make(chan struct{})
		go func() {
			_ = line.do(t.Context(), func() error { <-release; return nil })
		}()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { left <- line.do(ctx, func() error { return nil }) }()
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("who leaves: %v", err)
		}
		begin := time.Now()
		if err := line.do(t.Context(), func() error { return nil }); !errors.Is(err, ErrBusy) || time.Since(begin) != maxWait {
			t.Errorf("who waits too long: %v after %s", err, time.Since(begin))
		}
		release <- struct{}{}
		synctest.Wait()
		wantNobody(t, line)
	})
}

// Work that panics does not stand in the way for ever.
func TestTurnsPanic(t *testing.T) {
	line := oneAtATime()
	func() {
		defer func() { _ = recover() }()
		_ = line.do(t.Context(), func() error { panic("work") })
	}()
	wantNobody(t, line)
}

func wantNobody(t *testing.T, line *turns) {
	t.Helper()
	if len(line.places) != 0 || len(line.slots) != 0 {
		t.Errorf("%d places and %d slots are still held", len(line.places), len(line.slots))
	}
}

// Processors are left for everything else, but for a single one.
func TestTurnsBounded(t *testing.T) {
	line := newTurns()
	if working := cap(line.slots); working < 1 || cap(line.places) != working+maxWaiting {
		t.Errorf("%d work, %d have a place", working, cap(line.places))
	}
}

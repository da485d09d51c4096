package account

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// newSingleLimiter allows one hash at a time, and two more attempts to wait.
func newSingleLimiter() *hashLimiter {
	return &hashLimiter{admitted: make(chan struct{}, 3), slots: make(chan struct{}, 1), wait: maxWait}
}

func TestHashLimiterInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter, release := newSingleLimiter(), make(chan struct{})
		var order []int
		for i := range 3 {
			go func() {
				err := limiter.do(t.Context(), func() error {
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
		if err := limiter.do(t.Context(), func() error { return nil }); !errors.Is(err, ErrBusy) || time.Since(begin) != 0 {
			t.Errorf("a fourth: %v after %s, want ErrBusy at once", err, time.Since(begin))
		}
		for range 3 {
			release <- struct{}{}
			synctest.Wait()
		}
		if !slices.Equal(order, []int{0, 1, 2}) {
			t.Errorf("order %v", order)
		}
		wantNoneAdmitted(t, limiter)
	})
}

func TestHashLimiterGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter, release := newSingleLimiter(), make(chan struct{})
		go func() {
			_ = limiter.do(t.Context(), func() error { <-release; return nil })
		}()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { left <- limiter.do(ctx, func() error { return nil }) }()
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("who leaves: %v", err)
		}
		begin := time.Now()
		if err := limiter.do(t.Context(), func() error { return nil }); !errors.Is(err, ErrBusy) || time.Since(begin) != maxWait {
			t.Errorf("who waits too long: %v after %s", err, time.Since(begin))
		}
		release <- struct{}{}
		synctest.Wait()
		wantNoneAdmitted(t, limiter)
	})
}

// A panic must not block the slot forever.
func TestHashLimiterPanic(t *testing.T) {
	limiter := newSingleLimiter()
	func() {
		defer func() { _ = recover() }()
		_ = limiter.do(t.Context(), func() error { panic("work") })
	}()
	wantNoneAdmitted(t, limiter)
}

func wantNoneAdmitted(t *testing.T, limiter *hashLimiter) {
	t.Helper()
	if len(limiter.admitted) != 0 || len(limiter.slots) != 0 {
		t.Errorf("%d places and %d slots are still held", len(limiter.admitted), len(limiter.slots))
	}
}

// Half of the processors stay free, unless there is only one.
func TestHashLimiterBounded(t *testing.T) {
	limiter := newHashLimiter()
	if working := cap(limiter.slots); working < 1 || cap(limiter.admitted) != working+maxWaiting {
		t.Errorf("%d work, %d have a place", working, cap(limiter.admitted))
	}
}

// Package idletimer ends a request when its other side is silent for too long.
package idletimer

import (
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/internal/timerwheel"
)

// ErrTimeout is the cause of a request that was canceled because the backend, or a
// stream in either direction, was silent for too long. It has a Timeout method, as
// net.Error, for packages that do not know this one.
var ErrTimeout error = timeoutError{}

type timeoutError struct{}

func (timeoutError) Error() string { return "silent for too long" }

// Timeout returns true.
func (timeoutError) Timeout() bool { return true }

// firstFire is when a timer fires for the first time, at the latest, so that
// FlushHeadSoon seldom has to schedule it.
const firstFire = 2 // ticks

// Handler is the request that a Timer ends.
type Handler interface {
	// OnTimeout ends the request. It is called at most once, and never after Stop.
	OnTimeout()
}

// HeadFlusher is a Handler whose response head may wait for its body.
type HeadFlusher interface {
	// FlushHead sends the head, unless the body has begun. It may block.
	FlushHead()
}

// Timer measures how long the other side is silent. One Timer serves a whole request:
// until the response headers with the route's timeout, afterwards with its idle
// timeout. Touch is called when bytes are read or written. The zero value is ready for
// Start.
type Timer struct {
	wheel   *timerwheel.Wheel
	timer   timerwheel.Timer
	handler Handler

	timeout      atomic.Int64 // ticks of silence; 0 means no limit
	lastActivity atomic.Int64 // the tick of the last Touch
	paused       atomic.Bool
	firstPending atomic.Bool // the timer has not fired yet, and fires within firstFire
	headPending  atomic.Bool // the head of the answer waits for the first bytes of its body

	mu      sync.Mutex
	stopped bool // the handler is not called any more
}

// Start starts the timer. A timeout of 0 means no limit.
func (t *Timer) Start(w *timerwheel.Wheel, handler Handler, timeout time.Duration) {
	t.wheel, t.handler = w, handler
	t.timer.Handler = t
	t.timeout.Store(timeoutTicks(timeout))
	if timeout > 0 {
		t.firstPending.Store(true)
		w.Schedule(&t.timer, min(firstFire, timerwheel.TicksIn(timeout)))
	}
	t.Touch() // after Schedule: an idle wheel does not count ticks
}

// timeoutTicks converts a timeout to ticks. It returns 0 for 0.
func timeoutTicks(timeout time.Duration) int64 {
	if timeout <= 0 {
		return 0
	}
	return int64(timerwheel.TicksIn(timeout))
}

// Fire implements timerwheel.Handler.
func (t *Timer) Fire(now timerwheel.Ticks) (next timerwheel.Ticks) {
	t.firstPending.Store(false)
	if t.headPending.Load() {
		if f, ok := t.handler.(HeadFlusher); ok {
			go f.FlushHead()
		}
	}
	timeout := timerwheel.Ticks(t.timeout.Load())
	switch due := timerwheel.Ticks(t.lastActivity.Load()) + timeout; {
	case timeout == 0:
		return 0
	case t.paused.Load():
		return now + timeout
	case now < due:
		return due
	}
	go t.expire()
	return 0
}

func (t *Timer) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.stopped {
		t.stopped = true
		t.handler.OnTimeout()
	}
}

// Touch restarts the timeout and ends a pause.
func (t *Timer) Touch() {
	if now := int64(t.wheel.Now()); t.lastActivity.Load() != now {
		t.lastActivity.Store(now)
	}
	if t.paused.Load() {
		t.paused.Store(false)
	}
}

// Pause pauses the timer until the next Touch. It is called when the request waits for
// another side, which has its own time limit.
func (t *Timer) Pause() { t.paused.Store(true) }

// SetTimeout changes the timeout and restarts it.
func (t *Timer) SetTimeout(timeout time.Duration) {
	t.Touch()
	now := timeoutTicks(timeout)
	// A timer that fires soon sees the new timeout.
	if before := t.timeout.Swap(now); now > 0 && (before == 0 || now < before) && !t.firstPending.Load() {
		t.wheel.Schedule(&t.timer, timerwheel.Ticks(now))
	}
}

// FlushHeadSoon makes the timer call the handler's FlushHead soon, unless BodyStarted is
// called before.
func (t *Timer) FlushHeadSoon() {
	t.headPending.Store(true)
	if t.firstPending.Load() {
		return // the timer fires soon
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.stopped {
		t.wheel.Schedule(&t.timer, 1)
	}
}

// BodyStarted cancels FlushHeadSoon.
func (t *Timer) BodyStarted() { t.headPending.Store(false) }

// HeadPending reports whether the head still waits for its body.
func (t *Timer) HeadPending() bool { return t.headPending.Load() }

// Stop stops the timer. OnTimeout is not called afterwards.
func (t *Timer) Stop() {
	t.mu.Lock()
	t.stopped = true
	t.mu.Unlock()
	t.wheel.Stop(&t.timer)
}

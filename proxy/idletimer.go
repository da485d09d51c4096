package proxy

import (
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/internal/timerwheel"
)

// errIdleTimeout is the cause of a request that was canceled because the backend,
// or a stream in either direction, was silent for too long.
var errIdleTimeout error = idleTimeoutError{}

// idleTimeoutError is a timeout also for those that cannot know errIdleTimeout: the
// transports.
type idleTimeoutError struct{}

func (idleTimeoutError) Error() string { return "silent for too long" }

// Timeout says that the time was over, not that a client left.
func (idleTimeoutError) Timeout() bool { return true }

// firstFire is when the timer of a request fires for the first time, at the
// latest: for whoever waits for the head of an answer.
const firstFire = 2 // ticks

// timeoutHandler is what an idleTimer ends: a request.
type timeoutHandler interface {
	onTimeout() // ends the request; called at most once, never after stop
}

// headFlusher is a timeoutHandler whose response head may wait for its body.
type headFlusher interface {
	flushHead() // sends the head, unless the body has begun; may block
}

// idleTimer ends a request when nothing has happened for a while: until the
// response headers for the route's timeout, afterwards for its idle timeout.
// One timer serves the whole request; whoever sees progress touches it.
type idleTimer struct {
	wheel   *timerwheel.Wheel
	timer   timerwheel.Timer
	handler timeoutHandler

	timeout      atomic.Int64 // ticks of silence; 0 is no bound
	lastActivity atomic.Int64 // the tick in which something happened
	paused       atomic.Bool
	firstPending atomic.Bool // the timer is still to fire for the first time, soon
	headPending  atomic.Bool // nothing of the answer's body is there yet; see headflush.go

	mu      sync.Mutex
	stopped bool // the request has ended, one way or the other
}

// start begins to wait. onTimeout runs after too long a silence, at most once,
// and never after stop.
func (p *idleTimer) start(w *timerwheel.Wheel, handler timeoutHandler, timeout time.Duration) {
	p.wheel, p.handler = w, handler
	p.timer.Handler = p
	p.timeout.Store(timeoutTicks(timeout))
	if timeout > 0 {
		p.firstPending.Store(true)
		w.Schedule(&p.timer, min(firstFire, timerwheel.TicksIn(timeout)))
	}
	p.touch() // now that the wheel runs
}

// timeoutTicks is a time in ticks, 0 for none.
func timeoutTicks(timeout time.Duration) int64 {
	if timeout <= 0 {
		return 0
	}
	return int64(timerwheel.TicksIn(timeout))
}

// fire implements handler.
func (p *idleTimer) Fire(now timerwheel.Ticks) (next timerwheel.Ticks) {
	p.firstPending.Store(false)
	if p.headPending.Load() {
		if f, ok := p.handler.(headFlusher); ok {
			go f.flushHead()
		}
	}
	timeout := timerwheel.Ticks(p.timeout.Load())
	switch due := timerwheel.Ticks(p.lastActivity.Load()) + timeout; {
	case timeout == 0:
		return 0
	case p.paused.Load():
		return now + timeout
	case now < due:
		return due
	}
	go p.expire()
	return 0
}

func (p *idleTimer) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stopped {
		p.stopped = true
		p.handler.onTimeout()
	}
}

// touch says that something has just happened, and that waiting goes on.
func (p *idleTimer) touch() {
	if now := int64(p.wheel.Now()); p.lastActivity.Load() != now {
		p.lastActivity.Store(now)
	}
	if p.paused.Load() {
		p.paused.Store(false)
	}
}

// pause stops waiting: what happens next is not the other side's to hurry.
func (p *idleTimer) pause() { p.paused.Store(true) }

// setTimeout changes how long the silence may be, and begins to wait anew.
func (p *idleTimer) setTimeout(timeout time.Duration) {
	p.touch()
	now := timeoutTicks(timeout)
	// A timer that is to fire soon sees the new timeout.
	if before := p.timeout.Swap(now); now > 0 && (before == 0 || now < before) && !p.firstPending.Load() {
		p.wheel.Schedule(&p.timer, timerwheel.Ticks(now))
	}
}

// flushHeadSoon is called when an answer has begun and nothing of its body is there: its head
// is sent when that is still so in a moment.
func (p *idleTimer) flushHeadSoon() {
	p.headPending.Store(true)
	if p.firstPending.Load() {
		return // the timer is to fire soon
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stopped {
		p.wheel.Schedule(&p.timer, 1)
	}
}

// stop ends the waiting for good.
func (p *idleTimer) stop() {
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	p.wheel.Stop(&p.timer)
}

package proxy

import (
	"sync"
	"sync/atomic"
	"time"
)

// errSilent is the cause of a request that was cancelled because the backend,
// or a stream in either direction, was silent for too long.
var errSilent error = silentError{}

// silentError is a timeout also for those that cannot know errSilent: the
// transports.
type silentError struct{}

func (silentError) Error() string { return "silent for too long" }

// Timeout says that the time was over, not that a client left.
func (silentError) Timeout() bool { return true }

// firstRing is when the alarm of a request rings for the first time, at the
// latest: for whoever waits for the head of an answer.
const firstRing = 2 // ticks

// impatient is a request.
type impatient interface {
	lose() // ends it
}

// patience ends a request when nothing has happened for a while: until the
// response headers for the route's timeout, afterwards for its idle timeout.
// One alarm serves the whole request; whoever sees progress touches it.
type patience struct {
	wheel *wheel
	alarm alarm
	of    impatient

	allowed atomic.Int64 // ticks of silence; 0 is no bound
	last    atomic.Int64 // the tick in which something happened
	paused  atomic.Bool
	early   atomic.Bool // the alarm is still to ring for the first time, soon
	awaited atomic.Bool // nothing of the answer's body is there yet; see awaited.go

	mu   sync.Mutex
	over bool // the request has ended, one way or the other
}

// start begins to wait. After too long a silence the request loses, once, and
// never after stop.
func (p *patience) start(w *wheel, of impatient, allowed time.Duration) {
	p.wheel, p.of = w, of
	p.alarm.of = p
	p.allowed.Store(bound(allowed))
	if allowed > 0 {
		p.early.Store(true)
		w.wake(&p.alarm, min(firstRing, ticksIn(allowed)))
	}
	p.touch() // now that the wheel turns
}

// bound is a time in ticks, 0 for none.
func bound(allowed time.Duration) int64 {
	if allowed <= 0 {
		return 0
	}
	return int64(ticksIn(allowed))
}

// ring implements ringer.
func (p *patience) ring(now ticks) (next ticks) {
	p.early.Store(false)
	if p.awaited.Load() {
		if waiter, ok := p.of.(interface{ sendHead() }); ok {
			go waiter.sendHead()
		}
	}
	allowed := ticks(p.allowed.Load())
	switch due := ticks(p.last.Load()) + allowed; {
	case allowed == 0:
		return 0
	case p.paused.Load():
		return now + allowed
	case now < due:
		return due
	}
	go p.end()
	return 0
}

func (p *patience) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		p.over = true
		p.of.lose()
	}
}

// touch says that something has just happened, and that waiting goes on.
func (p *patience) touch() {
	if now := int64(p.wheel.now()); p.last.Load() != now {
		p.last.Store(now)
	}
	if p.paused.Load() {
		p.paused.Store(false)
	}
}

// pause stops waiting: what happens next is not the other side's to hurry.
func (p *patience) pause() { p.paused.Store(true) }

// allow changes how long the silence may be, and begins to wait anew.
func (p *patience) allow(allowed time.Duration) {
	p.touch()
	now := bound(allowed)
	// An alarm that is to ring soon sees what is allowed now.
	if before := p.allowed.Swap(now); now > 0 && (before == 0 || now < before) && !p.early.Load() {
		p.wheel.wake(&p.alarm, ticks(now))
	}
}

// await says that an answer has begun and nothing of its body is there: its head
// is sent when that is still so in a moment.
func (p *patience) await() {
	p.awaited.Store(true)
	if p.early.Load() {
		return // the alarm is to ring soon
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		p.wheel.wake(&p.alarm, 1)
	}
}

// stop ends the waiting for good.
func (p *patience) stop() {
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	p.wheel.forget(&p.alarm)
}

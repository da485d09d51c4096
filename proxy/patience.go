package proxy

import (
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// errSilent is the cause of a request that was cancelled because the backend,
// or a stream in either direction, was silent for too long.
var errSilent = errors.New("silent for too long")

// patience ends a request when nothing has happened for a while: until the
// response headers for the route's timeout, afterwards for its idle timeout.
// One timer serves the whole request; whoever sees progress touches it.
type patience struct {
	timer   *time.Timer
	allowed atomic.Int64 // nanoseconds of silence; 0 is no bound

	mu   sync.Mutex
	over bool // the request has ended, one way or the other
}

// start begins to wait. After too long a silence lose is called, once, and
// never after stop.
func (p *patience) start(allowed time.Duration, lose func()) {
	p.allowed.Store(int64(allowed))
	if allowed == 0 {
		allowed = math.MaxInt64
	}
	p.timer = time.AfterFunc(allowed, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.over {
			p.over = true
			lose()
		}
	})
}

// touch says that something has just happened.
func (p *patience) touch() {
	if allowed := p.allowed.Load(); allowed > 0 {
		p.timer.Reset(time.Duration(allowed))
	}
}

// pause stops waiting: what happens next is not the other side's to hurry.
func (p *patience) pause() { p.timer.Stop() }

// allow changes how long the silence may be, and begins to wait anew.
func (p *patience) allow(allowed time.Duration) {
	p.allowed.Store(int64(allowed))
	p.timer.Stop()
	p.touch()
}

// stop ends the waiting for good.
func (p *patience) stop() {
	p.allowed.Store(0)
	p.timer.Stop()
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
}

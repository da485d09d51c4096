package account

// This file makes a long computation give way to requests, and to
// nothing else: on an idle machine it takes no longer than in one go (issue 10).
//
// Work is there while requests come, and where the kernel took the processor
// during a step. To rest after every step made a login on an idle gateway take
// four times as long. To rest only when the runtime had no processor left
// kept the p99 of a proxied GET at four times its p99 at rest, instead of at one
// and a half times (BenchmarkLoginLoad): a request that comes in the middle of a
// step waits for its end.

import (
	"runtime"
	"time"
)

const (
	// stepTime is how long one computes before others are let go first.
	stepTime = 250 * time.Microsecond
	// interruptedStep is a step in which others had the processor for a while.
	interruptedStep = stepTime * 8 / 5
	// recently is for how long after a request more are expected.
	recently = 100 * time.Millisecond
	// pollSteps is after how many steps the runtime is let look at the network,
	// where there is one processor for all: 2 ms.
	pollSteps = 8
	pollRest  = 50 * time.Microsecond
)

// pacer is that of one computation. Whoever computes calls step often.
type pacer struct {
	stepStart       time.Time // the step
	stepsSinceRest  int       // since the last rest
	singleProcessor bool      // this is the only processor

	lastCount   uint64    // requests, when they were counted last
	lastRequest time.Time // when there were more of them than before; zero is never

	requests func() uint64 // how many have come so far
	now      func() time.Time
	rest     func(time.Duration)
}

// newPacer begins a computation. The request that it is part of has come already.
func newPacer(requests func() uint64) *pacer {
	return &pacer{
		stepStart: time.Now(), singleProcessor: runtime.GOMAXPROCS(0) == 1, lastCount: requests(),
		requests: requests, now: time.Now, rest: time.Sleep,
	}
}

// step lets others go first once a step has taken long enough. While there are
// others it rests for as long as the step took: the busier the machine, the less
// of it goes into the computation. A rest also has the runtime look at the
// network, as runtime.Gosched does not.
func (p *pacer) step() {
	now := p.now()
	took := now.Sub(p.stepStart)
	if took < stepTime {
		return
	}
	p.stepsSinceRest++
	switch {
	case p.requestsRecent(now) || took > interruptedStep:
		p.pause(took)
	case p.singleProcessor && p.stepsSinceRest >= pollSteps:
		p.pause(pollRest)
	default:
		p.stepStart = now
	}
}

// requestsRecent reports whether another request has come recently.
func (p *pacer) requestsRecent(now time.Time) bool {
	if counted := p.requests(); counted != p.lastCount {
		p.lastCount, p.lastRequest = counted, now
	}
	return !p.lastRequest.IsZero() && now.Sub(p.lastRequest) < recently
}

func (p *pacer) pause(d time.Duration) {
	p.rest(d)
	p.stepsSinceRest, p.stepStart = 0, p.now()
}

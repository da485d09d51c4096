package auth

// This file has a long computation give way to work that is there, and to
// nothing else: on an idle machine it takes no longer than in one go (issue 10).
//
// Work is there while requests come, and where the kernel took the processor
// during a step. To rest after every step made a login on an idle gateway take
// four times as long. To rest only when the runtime had no processor left
// kept the p99 of a proxied GET at four times its p99 at rest, instead of at one
// and a half times (BenchmarkLoginStorm): a request that comes in the middle of a
// step waits for its end.

import (
	"runtime"
	"time"
)

const (
	// stepTime is how long one computes before others are let go first.
	stepTime = 250 * time.Microsecond
	// longStep is a step in which others had the processor for a while.
	longStep = stepTime * 8 / 5
	// recently is for how long after a request more are expected.
	recently = 100 * time.Millisecond
	// pollSteps is after how many steps the runtime is let look at the network,
	// where there is one processor for all: 2 ms.
	pollSteps = 8
	pollRest  = 50 * time.Microsecond
)

// pace is that of one computation. Whoever computes calls step often.
type pace struct {
	begun time.Time // the step
	steps int       // since the last rest
	only  bool      // this is the only processor

	counted uint64    // requests, when they were counted last
	lastNew time.Time // when there were more of them than before; zero is never

	requests func() uint64 // how many have come so far
	now      func() time.Time
	rest     func(time.Duration)
}

// newPace begins a computation. The request that it is part of has come already.
func newPace(requests func() uint64) *pace {
	return &pace{
		begun: time.Now(), only: runtime.GOMAXPROCS(0) == 1, counted: requests(),
		requests: requests, now: time.Now, rest: time.Sleep,
	}
}

// step lets others go first once a step has taken long enough. While there are
// others it rests for as long as the step took: the busier the machine, the less
// of it goes into the computation. A rest also has the runtime look at the
// network, as runtime.Gosched does not.
func (p *pace) step() {
	now := p.now()
	took := now.Sub(p.begun)
	if took < stepTime {
		return
	}
	p.steps++
	switch {
	case p.expectsOthers(now) || took > longStep:
		p.pause(took)
	case p.only && p.steps >= pollSteps:
		p.pause(pollRest)
	default:
		p.begun = now
	}
}

// expectsOthers reports whether another request has come recently.
func (p *pace) expectsOthers(now time.Time) bool {
	if counted := p.requests(); counted != p.counted {
		p.counted, p.lastNew = counted, now
	}
	return !p.lastNew.IsZero() && now.Sub(p.lastNew) < recently
}

func (p *pace) pause(d time.Duration) {
	p.rest(d)
	p.steps, p.begun = 0, p.now()
}

package account

// This file makes a long computation pause for requests, and for nothing else.
// On an idle machine the computation takes no longer than without pauses (issue
// 10).
//
// The computation pauses while requests arrive, and when the kernel ran other
// work during a step. Two simpler rules were measured (BenchmarkLoginLoad). A
// rest after every step made a login on an idle gateway take four times as
// long. A rest only when the runtime had no free processor kept the p99 of a
// proxied GET at four times its p99 at rest, instead of one and a half times: a
// request that arrives in the middle of a step waits for the end of that step.

import (
	"runtime"
	"time"
)

const (
	// stepTime is how long a computation runs before it may pause.
	stepTime = 250 * time.Microsecond
	// interruptedStep is the length of a step in which other work used the
	// processor.
	interruptedStep = stepTime * 8 / 5
	// recently is how long after a request more requests are expected.
	recently = 100 * time.Millisecond
	// pollSteps is the number of steps after which the runtime may poll the
	// network on a machine with a single processor: 2 ms.
	pollSteps = 8
	pollRest  = 50 * time.Microsecond
)

// pacer paces one computation, which calls step often.
type pacer struct {
	stepStart       time.Time // when the step started
	stepsSinceRest  int       // steps since the last rest
	singleProcessor bool      // the process has one processor only

	lastCount   uint64    // requests at the last count
	lastRequest time.Time // when the count last grew; zero means never

	requests func() uint64 // how many have arrived so far
	now      func() time.Time
	rest     func(time.Duration)
}

// newPacer starts a computation. The request that it belongs to is counted
// already.
func newPacer(requests func() uint64) *pacer {
	return &pacer{
		stepStart: time.Now(), singleProcessor: runtime.GOMAXPROCS(0) == 1, lastCount: requests(),
		requests: requests, now: time.Now, rest: time.Sleep,
	}
}

// step pauses once a step has run long enough. While requests arrive, it rests
// for as long as the step took: the busier the machine, the smaller the share
// of the computation. A rest also makes the runtime poll the network;
// runtime.Gosched does not.
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

// requestsRecent reports whether another request has arrived recently.
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

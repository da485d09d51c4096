package auth

// This file has a long computation give way to work that is there, and to
// nothing else: on an idle machine it takes no longer than in one go (issue 10).
//
// That work is there shows in two ways: the kernel took the processor during a
// step, or the runtime has no processor left that would look at the network. To
// rest after every step, as before, made a login alone take four times as long and
// was no better for the p99 of a proxied GET (BenchmarkLoginStorm); the first way
// without the second left it three times as high.

import (
	"runtime"
	"runtime/metrics"
	"time"
)

const (
	// stepTime is how long one computes before others are let go first.
	stepTime = 250 * time.Microsecond
	// longStep is a step in which others had the processor for a while.
	longStep = stepTime * 8 / 5
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

	now  func() time.Time
	busy func() bool // reports whether goroutines wait, or no processor is free to notice work from the network
	rest func(time.Duration)
}

func newPace() *pace {
	processors := runtime.GOMAXPROCS(0)
	return &pace{
		begun: time.Now(), only: processors == 1,
		now: time.Now, busy: busyProcessors(processors), rest: time.Sleep,
	}
}

// busyProcessors asks the runtime what its processors do. It takes 0.2 µs.
func busyProcessors(processors int) func() bool {
	samples := []metrics.Sample{{Name: "/sched/goroutines/runnable:goroutines"}, {Name: "/sched/goroutines/running:goroutines"}}
	return func() bool {
		metrics.Read(samples)
		if samples[0].Value.Kind() != metrics.KindUint64 { // a runtime that does not know
			return true
		}
		running := samples[1].Value.Uint64()
		return samples[0].Value.Uint64() > 0 || processors > 1 && running >= uint64(processors)
	}
}

// step lets others go first once a step has taken long enough. Where others took
// the processor, it rests for as long as the step took: the busier the machine,
// the less of it goes into the computation. A rest also has the runtime look at
// the network, as runtime.Gosched does not.
func (p *pace) step() {
	took := p.now().Sub(p.begun)
	if took < stepTime {
		return
	}
	p.steps++
	switch {
	case took > longStep || p.busy():
		p.pause(took)
	case p.only && p.steps >= pollSteps:
		p.pause(pollRest)
	default:
		p.begun = p.now()
	}
}

func (p *pace) pause(d time.Duration) {
	p.rest(d)
	p.steps, p.begun = 0, p.now()
}

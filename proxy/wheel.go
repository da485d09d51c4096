package proxy

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// A wheel wakes what has waited for too long. A gateway begins to wait several
// times in each request, for a client and for a backend, and hardly ever waits
// in vain: timers of the runtime, set anew each time, took a tenth of what a
// small request costs. To go on waiting is here to note in which tick something
// happened, without a clock, a lock or a system call.

const (
	// tickLength is how exact a wheel is: an alarm rings up to two ticks late.
	tickLength = 50 * time.Millisecond
	// spokes is how far ahead an alarm is set, in ticks. One that is due later
	// is set again when it comes round.
	spokes = 256
	// shards keep requests from waiting for one another.
	shards = 16
)

// ticks is a number of ticks, or a time counted in ticks since the wheel was made.
type ticks int64

// ticksIn is how many ticks a time takes, the one that has begun included.
func ticksIn(d time.Duration) ticks { return ticks((d+tickLength-1)/tickLength) + 1 }

// wheel turns as long as it holds alarms.
type wheel struct {
	epoch   time.Time
	at      atomic.Int64 // the present, in ticks; old while the wheel stands
	alarms  atomic.Int64
	turning atomic.Bool
	shards  [shards]shard
}

type shard struct {
	mu     sync.Mutex
	spokes [spokes]*alarm // what is due then: the first of a list
}

// ringer is what waits for an alarm.
type ringer interface {
	// ring is called when it is due, and says when next, 0 for never. It holds
	// a lock of the wheel: it must not block, nor set an alarm.
	ring(now ticks) (next ticks)
}

// alarm is something that may have to be woken. It is part of what waits.
type alarm struct {
	of ringer

	shard      *shard // nil before it was set for the first time
	spoke      int
	set        bool
	prev, next *alarm
}

func newWheel() *wheel { return &wheel{epoch: time.Now()} }

// now is the present tick.
func (w *wheel) now() ticks { return ticks(w.at.Load()) }

// until returns how many ticks lie between now and a time.
func (w *wheel) until(t time.Time) ticks { return ticks(t.Sub(w.epoch)/tickLength) + 1 - w.now() }

// wake has the alarm ring after so many ticks, wherever it was set before.
func (w *wheel) wake(a *alarm, after ticks) {
	if a.shard == nil {
		a.shard = &w.shards[rand.Uint32N(shards)]
	}
	a.shard.mu.Lock()
	if !a.set {
		w.alarms.Add(1)
		w.turn()
	} else {
		a.shard.unlink(a)
	}
	a.shard.link(a, w.now()+after, w.now())
	a.shard.mu.Unlock()
}

// forget has the alarm not ring any more. When it returns it does not.
func (w *wheel) forget(a *alarm) {
	if a.shard == nil {
		return
	}
	a.shard.mu.Lock()
	if a.set {
		a.shard.unlink(a)
		w.alarms.Add(-1)
	}
	a.shard.mu.Unlock()
}

func (s *shard) link(a *alarm, due, now ticks) {
	a.spoke = int(min(max(due, now+1), now+spokes-1) % spokes)
	a.set, a.prev, a.next = true, nil, s.spokes[a.spoke]
	if a.next != nil {
		a.next.prev = a
	}
	s.spokes[a.spoke] = a
}

func (s *shard) unlink(a *alarm) {
	if a.prev != nil {
		a.prev.next = a.next
	} else {
		s.spokes[a.spoke] = a.next
	}
	if a.next != nil {
		a.next.prev = a.prev
	}
	a.set, a.prev, a.next = false, nil, nil
}

// turn sees to it that the wheel turns. One that stood knows the present again.
func (w *wheel) turn() {
	if w.turning.Load() || !w.turning.CompareAndSwap(false, true) {
		return
	}
	w.at.Store(int64(time.Since(w.epoch) / tickLength))
	go w.run()
}

// run turns the wheel until it holds nothing.
func (w *wheel) run() {
	tick := time.NewTicker(tickLength)
	defer tick.Stop()
	for range tick.C {
		present := ticks(time.Since(w.epoch) / tickLength)
		for now := w.now() + 1; now <= present; now++ {
			w.at.Store(int64(now))
			for i := range w.shards {
				w.ringAll(&w.shards[i], now)
			}
		}
		if w.alarms.Load() > 0 {
			continue
		}
		w.turning.Store(false)
		if w.alarms.Load() == 0 || !w.turning.CompareAndSwap(false, true) {
			return // nothing came meanwhile, or it has begun to turn the wheel itself
		}
	}
}

// ringAll rings what is due.
func (w *wheel) ringAll(s *shard, now ticks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	due := s.spokes[now%spokes]
	s.spokes[now%spokes] = nil
	for due != nil {
		a := due
		due = a.next
		a.set, a.prev, a.next = false, nil, nil
		if next := a.of.ring(now); next != 0 {
			s.link(a, next, now)
		} else {
			w.alarms.Add(-1)
		}
	}
}

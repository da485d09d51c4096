package proxy

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// A wheel fires timers for what has waited too long. A gateway begins to wait several
// times in each request, for a client and for a backend, and hardly ever waits
// in vain: timers of the runtime, set anew each time, took a tenth of what a
// small request costs. To go on waiting is here to note in which tick something
// happened, without a clock, a lock or a system call.

const (
	// tickLength is how exact a wheel is: a timer fires up to two ticks late.
	tickLength = 50 * time.Millisecond
	// slotCount is how far ahead a timer is set, in ticks. One that is due later
	// is set again when it comes round.
	slotCount = 256
	// shardCount keeps requests from waiting for one another.
	shardCount = 16
)

// ticks is a number of ticks, or a time counted in ticks since the wheel was made.
type ticks int64

// ticksIn is how many ticks a time takes, the one that has begun included.
func ticksIn(d time.Duration) ticks { return ticks((d+tickLength-1)/tickLength) + 1 }

// wheel runs as long as it holds timers.
type wheel struct {
	epoch   time.Time
	tick    atomic.Int64 // the present, in ticks; old while the wheel is not running
	timers  atomic.Int64
	running atomic.Bool
	shards  [shardCount]shard
}

type shard struct {
	mu    sync.Mutex
	slots [slotCount]*timer // what is due then: the first of a list
}

// handler is what a timer belongs to.
type handler interface {
	// fire is called when the timer is due. It returns when it is due next, 0 for never. It holds
	// a lock of the wheel: it must not block, nor set a timer.
	fire(now ticks) (next ticks)
}

// timer is one timer of a wheel. It is part of what waits.
type timer struct {
	handler handler

	shard      *shard // nil before it was set for the first time
	slot       int
	scheduled  bool
	prev, next *timer
}

func newWheel() *wheel { return &wheel{epoch: time.Now()} }

// now is the present tick.
func (w *wheel) now() ticks { return ticks(w.tick.Load()) }

// until returns how many ticks lie between now and a time.
func (w *wheel) until(t time.Time) ticks { return ticks(t.Sub(w.epoch)/tickLength) + 1 - w.now() }

// schedule has the timer fire after so many ticks, wherever it was set before.
func (w *wheel) schedule(a *timer, after ticks) {
	if a.shard == nil {
		a.shard = &w.shards[rand.Uint32N(shardCount)]
	}
	a.shard.mu.Lock()
	if !a.scheduled {
		w.timers.Add(1)
		w.start()
	} else {
		a.shard.unlink(a)
	}
	a.shard.link(a, w.now()+after, w.now())
	a.shard.mu.Unlock()
}

// stop has the timer not fire any more. When it returns it does not.
func (w *wheel) stop(a *timer) {
	if a.shard == nil {
		return
	}
	a.shard.mu.Lock()
	if a.scheduled {
		a.shard.unlink(a)
		w.timers.Add(-1)
	}
	a.shard.mu.Unlock()
}

func (s *shard) link(a *timer, due, now ticks) {
	a.slot = int(min(max(due, now+1), now+slotCount-1) % slotCount)
	a.scheduled, a.prev, a.next = true, nil, s.slots[a.slot]
	if a.next != nil {
		a.next.prev = a
	}
	s.slots[a.slot] = a
}

func (s *shard) unlink(a *timer) {
	if a.prev != nil {
		a.prev.next = a.next
	} else {
		s.slots[a.slot] = a.next
	}
	if a.next != nil {
		a.next.prev = a.prev
	}
	a.scheduled, a.prev, a.next = false, nil, nil
}

// start makes the wheel run. One that was not running knows the present again.
func (w *wheel) start() {
	if w.running.Load() || !w.running.CompareAndSwap(false, true) {
		return
	}
	w.tick.Store(int64(time.Since(w.epoch) / tickLength))
	go w.run()
}

// run fires timers until the wheel holds none.
func (w *wheel) run() {
	tick := time.NewTicker(tickLength)
	defer tick.Stop()
	for range tick.C {
		present := ticks(time.Since(w.epoch) / tickLength)
		for now := w.now() + 1; now <= present; now++ {
			w.tick.Store(int64(now))
			for i := range w.shards {
				w.fire(&w.shards[i], now)
			}
		}
		if w.timers.Load() > 0 {
			continue
		}
		w.running.Store(false)
		if w.timers.Load() == 0 || !w.running.CompareAndSwap(false, true) {
			return // nothing came meanwhile, or it has started the wheel itself
		}
	}
}

// fire fires what is due in one shard.
func (w *wheel) fire(s *shard, now ticks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	due := s.slots[now%slotCount]
	s.slots[now%slotCount] = nil
	for due != nil {
		a := due
		due = a.next
		a.scheduled, a.prev, a.next = false, nil, nil
		if next := a.handler.fire(now); next != 0 {
			s.link(a, next, now)
		} else {
			w.timers.Add(-1)
		}
	}
}

// Package timerwheel has coarse timers that are very cheap to extend. In each
// request a gateway starts to wait several times, for a client and for a
// backend, and these waits rarely time out. Setting runtime timers each time
// cost a tenth of a small request. The owner of a Timer instead records the
// tick of its last event with Wheel.Now, without a clock, a lock or a system
// call. It decides what to do when the timer fires.
package timerwheel

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Tick is the precision of a wheel: a timer fires up to two ticks late.
	Tick = 50 * time.Millisecond
	// slotCount is how far ahead a timer can be scheduled, in ticks. A Handler
	// whose timer fires too early returns the time again.
	slotCount = 256
	// shardCount is the number of shards, each with its own lock, so that
	// requests do not wait for each other.
	shardCount = 16
)

// Ticks is a number of ticks, or a time in ticks since the wheel was made.
type Ticks int64

// TicksIn returns how many ticks a duration takes, including the current one.
func TicksIn(d time.Duration) Ticks { return Ticks((d+Tick-1)/Tick) + 1 }

// Wheel fires timers. Its goroutine runs only while a timer is scheduled. It is
// safe for concurrent use.
type Wheel struct {
	epoch   time.Time
	tick    atomic.Int64 // the current tick; outdated while the wheel is not running
	timers  atomic.Int64
	running atomic.Bool
	shards  [shardCount]shard
}

type shard struct {
	mu    sync.Mutex
	slots [slotCount]*Timer // the first of a list of the timers that are due in that tick
}

// Handler is called when a timer fires.
type Handler interface {
	// Fire returns the tick in which the timer fires next, or 0 for never. It
	// is called while a lock of the wheel is held: it must not block, and must
	// not schedule a timer.
	Fire(now Ticks) (next Ticks)
}

// Timer is one timer of a wheel. It is embedded in the struct that waits, so it
// costs no allocation. Its Handler must be set before it is scheduled.
type Timer struct {
	Handler Handler

	shard      *shard // nil before it is first scheduled
	slot       int
	scheduled  bool
	prev, next *Timer
}

// New returns a wheel without timers.
func New() *Wheel { return &Wheel{epoch: time.Now()} }

// Now returns the current tick.
func (w *Wheel) Now() Ticks { return Ticks(w.tick.Load()) }

// Until returns the number of ticks from now to a time.
func (w *Wheel) Until(t time.Time) Ticks { return Ticks(t.Sub(w.epoch)/Tick) + 1 - w.Now() }

// Schedule makes the timer fire after that many ticks. It replaces an earlier
// schedule.
func (w *Wheel) Schedule(t *Timer, after Ticks) {
	if t.shard == nil {
		t.shard = &w.shards[rand.Uint32N(shardCount)]
	}
	t.shard.mu.Lock()
	if !t.scheduled {
		w.timers.Add(1)
		w.start()
	} else {
		t.shard.unlink(t)
	}
	t.shard.link(t, w.Now()+after, w.Now())
	t.shard.mu.Unlock()
}

// Stop stops the timer. When it returns, no call of Fire is running.
func (w *Wheel) Stop(t *Timer) {
	if t.shard == nil {
		return
	}
	t.shard.mu.Lock()
	if t.scheduled {
		t.shard.unlink(t)
		w.timers.Add(-1)
	}
	t.shard.mu.Unlock()
}

func (s *shard) link(t *Timer, due, now Ticks) {
	t.slot = int(min(max(due, now+1), now+slotCount-1) % slotCount)
	t.scheduled, t.prev, t.next = true, nil, s.slots[t.slot]
	if t.next != nil {
		t.next.prev = t
	}
	s.slots[t.slot] = t
}

func (s *shard) unlink(t *Timer) {
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		s.slots[t.slot] = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	}
	t.scheduled, t.prev, t.next = false, nil, nil
}

// start starts the goroutine, unless it runs, and updates the current tick.
func (w *Wheel) start() {
	if w.running.Load() || !w.running.CompareAndSwap(false, true) {
		return
	}
	w.tick.Store(int64(time.Since(w.epoch) / Tick))
	go w.run()
}

// run fires timers until none is scheduled.
func (w *Wheel) run() {
	tick := time.NewTicker(Tick)
	defer tick.Stop()
	for range tick.C {
		present := Ticks(time.Since(w.epoch) / Tick)
		for now := w.Now() + 1; now <= present; now++ {
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
			return // no timer was scheduled meanwhile, or Schedule has started another run
		}
	}
}

// fire fires the due timers of one shard.
func (w *Wheel) fire(s *shard, now Ticks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	due := s.slots[now%slotCount]
	s.slots[now%slotCount] = nil
	for due != nil {
		t := due
		due = t.next
		t.scheduled, t.prev, t.next = false, nil, nil
		if next := t.Handler.Fire(now); next != 0 {
			s.link(t, next, now)
		} else {
			w.timers.Add(-1)
		}
	}
}

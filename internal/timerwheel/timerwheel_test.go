package timerwheel

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestWheel wants timers on time: never early, two ticks late at most, however
// far ahead they were set.
func TestWheel(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{0, time.Millisecond, Tick, time.Second, slotCount * Tick, time.Minute, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			w := New()
			var fired atomic.Int64
			begun := time.Now()
			due := TicksIn(after)
			a := &Timer{}
			a.Handler = fireFunc(func(now Ticks) Ticks {
				if now < due {
					return due
				}
				fired.Store(int64(time.Since(begun)))
				return 0
			})
			w.Schedule(a, due)
			time.Sleep(after + 3*Tick)
			took := time.Duration(fired.Load())
			if took < after || took > after+2*Tick {
				t.Errorf("a timer for %v fired after %v", after, took)
			}
			if w.running.Load() {
				t.Error("an empty wheel runs")
			}
		})
	}
}

// TestWheelStop wants no timer to fire that was stopped, and one that was
// set again to fire once, when it was set to last.
func TestWheelStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := New()
		var fired atomic.Int64
		timers := make([]*Timer, 100)
		for i := range timers {
			timers[i] = &Timer{Handler: fireFunc(func(Ticks) Ticks { fired.Add(1); return 0 })}
			w.Schedule(timers[i], TicksIn(time.Second))
		}
		for i, a := range timers {
			switch i % 3 {
			case 0:
				w.Stop(a)
				w.Stop(a)
			case 1:
				w.Schedule(a, TicksIn(5*time.Second))
			}
		}
		time.Sleep(2 * time.Second)
		if got := fired.Load(); got != 33 {
			t.Errorf("%d timers fired after a second, want 33", got)
		}
		time.Sleep(5 * time.Second)
		if got := fired.Load(); got != 66 {
			t.Errorf("%d timers fired in all, want 66", got)
		}
		w.Schedule(timers[0], TicksIn(time.Second)) // the wheel was not running
		time.Sleep(2 * time.Second)
		if got := fired.Load(); got != 67 {
			t.Errorf("%d timers fired, want 67", got)
		}
	})
}

// fireFunc is called when a timer fires.
type fireFunc func(now Ticks) Ticks

func (r fireFunc) Fire(now Ticks) Ticks { return r(now) }

package proxy

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestWheel wants timers on time: never early, two ticks late at most, however
// far ahead they were set.
func TestWheel(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{0, time.Millisecond, tickLength, time.Second, slotCount * tickLength, time.Minute, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			w := newWheel()
			var fired atomic.Int64
			begun := time.Now()
			due := ticksIn(after)
			a := &timer{}
			a.handler = fireFunc(func(now ticks) ticks {
				if now < due {
					return due
				}
				fired.Store(int64(time.Since(begun)))
				return 0
			})
			w.schedule(a, due)
			time.Sleep(after + 3*tickLength)
			took := time.Duration(fired.Load())
			if took < after || took > after+2*tickLength {
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
		w := newWheel()
		var fired atomic.Int64
		timers := make([]*timer, 100)
		for i := range timers {
			timers[i] = &timer{handler: fireFunc(func(ticks) ticks { fired.Add(1); return 0 })}
			w.schedule(timers[i], ticksIn(time.Second))
		}
		for i, a := range timers {
			switch i % 3 {
			case 0:
				w.stop(a)
				w.stop(a)
			case 1:
				w.schedule(a, ticksIn(5*time.Second))
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
		w.schedule(timers[0], ticksIn(time.Second)) // the wheel was not running
		time.Sleep(2 * time.Second)
		if got := fired.Load(); got != 67 {
			t.Errorf("%d timers fired, want 67", got)
		}
	})
}

// fireFunc is called when a timer fires.
type fireFunc func(now ticks) ticks

func (r fireFunc) fire(now ticks) ticks { return r(now) }

// TestReadDeadlines sets deadlines as net/http's server does, and wants a read
// to end at the last of them, and at none that was lifted.
func TestReadDeadlines(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set  []time.Duration // -1 lifts it
		want time.Duration   // 0 is never
	}{
		"none":               {nil, 0},
		"near":               {[]time.Duration{time.Second}, time.Second},
		"of a head":          {[]time.Duration{10 * time.Second}, 10 * time.Second},
		"of an idle one":     {[]time.Duration{2 * time.Minute}, 2 * time.Minute},
		"lifted":             {[]time.Duration{10 * time.Second, -1}, 0},
		"near and lifted":    {[]time.Duration{time.Second, -1}, 0},
		"later":              {[]time.Duration{time.Second, time.Minute}, time.Minute},
		"earlier":            {[]time.Duration{2 * time.Minute, 10 * time.Second}, 10 * time.Second},
		"near, after a far":  {[]time.Duration{2 * time.Minute, time.Second}, time.Second},
		"as for one request": {[]time.Duration{2 * time.Minute, -1, 10 * time.Second, -1, 2 * time.Minute}, 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer far.Close()
				l := &Listener{gateway: &Gateway{wheel: newWheel()}, clients: newClientCounter()}
				conn := newClientConn(near, l, netip.Addr{})
				begun := time.Now()
				for _, after := range c.set {
					at := time.Time{}
					if after >= 0 {
						at = begun.Add(after)
					}
					_ = conn.SetReadDeadline(at)
				}
				ended := make(chan error, 1)
				go func() {
					_, err := conn.Read(make([]byte, 16))
					ended <- err
				}()
				select {
				case err := <-ended:
					took := time.Since(begun)
					if !errors.Is(err, os.ErrDeadlineExceeded) || took < c.want || took > c.want+2*tickLength || c.want == 0 {
						t.Errorf("the read ended after %v: %v", took, err)
					}
				case <-time.After(10 * time.Minute):
					if c.want != 0 {
						t.Error("the read goes on")
					}
				}
				_ = conn.Close()
				time.Sleep(2 * tickLength) // the wheel stops
			})
		})
	}
}

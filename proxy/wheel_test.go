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

// TestWheel wants alarms on time: never early, two ticks late at most, however
// far ahead they were set.
func TestWheel(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{0, time.Millisecond, tickLength, time.Second, spokes * tickLength, time.Minute, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			w := newWheel()
			var rang atomic.Int64
			begun := time.Now()
			due := ticksIn(after)
			a := &alarm{}
			a.of = ringing(func(now ticks) ticks {
				if now < due {
					return due
				}
				rang.Store(int64(time.Since(begun)))
				return 0
			})
			w.wake(a, due)
			time.Sleep(after + 3*tickLength)
			took := time.Duration(rang.Load())
			if took < after || took > after+2*tickLength {
				t.Errorf("an alarm for %v rang after %v", after, took)
			}
			if w.turning.Load() {
				t.Error("an empty wheel turns")
			}
		})
	}
}

// TestWheelForgets wants no alarm to ring that was forgotten, and one that was
// set again to ring once, when it was set to last.
func TestWheelForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWheel()
		var rang atomic.Int64
		alarms := make([]*alarm, 100)
		for i := range alarms {
			alarms[i] = &alarm{of: ringing(func(ticks) ticks { rang.Add(1); return 0 })}
			w.wake(alarms[i], ticksIn(time.Second))
		}
		for i, a := range alarms {
			switch i % 3 {
			case 0:
				w.forget(a)
				w.forget(a)
			case 1:
				w.wake(a, ticksIn(5*time.Second))
			}
		}
		time.Sleep(2 * time.Second)
		if got := rang.Load(); got != 33 {
			t.Errorf("%d alarms rang after a second, want 33", got)
		}
		time.Sleep(5 * time.Second)
		if got := rang.Load(); got != 66 {
			t.Errorf("%d alarms rang in all, want 66", got)
		}
		w.wake(alarms[0], ticksIn(time.Second)) // the wheel stood
		time.Sleep(2 * time.Second)
		if got := rang.Load(); got != 67 {
			t.Errorf("%d alarms rang, want 67", got)
		}
	})
}

// ringing is called when an alarm rings.
type ringing func(now ticks) ticks

func (r ringing) ring(now ticks) ticks { return r(now) }

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
				l := &Listener{gateway: &Gateway{wheel: newWheel()}, clients: newTally()}
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
				time.Sleep(2 * tickLength) // the wheel stands
			})
		})
	}
}

package listener

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/internal/timerwheel"
)

// TestReadDeadlines sets deadlines as net/http's server does. A read must end at the last
// of them, and must ignore deadlines that were removed.
func TestReadDeadlines(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set  []time.Duration // -1 removes the deadline
		want time.Duration   // 0 means never
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
				l := newListener(nil, Options{Wheel: timerwheel.New()})
				conn := newConn(near, l, netip.Addr{}, false)
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
					if !errors.Is(err, os.ErrDeadlineExceeded) || took < c.want || took > c.want+2*timerwheel.Tick || c.want == 0 {
						t.Errorf("the read ended after %v: %v", took, err)
					}
				case <-time.After(10 * time.Minute):
					if c.want != 0 {
						t.Error("the read goes on")
					}
				}
				_ = conn.Close()
				time.Sleep(2 * timerwheel.Tick) // the wheel stops
			})
		})
	}
}

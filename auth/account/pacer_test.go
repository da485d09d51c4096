package account

import (
	"testing"
	"time"

	"gatehouse/auth/authtest"
)

// TestPacer requires rests only while others have work, and only for as long as
// the step took.
func TestPacer(t *testing.T) {
	const stepCost = 30 * time.Microsecond // one call of step
	for _, test := range []struct {
		name     string
		stolen   time.Duration // what the kernel took of each step
		only     bool
		requests time.Duration // between two of them; 0 is none
		min, max time.Duration // of rest in a second of computing
	}{
		{"idle", 0, false, 0, 0, 0},
		{"idle, one processor", 0, true, 0, time.Millisecond, 50 * time.Millisecond},
		{"requests come", 0, false, 5 * time.Millisecond, 9 * time.Second / 10, 2 * time.Second},
		{"a request now and then", 0, false, 400 * time.Millisecond, 5 * time.Millisecond, time.Second / 2},
		{"others took it", time.Millisecond, false, 0, 9 * time.Second / 10, 10 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			clock, rested, computed := authtest.Noon, time.Duration(0), time.Duration(0)
			p := &pacer{
				stepStart: clock, singleProcessor: test.only,
				now: func() time.Time { return clock },
				requests: func() uint64 {
					if test.requests == 0 {
						return 0
					}
					return uint64(clock.Sub(authtest.Noon) / test.requests)
				},
				rest: func(d time.Duration) { rested += d; clock = clock.Add(d) },
			}
			for i := 0; computed < time.Second; i++ {
				computed += stepCost
				clock = clock.Add(stepCost)
				if i%8 == 0 {
					clock = clock.Add(test.stolen)
				}
				p.step()
			}
			if rested < test.min || rested > test.max {
				t.Errorf("rested for %v of a second, want %v to %v", rested, test.min, test.max)
			}
		})
	}
}

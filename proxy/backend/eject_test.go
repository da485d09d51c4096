package backend

import (
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/config"
	"gatehouse/config/value"
)

func withPassive(maxEjected config.Percent) func(*config.Backend) {
	return func(cfg *config.Backend) {
		cfg.Passive = &config.Passive{Fails: 3, Eject: 30 * time.Second, MaxEjected: maxEjected}
	}
}

func failing(b *Backend, s *Server, times int) {
	for range times {
		b.Report(s, ResultReset, 0)
	}
}

// countUsable returns how many servers get requests.
func countUsable(b *Backend) int { return len(b.current().usable) }

func TestEjection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBackend(t, newTestRegistry(), withPassive(50), 1, 1, 1, 1)
		bad := b.Servers()[0]
		failing(b, bad, 2)
		b.Report(bad, ResultAnswered, 0)
		failing(b, bad, 2)
		if countUsable(b) != 4 {
			t.Fatal("a server was ejected before three failures in a row")
		}
		failing(b, bad, 1)
		if countUsable(b) != 3 || !bad.State().Ejected {
			t.Fatal("a server was not ejected after three failures in a row")
		}
		for _, lasts := range []time.Duration{30, 60, 120, 240, 300, 300} {
			time.Sleep(lasts*time.Second - time.Millisecond)
			if !bad.State().Ejected {
				t.Fatalf("the ejection of %v s ended early", int(lasts))
			}
			time.Sleep(2 * time.Millisecond)
			if bad.State().Ejected {
				t.Fatalf("the ejection of %v s did not end", int(lasts))
			}
			failing(b, bad, 3)
			if !bad.State().Ejected {
				t.Fatal("the server was not ejected again")
			}
		}
		time.Sleep(300 * time.Second)
		time.Sleep(301 * time.Second) // good for ten times `eject`
		failing(b, bad, 3)
		time.Sleep(30*time.Second + time.Millisecond)
		if bad.State().Ejected {
			t.Fatal("the length of ejections was not forgotten")
		}
	})
}

func TestEjectionBounds(t *testing.T) {
	for name, test := range map[string]struct {
		servers    int
		maxEjected config.Percent
		want       int // servers that are ejected when all fail
	}{
		"half of four":     {4, 50, 2},
		"half of two":      {2, 50, 1},
		"half of three":    {3, 50, 1},
		"all of three":     {3, 100, 2},
		"a tenth of three": {3, 10, 0},
		"one":              {1, 100, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			weights := make([]value.Count, test.servers)
			for i := range weights {
				weights[i] = 1
			}
			b := newTestBackend(t, newTestRegistry(), withPassive(test.maxEjected), weights...)
			for _, s := range b.Servers() {
				failing(b, s, 10)
			}
			ejected := 0
			for _, s := range b.Servers() {
				if s.State().Ejected {
					ejected++
				}
			}
			if ejected != test.want {
				t.Errorf("%s: %d servers are ejected, want %d", name, ejected, test.want)
			}
			time.Sleep(time.Hour) // timers end within the bubble
		})
	}
}

// When no server is healthy, all get requests. Drained ones do not.
func TestPanic(t *testing.T) {
	b := newTestBackend(t, newTestRegistry(), nil, 1, 1, 1)
	all := b.Servers()
	if !b.SetDrained(all[0], true) {
		t.Fatal("a server cannot be drained")
	}
	all[1].SetHealth(false, nil)
	if countUsable(b) != 1 || b.Panicked() {
		t.Errorf("%d servers are usable, panicked %t", countUsable(b), b.Panicked())
	}
	all[2].SetHealth(false, nil)
	if countUsable(b) != 2 || !b.Panicked() {
		t.Errorf("with all down, %d servers are usable, panicked %t", countUsable(b), b.Panicked())
	}
	all[1].SetHealth(true, nil)
	if countUsable(b) != 1 || b.Panicked() {
		t.Errorf("with one up again, %d servers are usable, panicked %t", countUsable(b), b.Panicked())
	}
	b.SetDrained(all[1], true)
	if b.SetDrained(all[2], true) {
		t.Error("the last server was drained")
	}
}

// A server that comes back gets a growing share.
func TestRamp(t *testing.T) {
	for _, balance := range []config.Balance{config.BalanceP2C, config.BalanceRoundRobin} {
		synctest.Test(t, func(t *testing.T) {
			b := newTestBackend(t, newTestRegistry(), func(cfg *config.Backend) { cfg.Balance = balance }, 1, 1)
			back := b.Servers()[0]
			back.SetHealth(false, nil)
			back.SetHealth(true, nil)
			early := picks(b, 10_000, anyRequest)[0]
			time.Sleep(5 * time.Second)
			half := picks(b, 10_000, anyRequest)[0]
			time.Sleep(6 * time.Second)
			late := picks(b, 10_000, anyRequest)[0]
			if early > 1200 || half < early*2 || half > 4000 || late < 4500 || late > 5500 {
				t.Errorf("%s: the server gets %d, %d and %d of 10000 requests at once, after 5 s and after 11 s", balance, early, half, late)
			}
		})
	}
}

// A server that fails at once does not look idle.
func TestFailuresCountAsLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBackend(t, newTestRegistry(), nil, 1, 1, 1)
		all := b.Servers()
		for _, good := range all[1:] {
			for range 10 {
				good.Begin()
			}
		}
		failed := 0
		for range 1000 {
			if s := b.Pick(Choice{}); s == all[0] {
				failed++
				b.Report(s, ResultReset, 0)
			}
			time.Sleep(time.Millisecond)
		}
		if failed > 20 {
			t.Errorf("the server that fails got %d of 1000 requests in a second", failed)
		}
		time.Sleep(20 * time.Second)
		if got := picks(b, 1000, anyRequest)[0]; got < 500 {
			t.Errorf("20 s after its failures the idle server gets %d of 1000 requests", got)
		}
	})
}

// A server that closes connections it has kept before gets no requests for a moment.
func TestClosingServerIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBackend(t, newTestRegistry(), nil, 1, 1)
		s := b.Servers()[0]
		for range 10 {
			s.Closes()
		}
		if countUsable(b) != 2 {
			t.Fatal("a server that always closes connections was left")
		}
		for range 10 { // as a server with a bound on the requests of a connection
			s.Keeps()
			s.Closes()
			s.Closes()
		}
		if countUsable(b) != 2 {
			t.Fatal("a server that closes some connections was left")
		}
		s.Closes()
		if countUsable(b) != 1 {
			t.Fatal("a server that has begun to close connections was not left")
		}
		b.Servers()[1].SetHealth(false, nil)
		if s != b.Pick(Choice{}) {
			t.Fatal("the only other server is down, and the one that closes connections is not used")
		}
		time.Sleep(leavingTime + time.Millisecond)
		if s.State().Leaving {
			t.Fatal("the server does not come back")
		}
	})
}

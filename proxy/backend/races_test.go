package backend

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/config"
	"gatehouse/config/value"
)

// Requests, reloads, checks, ejections, operators and metrics at the same time neither race
// nor lose a place or a request in flight.
func TestEverythingAtTheSameTime(t *testing.T) {
	r := newTestRegistry()
	r.SetKeys([][]byte{[]byte("a key")})
	table := func(limit value.Count, hosts ...string) func() *Backend {
		return func() *Backend {
			set, b := prepare(t, r, func(cfg *config.Backend) {
				cfg.Balance, cfg.Sticky = config.BalanceRoundRobin, &config.Sticky{Cookie: "gh"}
				cfg.Passive = &config.Passive{Fails: 1, Eject: time.Millisecond, MaxEjected: 50}
				cfg.Retry = &config.Retry{Attempts: 2, Budget: 20}
				cfg.MaxRequests, cfg.MaxWaiting, cfg.MaxWait = limit, 4, time.Millisecond
			}, hosts...)
			r.Activate(set)
			return b
		}
	}
	tables := []func() *Backend{table(3, "a", "b", "c"), table(0, "b", "c", "d"), table(5, "d", "e")}
	defer r.Activate(Set{})
	var live atomic.Pointer[Backend]
	live.Store(tables[0]())
	var requests sync.WaitGroup
	for worker := range 8 {
		requests.Go(func() {
			for i := range 400 {
				b := live.Load()
				ctx, leave := context.WithTimeout(t.Context(), time.Duration(i%3)*time.Millisecond)
				if err := b.Enter(ctx); err != nil {
					if !errors.Is(err, ErrFull) && ctx.Err() == nil {
						t.Error(err)
					}
					leave()
					continue
				}
				server := b.Pick(Choice{Preferred: b.Tagged("x")})
				if server == nil {
					t.Error("no server")
				} else {
					server.Begin()
					stop := server.Watch(func() {})
					b.Report(server, Results()[(i+worker)%len(Results())], time.Millisecond)
					server.Keeps()
					server.Closes()
					_ = b.Tag(server)
					_ = b.AllowRetry()
					stop()
					server.End()
				}
				b.Leave()
				leave()
			}
		})
	}
	done := make(chan struct{})
	var others sync.WaitGroup
	for _, act := range []func(i int){
		func(i int) { live.Store(tables[i%len(tables)]()) },
		func(i int) { r.SetKeys([][]byte{{byte(i)}, []byte("a key")}) },
		func(i int) {
			b := live.Load()
			s := b.Servers()[0]
			b.SetDrained(s, i%2 == 0)
			s.SetHealth(i%3 == 0, errors.New("down"))
			b.SetDrained(s, false)
		},
		func(int) {
			for _, b := range r.Live().All() {
				_, _, _ = b.Counts(), b.Members(), b.Panicked()
			}
		},
	} {
		others.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
					act(i)
				}
			}
		})
	}
	requests.Wait()
	close(done)
	others.Wait()
	if inFlight, waiting := live.Load().InFlight(); inFlight != 0 || waiting != 0 {
		t.Errorf("%d requests are in flight at the end, %d wait", inFlight, waiting)
	}
	for _, s := range live.Load().Servers() {
		if s.InFlight() != 0 {
			t.Errorf("%s has %d requests in flight at the end", s.ID(), s.InFlight())
		}
	}
}

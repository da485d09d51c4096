package backend

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"testing"
	"time"

	"gatehouse/config"
	"gatehouse/config/value"
	"gatehouse/internal/testkit"
)

// After 1,000 reloads and 10,000 changes of addresses, with streams and ejections, there are
// as many goroutines and as much memory as before.
func TestNothingGrows(t *testing.T) {
	registry := NewRegistry(Options{Log: slog.New(slog.DiscardHandler), Metrics: discardMetrics{}, StreamTime: time.Millisecond, Left: func(Address) {}})
	transport := func(*config.Backend) (http.RoundTripper, error) { return refuseAll{}, nil }
	reload := func(round int) {
		table := map[string]*config.Backend{}
		for _, name := range []string{"always", fmt.Sprint("renamed-", round)} {
			cfg := &config.Backend{
				Name: name, Balance: config.BalanceP2C, Passive: &config.Passive{Fails: 1, Eject: time.Millisecond, MaxEjected: 50},
				Health: &config.Health{Path: "/healthz", Interval: time.Minute, Timeout: 10 * time.Second, Fails: value.Count(1 + round%2), Passes: 1},
			}
			for i := range 3 {
				cfg.Servers = append(cfg.Servers, config.Server{URL: parseURL(t, fmt.Sprintf("http://10.%d.%d.%d:80", round/250%250, round%250, 1+i)), Weight: 1})
			}
			table[name] = cfg
		}
		table["found"] = &config.Backend{Name: "found", Balance: config.BalanceRoundRobin, Discover: &config.Discover{URL: parseURL(t, "http://never.invalid:80"), Refresh: time.Hour}}
		set, err := registry.Prepare(table, transport)
		if err != nil {
			t.Fatal(err)
		}
		if round%10 == 0 { // the table is refused: it never becomes live
			return
		}
		registry.Activate(set)
		always := set.Get("always")
		server := always.Pick(Choice{})
		stop := server.Watch(func() {})
		always.Report(server, ResultReset, time.Millisecond)
		stop()
	}
	change := func(round int) {
		b := registry.Live().Get("found")
		b.state.mu.Lock()
		running := b.state.lookups
		b.state.mu.Unlock()
		host := fmt.Sprintf("10.%d.%d.1:80", round/250%250, round%250)
		b.state.looked(running, []found{{Address{Scheme: "http", Host: host, Name: "never.invalid:80"}, 1}}, nil)
		if s := b.Pick(Choice{}); s == nil || s.Address.Host != host {
			t.Fatalf("after a change to %s the request goes to %v", host, s)
		}
	}
	run := func(reloads, changes int) {
		for round := range reloads {
			reload(1 + round)
		}
		for round := range changes {
			change(round)
		}
		reload(1)
	}
	run(50, 500)
	// A map keeps its size when many servers have left at once: some 600 KiB here. Servers
	// that are kept would take more than 4 MiB.
	const slack = 2 << 20
	goroutines, memory := settled()
	run(1000, 10_000)
	var now int
	var used uint64
	defer func() {
		t.Logf("%d goroutines and %d KiB before, %d and %d afterwards", goroutines, memory>>10, now, used>>10)
	}()
	testkit.Eventually(t, "goroutines and memory are as before", func() bool {
		now, used = settled()
		return now <= goroutines && used < memory+slack
	})
	registry.Activate(Set{})
	testkit.WaitNoGoroutines(t, "backend.(*checker).run", "backend.(*state).lookUpRepeatedly", "backend.(*Registry).observeBudgets")
}

// settled returns the number of goroutines of this package, and the bytes of the heap that
// are in use.
func settled() (goroutines int, memory uint64) {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return len(testkit.Goroutines("backend.(*")), stats.HeapAlloc
}

// refuseAll is a transport whose servers are all down.
type refuseAll struct{}

// RoundTrip implements http.RoundTripper.
func (refuseAll) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, http.ErrServerClosed
}

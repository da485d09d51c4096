package backend

import (
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"testing"
	"time"

	"gatehouse/config"
	"gatehouse/config/value"
)

// newTestBackend returns the backend of a table with one server for each weight.
func newTestBackend(t testing.TB, registry *Registry, change func(*config.Backend), weights ...value.Count) *Backend {
	t.Helper()
	cfg := &config.Backend{Name: "orders", Balance: config.BalanceP2C}
	for i, weight := range weights {
		server, err := url.Parse(fmt.Sprintf("http://10.0.%d.%d:8080", i/250, i%250+1))
		if err != nil {
			t.Fatal(err)
		}
		cfg.Servers = append(cfg.Servers, config.Server{URL: server, Weight: weight})
	}
	if change != nil {
		change(cfg)
	}
	set, err := registry.Prepare(map[string]*config.Backend{cfg.Name: cfg}, func(*config.Backend) (http.RoundTripper, error) { return http.DefaultTransport, nil })
	if err != nil {
		t.Fatal(err)
	}
	registry.Activate(set)
	t.Cleanup(func() { registry.Activate(Set{}) })
	return set.Get(cfg.Name)
}

type discardMetrics struct{}

func (discardMetrics) Attempts(string) Attempts { return discardMetrics{} }
func (discardMetrics) Attempted(time.Duration)  {}

func newTestRegistry() *Registry {
	return NewRegistry(Options{Log: slog.New(slog.DiscardHandler), Metrics: discardMetrics{}, StreamTime: time.Second})
}

// picks counts how often each server is chosen, by its place in the table.
func picks(b *Backend, number int, c func(i int) Choice) []int {
	place := map[*Server]int{}
	for i, server := range b.Servers() {
		place[server] = i
	}
	counts := make([]int, len(place))
	for i := range number {
		counts[place[b.Pick(c(i))]]++
	}
	return counts
}

func anyRequest(int) Choice { return Choice{} }

// Over 100,000 requests, round robin gives each server exactly its share, and p2c within
// 5 %.
func TestWeights(t *testing.T) {
	for balance, slack := range map[config.Balance]float64{config.BalanceRoundRobin: 0, config.BalanceP2C: 0.05} {
		b := newTestBackend(t, newTestRegistry(), func(cfg *config.Backend) { cfg.Balance = balance }, 1, 3, 6)
		for i, got := range picks(b, 100_000, anyRequest) {
			if want := float64(b.config.Servers[i].Weight) * 10_000; math.Abs(float64(got)-want) > slack*want {
				t.Errorf("%s: server %d with weight %d gets %d of 100000 requests, want %v", balance, i, b.config.Servers[i].Weight, got, want)
			}
		}
	}
}

// When one of n servers leaves, only its own keys move.
func TestHashMovesOnlyTheKeysOfTheServerThatLeaves(t *testing.T) {
	const servers, keys = 10, 10_000
	b := newTestBackend(t, newTestRegistry(), func(cfg *config.Backend) { cfg.Balance = config.BalanceHash },
		1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	before := make([]*Server, keys)
	key := func(i int) Choice { return Choice{Key: fmt.Sprint("tenant-", i)} }
	for i := range before {
		before[i] = b.Pick(key(i))
	}
	left := b.Servers()[3]
	left.SetHealth(false, nil)
	moved := 0
	for i, was := range before {
		now := b.Pick(key(i))
		if was != left && now != was {
			t.Fatalf("key %d moved although its server stayed", i)
		}
		if now != was {
			moved++
		}
	}
	if moved > keys*13/(servers*10) || moved == 0 {
		t.Errorf("%d of %d keys moved, want about %d", moved, keys, keys/servers)
	}
}

// A slow server gets few requests with p2c: 64 requests are always in flight, and one of
// three servers takes ten times as long.
func TestSlowServerGetsLittle(t *testing.T) {
	b := newTestBackend(t, newTestRegistry(), nil, 1, 1, 1)
	servers := b.Servers()
	type running struct {
		server *Server
		ends   int
	}
	var inFlight []running
	counts := map[*Server]int{}
	total := 0
	for now := range 40_000 {
		kept := inFlight[:0]
		for _, r := range inFlight {
			if r.ends > now {
				kept = append(kept, r)
				continue
			}
			r.server.End()
		}
		inFlight = kept
		for len(inFlight) < 64 {
			s := b.Pick(Choice{})
			s.Begin()
			counts[s]++
			total++
			lasts := 10
			if s == servers[0] {
				lasts = 100
			}
			inFlight = append(inFlight, running{s, now + lasts})
		}
	}
	if share := float64(counts[servers[0]]) / float64(total); share > 0.06 {
		t.Errorf("the slow server gets %.1f %% of the requests", share*100)
	}
}

// A request that is sent again goes to a server that it has not seen.
func TestPickOther(t *testing.T) {
	for _, balance := range []config.Balance{config.BalanceP2C, config.BalanceRoundRobin, config.BalanceHash} {
		b := newTestBackend(t, newTestRegistry(), func(cfg *config.Backend) { cfg.Balance = balance }, 1, 1, 1)
		for range 100 {
			c := Choice{Key: "tenant"}
			for range 3 {
				next := b.Pick(c)
				for _, before := range c.Tried {
					if next == before {
						t.Fatalf("%s: a server is asked twice before all others", balance)
					}
				}
				c.Tried = append(c.Tried, next)
			}
			if b.Pick(c) == nil {
				t.Fatalf("%s: no server when all were asked", balance)
			}
		}
	}
}

func BenchmarkPick(b *testing.B) {
	for _, balance := range []config.Balance{config.BalanceP2C, config.BalanceRoundRobin, config.BalanceHash} {
		for _, number := range []int{1, 3, 300} {
			b.Run(fmt.Sprintf("%s/%d", balance, number), func(b *testing.B) {
				weights := make([]value.Count, number)
				for i := range weights {
					weights[i] = 1
				}
				of := newTestBackend(b, newTestRegistry(), func(cfg *config.Backend) { cfg.Balance = balance }, weights...)
				b.ReportAllocs()
				for b.Loop() {
					s := of.Pick(Choice{Key: "tenant"})
					s.Begin()
					s.End()
				}
			})
		}
	}
}

package backend

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/config"
	"gatehouse/config/value"
	"gatehouse/internal/testkit"
)

// prepare prepares a table with one backend whose servers have the hosts.
func prepare(t *testing.T, r *Registry, change func(*config.Backend), hosts ...string) (Set, *Backend) {
	t.Helper()
	cfg := &config.Backend{Name: "orders", Balance: config.BalanceP2C}
	for _, host := range hosts {
		cfg.Servers = append(cfg.Servers, config.Server{URL: &url.URL{Scheme: "http", Host: host}, Weight: 1})
	}
	change(cfg)
	set, err := r.Prepare(map[string]*config.Backend{"orders": cfg}, func(*config.Backend) (http.RoundTripper, error) { return http.DefaultTransport, nil })
	if err != nil {
		t.Fatal(err)
	}
	return set, set.Get("orders")
}

// A reload that changes max_requests changes it for requests that wait, and for those of the
// table before.
func TestReloadChangesTheLimit(t *testing.T) {
	for name, limit := range map[string]value.Count{"raised": 3, "removed": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTestRegistry()
				before := newTestBackend(t, r, withQueue(1, 2, time.Hour), 1)
				entered := make(chan error, 2)
				if err := before.Enter(t.Context()); err != nil {
					t.Fatal(err)
				}
				for range 2 {
					go func() { entered <- before.Enter(t.Context()) }()
				}
				synctest.Wait()
				newTestBackend(t, r, withQueue(limit, 2, time.Hour), 1)
				synctest.Wait()
				if len(entered) != 2 {
					t.Errorf("%d of 2 requests that waited have their place", len(entered))
				}
			})
		})
	}
	t.Run("lowered", func(t *testing.T) {
		r := newTestRegistry()
		before := newTestBackend(t, r, withQueue(3, 0, 0), 1)
		for range 3 {
			if err := before.Enter(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		newTestBackend(t, r, withQueue(2, 0, 0), 1)
		before.Leave()
		if err := before.Enter(t.Context()); !errors.Is(err, ErrFull) {
			t.Errorf("a third request past a lowered limit: %v", err)
		}
		before.Leave()
		if err := before.Enter(t.Context()); err != nil {
			t.Errorf("below the lowered limit: %v", err)
		}
	})
}

// A server that is forgotten between the preparation of a table that names it and the swap
// is known again afterwards, and its streams live on.
func TestForgottenServerIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTestRegistry()
		none := func(*config.Backend) {}
		first, live := prepare(t, r, none, "a", "b")
		r.Activate(first)
		defer r.Activate(Set{})
		next, b := prepare(t, r, none, "b", "c")
		live.forgetOthers() // as a lookup does
		b.Report(b.Servers()[1], ResultAnswered, 0)
		ended := make(chan struct{}, 2)
		b.Servers()[1].Watch(func() { ended <- struct{}{} })
		r.Activate(next)
		time.Sleep(10 * time.Second) // longer than StreamTime
		if len(ended) > 0 {
			t.Error("a stream of a server that the table names was ended")
		}
		if got := b.state.attempts(); got != 1 {
			t.Errorf("%d attempts are counted, want 1", got)
		}
		_, again := prepare(t, r, none, "c")
		if again.Servers()[0] != b.Servers()[1] {
			t.Error("the next table has another state of the server")
		}
		third, _ := prepare(t, r, none, "b")
		r.Activate(third)
		time.Sleep(10 * time.Second)
		if len(ended) != 1 {
			t.Fatal("the stream of a server that left was not ended")
		}
		b.Servers()[1].Watch(func() { ended <- struct{}{} })
		synctest.Wait()
		if len(ended) != 2 {
			t.Error("a stream that began after the time of its server was not ended")
		}
	})
}

// A check that ends just after the checks were removed from the table takes no server out:
// nothing would bring it back.
func TestLateCheckHasNoEffect(t *testing.T) {
	r := newTestRegistry()
	checked := func(cfg *config.Backend) {
		cfg.Health = &config.Health{Path: "/", Interval: time.Hour, Timeout: time.Second, Fails: 1, Passes: 1}
	}
	b := newTestBackend(t, r, checked, 1, 1)
	server := b.Servers()[0]
	b.state.mu.Lock()
	late := b.state.checkers[server]
	b.state.mu.Unlock()
	late.found(false, errors.New("connection refused"))
	if server.State().Healthy {
		t.Fatal("a failed check has no effect")
	}
	newTestBackend(t, r, nil, 1, 1)
	late.found(false, errors.New("connection refused"))
	if !server.State().Healthy {
		t.Error("a check that was stopped has taken a server out")
	}
}

// answers is a Resolver with fixed answers.
type answers struct {
	addresses []netip.Addr
	records   []*net.SRV
}

func (a *answers) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return a.addresses, nil
}

func (a *answers) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	return "", a.records, nil
}

// Answers of DNS that name no server are left out. Without a host, a connection would go to
// the gateway's own host.
func TestDiscoverOmitsWhatIsNoServer(t *testing.T) {
	d := &config.Discover{URL: &url.URL{Scheme: "http", Host: "orders"}, SRV: ""}
	from := &answers{}
	for _, text := range []string{"0.0.0.0", "::", "::ffff:0.0.0.0", "224.0.0.1", "ff02::1", "192.0.2.1", "::ffff:192.0.2.1"} {
		from.addresses = append(from.addresses, netip.MustParseAddr(text))
	}
	r := NewRegistry(Options{Log: slog.New(slog.DiscardHandler), Metrics: discardMetrics{}, Resolver: from})
	list, err := r.lookUp(t.Context(), d)
	if err != nil || len(list) != 1 || list[0].Host != "192.0.2.1:80" {
		t.Errorf("addresses: %v, %v", list, err)
	}
	from.records = []*net.SRV{{Target: ".", Port: 80}, {Target: "a.test.", Port: 0}, {Target: "b.test.", Port: 81, Weight: 1}, {Target: "b.test.", Port: 81, Weight: 2}}
	for range 2 {
		list, err = r.lookUp(t.Context(), &config.Discover{SRV: "_http._tcp.orders"})
		if err != nil || len(list) != 1 || list[0].Host != "b.test:81" || list[0].Weight != 2 {
			t.Errorf("records: %v, %v", list, err)
		}
		slices.Reverse(from.records)
	}
	from.records = []*net.SRV{{Target: ".", Port: 80}}
	if list, err = r.lookUp(t.Context(), &config.Discover{SRV: "_http._tcp.orders"}); !errors.Is(err, errNothingFound) {
		t.Errorf("a service that is not there: %v, %v", list, err)
	}
}

// A server that leaves and comes back before the time for its streams is over keeps them,
// and what is known about it.
func TestServerThatComesBackKeepsItsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTestRegistry()
		none := func(*config.Backend) {}
		with, before := prepare(t, r, none, "a", "b")
		r.Activate(with)
		defer r.Activate(Set{})
		server := before.Servers()[1]
		server.Begin()
		before.Report(server, ResultAnswered, 0)
		ended := make(chan struct{}, 2)
		server.Watch(func() { ended <- struct{}{} })
		for range 3 {
			without, _ := prepare(t, r, none, "a")
			r.Activate(without)
			time.Sleep(900 * time.Millisecond) // StreamTime is a second
			if len(ended) > 0 {
				t.Fatal("a stream has ended before the time")
			}
			with, again := prepare(t, r, none, "a", "b")
			r.Activate(with)
			if again.Servers()[1] != server || server.InFlight() != 1 || again.state.attempts() != 1 {
				t.Fatal("the state of the server was forgotten")
			}
		}
		without, last := prepare(t, r, none, "a")
		r.Activate(without)
		time.Sleep(2 * time.Second)
		if len(ended) != 1 || last.state.attempts() != 1 {
			t.Errorf("%d streams were ended, %d attempts are counted", len(ended), last.state.attempts())
		}
	})
}

// A server cannot fill the log: little of what it answers to a check is logged.
func TestLongReasonsAreClipped(t *testing.T) {
	log := new(testkit.Log)
	r := NewRegistry(Options{Log: slog.New(slog.NewTextHandler(log, nil)), Metrics: discardMetrics{}})
	b := newTestBackend(t, r, nil, 1, 1)
	b.Servers()[0].SetHealth(false, errors.New("status 302, a redirect to "+strings.Repeat("é", 1<<20)))
	if text := log.String(); !strings.Contains(text, "a redirect to é") || len(text) > 2*maxReason {
		t.Errorf("%d bytes are logged", len(text))
	}
}

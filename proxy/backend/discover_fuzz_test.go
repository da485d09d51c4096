package backend

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"gatehouse/config"
	"gatehouse/internal/testkit"
)

// script is a Resolver whose answers come from the bytes of a fuzz test.
type script struct{ rest []byte }

var errScripted = errors.New("no such host")

// next returns a byte of the script; 0 at its end.
func (s *script) next() byte {
	if len(s.rest) == 0 {
		return 0
	}
	b := s.rest[0]
	s.rest = s.rest[1:]
	return b
}

// LookupNetIP implements Resolver. It finds few different addresses, so that servers leave
// and come back.
func (s *script) LookupNetIP(context.Context, string, string) (list []netip.Addr, err error) {
	count := s.next()
	if count == 255 {
		return nil, errScripted
	}
	for range count % 16 {
		b := s.next()
		switch address := netip.AddrFrom4([4]byte{10, 0, 0, b % 8}); b >> 6 {
		case 0:
			list = append(list, netip.AddrFrom16(address.As16())) // mapped into IPv6
		case 1:
			list = append(list, netip.AddrFrom16([16]byte{0: 0xfd, 15: b % 8}).WithZone("eth0"))
		default:
			list = append(list, address)
		}
	}
	return list, nil
}

// LookupSRV implements Resolver. Its records are sorted by priority, as those of a
// net.Resolver.
func (s *script) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	count := s.next()
	if count == 255 {
		return "", nil, errScripted
	}
	var records []*net.SRV
	priority := uint16(0)
	for range count % 16 {
		b := s.next()
		priority += uint16(b >> 7)
		records = append(records, &net.SRV{
			Target: string('a'+rune(b%4)) + ".test.", Port: 8000 + uint16(b>>2%4), Weight: binary.BigEndian.Uint16([]byte{s.next(), s.next()}), Priority: priority,
		})
	}
	return "", records, nil
}

// FuzzDiscover makes lookups find arbitrary servers, one lookup after the other, while
// requests are made. A lookup that fails or finds nothing keeps the servers. Each server is
// there once, a server that stays keeps its state, and requests go to servers of the last
// lookup.
func FuzzDiscover(f *testing.F) {
	f.Add(false, []byte("\x02\xc1\xc2\x00\x03\xc1\xc1\xc3\xff\x01\xc1"))
	f.Add(false, []byte("\x03\x01\x41\xc1\x00\x01\x01"))
	f.Add(true, []byte("\x02\x01\x00\x01\x02\x00\x00\x04\x81\x00\x09\x01\xff\xff\x00\xff\x01\x01\x00\x00"))
	f.Fuzz(func(t *testing.T, srv bool, answers []byte) {
		answers = answers[:min(len(answers), 500)]
		resolver := &script{rest: answers}
		registry := NewRegistry(Options{Log: slog.New(slog.NewTextHandler(new(testkit.Log), nil)), Metrics: discardMetrics{}, Resolver: resolver, StreamTime: time.Hour})
		d := config.Discover{URL: &url.URL{Scheme: "http", Host: "orders.test:8080"}, Refresh: time.Hour}
		if srv {
			d = config.Discover{SRV: "_http._tcp.orders.test", Refresh: time.Hour}
		}
		cfg := &config.Backend{Name: "orders", Balance: config.BalanceP2C, Discover: &d}
		set, err := registry.Prepare(map[string]*config.Backend{"orders": cfg}, func(*config.Backend) (http.RoundTripper, error) { return nil, nil })
		if err != nil {
			t.Fatal(err)
		}
		b := set.Get("orders")
		registry.mu.Lock()
		registry.live = set // without the goroutine of the lookups
		registry.mu.Unlock()
		l := &lookups{discover: &d, first: b.state.firstLookup()}
		b.state.lookups = l
		known := map[*Server]bool{}
		for len(resolver.rest) > 0 {
			found, err := registry.lookUp(t.Context(), &d)
			if err == nil && len(found) == 0 {
				t.Fatal("a lookup that finds nothing is no error")
			}
			b.state.looked(l, found, err)
			known = checkFound(t, b, found, known)
		}
	})
}

// checkFound compares the servers with what a lookup has found; nil for a failed one. known
// are the servers before.
func checkFound(t *testing.T, b *Backend, found []found, known map[*Server]bool) (now map[*Server]bool) {
	now = map[*Server]bool{}
	addresses, before := map[string]bool{}, map[string]*Server{}
	for server := range known {
		before[server.ID()] = server
	}
	for _, server := range b.Servers() {
		if addresses[server.ID()] {
			t.Errorf("%s is there twice", server.ID())
		}
		addresses[server.ID()], now[server] = true, true
		if old := before[server.ID()]; old != nil && old != server {
			t.Errorf("%s has stayed, and has lost its state", server.ID())
		}
	}
	if found == nil && len(now) != len(known) {
		t.Errorf("after a failed lookup there are %d servers, before it %d", len(now), len(known))
	}
	if found != nil && len(now) != len(found) {
		t.Errorf("a lookup has found %d servers, and there are %d", len(found), len(now))
	}
	for range 4 {
		if server := b.Pick(Choice{}); server == nil && len(now) > 0 || server != nil && !now[server] {
			t.Errorf("of %d servers, %v got the request", len(now), server)
		}
	}
	b.state.mu.Lock()
	defer b.state.mu.Unlock()
	if len(b.state.servers) != len(now) {
		t.Errorf("%d servers are kept, %d are used", len(b.state.servers), len(now))
	}
	return now
}

package backend

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"gatehouse/config"
	"gatehouse/internal/testkit"
)

// nameServer is a DNS server whose records a test changes.
type nameServer struct {
	mu      sync.Mutex
	records []dns.RR
	code    int
	asked   int
}

// startNameServer returns a server, and a resolver that asks it.
func startNameServer(t *testing.T) (*nameServer, Resolver) {
	t.Helper()
	packets, listener := listenForBoth(t)
	n := new(nameServer)
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: n}, {Listener: listener, Handler: n}} {
		go func() { _ = server.ActivateAndServe() }()
		t.Cleanup(func() { _ = server.Shutdown() })
	}
	address := packets.LocalAddr().String()
	return n, &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
}

// listenForBoth listens for UDP and TCP on the same port. The port of one may be taken for
// the other, so it tries several.
func listenForBoth(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 100 {
		packets, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listener, err := net.Listen("tcp", packets.LocalAddr().String())
		if err == nil {
			return packets, listener
		}
		_ = packets.Close()
	}
	t.Fatal("no port is free for both")
	return nil, nil
}

// ServeDNS implements dns.Handler.
func (n *nameServer) ServeDNS(w dns.ResponseWriter, question *dns.Msg) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	answer := new(dns.Msg)
	answer.SetRcode(question, n.code)
	for _, record := range n.records {
		if asked := question.Question[0]; record.Header().Rrtype == asked.Qtype && record.Header().Name == asked.Name {
			answer.Answer = append(answer.Answer, record)
		}
	}
	if w.RemoteAddr().Network() == "udp" {
		answer.Truncate(dns.MinMsgSize)
	}
	_ = w.WriteMsg(answer)
}

func (n *nameServer) set(code int, records ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.code, n.records = code, nil
	for _, text := range records {
		record, err := dns.NewRR(text)
		if err != nil {
			panic(err)
		}
		n.records = append(n.records, record)
	}
}

// discovering returns a backend whose servers are looked up every refresh.
func discovering(t *testing.T, resolver Resolver, log *testkit.Log, d config.Discover) *Backend {
	t.Helper()
	registry := NewRegistry(Options{Log: slog.New(slog.NewTextHandler(log, nil)), Metrics: discardMetrics{}, Resolver: resolver, StreamTime: time.Second})
	cfg := &config.Backend{Name: "orders", Balance: config.BalanceP2C, Discover: &d}
	set, err := registry.Prepare(map[string]*config.Backend{"orders": cfg}, func(*config.Backend) (http.RoundTripper, error) { return http.DefaultTransport, nil })
	if err != nil {
		t.Fatal(err)
	}
	registry.Activate(set)
	t.Cleanup(func() { registry.Activate(Set{}) })
	return set.Get("orders")
}

func hosts(b *Backend) (list []string) {
	for _, s := range b.Servers() {
		list = append(list, s.Address.Host)
	}
	return list
}

func parseURL(t *testing.T, text string) *url.URL {
	t.Helper()
	parsed, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestDiscoverAddresses(t *testing.T) {
	names, resolver := startNameServer(t)
	names.set(dns.RcodeSuccess, "orders.test. 0 IN A 192.0.2.1", "orders.test. 0 IN AAAA 2001:db8::1")
	log := new(testkit.Log)
	b := discovering(t, resolver, log, config.Discover{URL: parseURL(t, "http://orders.test:8080/base"), Refresh: 20 * time.Millisecond})
	wait := func(what string, want ...string) {
		t.Helper()
		testkit.Eventually(t, what, func() bool { return slices.Equal(hosts(b), want) })
	}
	b.AwaitServers(t.Context(), testkit.Timeout)
	wait("both kinds of addresses are servers", "192.0.2.1:8080", "[2001:db8::1]:8080")
	for _, s := range b.Servers() {
		if s.Address.Name != "orders.test:8080" || s.Address.Scheme != "http" {
			t.Errorf("%+v", s.Address)
		}
	}
	stays := b.Servers()[1]
	names.set(dns.RcodeSuccess, "orders.test. 0 IN A 192.0.2.7", "orders.test. 0 IN AAAA 2001:db8::1")
	wait("an address that leaves and one that comes", "192.0.2.7:8080", "[2001:db8::1]:8080")
	if b.Servers()[1] != stays {
		t.Error("the server that stayed is not the same")
	}
	for code, answer := range map[int]string{dns.RcodeServerFailure: "a failed lookup", dns.RcodeSuccess: "an empty answer", dns.RcodeNameError: "no such name"} {
		names.set(code)
		testkit.Eventually(t, answer, func() bool { d, _ := b.Discovery(); return d.Err != nil })
		if got := hosts(b); len(got) != 2 {
			t.Errorf("after %s the servers are %v", answer, got)
		}
		names.set(dns.RcodeSuccess, "orders.test. 0 IN A 192.0.2.7", "orders.test. 0 IN AAAA 2001:db8::1")
		testkit.Eventually(t, "the lookup works again", func() bool { d, _ := b.Discovery(); return d.Err == nil })
	}
	if got := strings.Count(log.String(), "servers cannot be looked up"); got != 3 {
		t.Errorf("three series of failures are logged %d times", got)
	}
}

func TestDiscoverSRV(t *testing.T) {
	names, resolver := startNameServer(t)
	names.set(dns.RcodeSuccess,
		"_http._tcp.orders.test. 0 IN SRV 10 3 8081 one.test.",
		"_http._tcp.orders.test. 0 IN SRV 10 0 8082 two.test.",
		"_http._tcp.orders.test. 0 IN SRV 20 9 8083 spare.test.")
	b := discovering(t, resolver, new(testkit.Log), config.Discover{SRV: "_http._tcp.orders.test", Refresh: time.Hour})
	b.AwaitServers(t.Context(), testkit.Timeout)
	if got := hosts(b); !slices.Equal(got, []string{"one.test:8081", "two.test:8082"}) {
		t.Fatalf("the servers are %v", got)
	}
	b.state.mu.Lock()
	defer b.state.mu.Unlock()
	if members := b.members(); members[0].weight != 3 || members[1].weight != 1 {
		t.Errorf("the weights are %d and %d", members[0].weight, members[1].weight)
	}
}

func TestDiscoverIsBounded(t *testing.T) {
	names, resolver := startNameServer(t)
	var records []string
	for i := range 1500 {
		records = append(records, fmt.Sprintf("orders.test. 0 IN A 10.0.%d.%d", i/250, i%250))
	}
	names.set(dns.RcodeSuccess, records...)
	log := new(testkit.Log)
	b := discovering(t, resolver, log, config.Discover{URL: parseURL(t, "http://orders.test"), Refresh: time.Hour})
	b.AwaitServers(t.Context(), testkit.Timeout)
	if got := len(b.Servers()); got != maxFound {
		t.Errorf("%d servers, want %d", got, maxFound)
	}
	testkit.Eventually(t, "the log says so", func() bool { return log.Contains("too many addresses") })
}

package main

// Servers that are found by DNS, with the real binary, a real DNS server and a network of its
// own: names of the test lead to addresses of the test.

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"gatehouse/internal/testkit"
)

// inNetwork is set in a test that runs in a network of its own.
const inNetwork = "GATEHOUSE_TEST_IN_NETWORK"

// ownNetwork runs the test again as a process with a network of its own, which asks
// 127.0.0.1:53 for names. It reports whether this is that process; otherwise the test is
// over.
func ownNetwork(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inNetwork) == t.Name() {
		if err := bringLoopbackUp(); err != nil {
			t.Fatal(err)
		}
		return true
	}
	files := t.TempDir()
	testkit.WriteFile(t, filepath.Join(files, "resolv.conf"), "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
	testkit.WriteFile(t, filepath.Join(files, "hosts"), "127.0.0.1 localhost\n")
	args := []string{"--mount", "--net"}
	if os.Geteuid() != 0 {
		args = append(args, "--user", "--map-root-user")
	}
	args = append(args, "sh", "-c", `mount --bind "$1/resolv.conf" /etc/resolv.conf && mount --bind "$1/hosts" /etc/hosts && exec "$2" -test.run "^$3\$"`,
		"sh", files, os.Args[0], t.Name())
	again := exec.CommandContext(t.Context(), "unshare", args...)
	again.Env = append(os.Environ(), inNetwork+"="+t.Name())
	if said, err := again.CombinedOutput(); err != nil {
		t.Fatalf("in a network of its own: %v\n%s", err, said)
	}
	return false
}

func bringLoopbackUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	loopback, err := unix.NewIfreq("lo")
	if err == nil {
		loopback.SetUint16(unix.IFF_UP)
		err = unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, loopback)
	}
	return errors.Join(err, unix.Close(socket))
}

// names is a DNS server at port 53 whose records a test changes.
type names struct {
	mu      sync.Mutex
	code    int
	records []dns.RR
}

func startNames(t *testing.T) *names {
	t.Helper()
	packets, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		t.Fatal(err)
	}
	n := new(names)
	server := &dns.Server{PacketConn: packets, Handler: n}
	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.Shutdown() })
	return n
}

// ServeDNS implements dns.Handler.
func (n *names) ServeDNS(w dns.ResponseWriter, question *dns.Msg) {
	n.mu.Lock()
	defer n.mu.Unlock()
	answer, asked := new(dns.Msg), question.Question[0]
	answer.SetRcode(question, n.code)
	for _, record := range n.records {
		if record.Header().Rrtype == asked.Qtype && record.Header().Name == asked.Name {
			answer.Answer = append(answer.Answer, record)
		}
	}
	_ = w.WriteMsg(answer)
}

func (n *names) set(t *testing.T, code int, records ...string) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.code, n.records = code, nil
	for _, text := range records {
		record, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		n.records = append(n.records, record)
	}
}

// answerAt starts a server that answers with its name.
func answerAt(t *testing.T, address, name string) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) })}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
}

// silentAt makes an address drop the first packets of new connections: the queue of its
// socket is full.
func silentAt(t *testing.T, address string) {
	t.Helper()
	at := netip.MustParseAddrPort(address)
	family, to := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: int(at.Port())})
	if at.Addr().Is6() {
		family, to = unix.AF_INET6, &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()}
	} else {
		to.(*unix.SockaddrInet4).Addr = at.Addr().As4()
	}
	socket, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(socket) })
	if err := errors.Join(unix.Bind(socket, to), unix.Listen(socket, 0)); err != nil {
		t.Fatal(err)
	}
	for range 8 { // more than the queue takes; the kernel goes on trying for the rest
		client, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(client) })
		if err := unix.Connect(client, to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
			t.Fatal(err)
		}
	}
}

func TestDiscoverByDNS(t *testing.T) {
	t.Parallel()
	if !ownNetwork(t) {
		return
	}
	dns53 := startNames(t)
	answerAt(t, "127.0.1.1:8080", "one")
	answerAt(t, "127.0.1.2:8080", "two")
	answerAt(t, "[::1]:8080", "six")
	answerAt(t, "127.0.1.3:9000", "three")
	records := func(orders ...string) []string {
		for i := range orders {
			orders[i] = "orders.test. 0 IN " + orders[i]
		}
		return append(orders, "six.test. 0 IN AAAA ::1", "_http._tcp.srv.test. 0 IN SRV 1 1 9000 three.test.", "three.test. 0 IN A 127.0.1.3")
	}
	dns53.set(t, dns.RcodeSuccess, records("A 127.0.1.1")...)
	gateway := startProcess(t, testkit.TempFile(t, "routes.yaml", `
users: off
backends:
  orders: {discover: {url: "http://orders.test:8080", refresh: 1s}}
  six: {discover: {url: "http://six.test:8080", refresh: 1s}}
  srv: {discover: {srv: _http._tcp.srv.test, refresh: 1s}}
routes:
  - {name: orders, prefix: /orders, backend: orders, auth: none}
  - {name: six, prefix: /six, backend: six, auth: none}
  - {name: srv, prefix: /srv, backend: srv, auth: none}
`), nil)
	answers := func(path, name string) func() bool {
		return func() bool {
			a := do(t, request{url: gateway.url + path})
			if a.status != http.StatusOK {
				t.Fatalf("%s: %d %s", path, a.status, a.body)
			}
			return a.body == name
		}
	}
	for path, name := range map[string]string{"/orders": "one", "/six": "six", "/srv": "three"} {
		if !answers(path, name)() {
			t.Errorf("%s is not answered by %s", path, name)
		}
	}
	dns53.set(t, dns.RcodeSuccess, records("A 127.0.1.2")...)
	testkit.Eventually(t, "the changed address is used", answers("/orders", "two"))
	dns53.set(t, dns.RcodeSuccess, records("A 127.0.1.2", "A 127.0.1.1", "AAAA ::1")...)
	for _, name := range []string{"one", "two", "six"} {
		testkit.Eventually(t, "server "+name+" gets requests", answers("/orders", name))
	}

	up := func(value string) func() bool {
		return func() bool {
			return metric(t, gateway.operators, `gatehouse_backend_discovery_up{backend="orders"}`) == value
		}
	}
	dns53.set(t, dns.RcodeServerFailure)
	testkit.Eventually(t, "the failed lookup is in the metrics", up("0"))
	if a := do(t, request{url: gateway.operators + "/readyz"}); a.status != http.StatusOK || !strings.Contains(a.body, "the servers of backend orders cannot be looked up") {
		t.Errorf("/readyz: %d %s", a.status, a.body)
	}
	for _, name := range []string{"one", "two", "six"} {
		testkit.Eventually(t, "server "+name+" still gets requests", answers("/orders", name))
	}
	dns53.set(t, dns.RcodeSuccess, records("A 127.0.1.1")...)
	testkit.Eventually(t, "the lookup works again", up("1"))
	for range 20 {
		if !answers("/orders", "one")() {
			t.Fatal("an address that has left gets requests")
		}
	}
}

// A name with addresses of both families, of which one does not answer (RFC 8305). One address
// after the other would take longer than the timeout: each would get half of connect_timeout.
func TestOneFamilyIsSilent(t *testing.T) {
	t.Parallel()
	if !ownNetwork(t) {
		return
	}
	dns53 := startNames(t)
	dns53.set(t, dns.RcodeSuccess, "dual.test. 0 IN A 127.0.0.1", "dual.test. 0 IN AAAA ::1")
	table := `
users: off
defaults: {connect_timeout: 60s, timeout: 20s}
backends:
`
	var routes strings.Builder
	for port, silent := range map[int]string{8006: "[::1]", 8004: "127.0.0.1"} {
		other := map[string]string{"[::1]": "127.0.0.1", "127.0.0.1": "[::1]"}[silent]
		answerAt(t, fmt.Sprintf("%s:%d", other, port), "answered")
		silentAt(t, fmt.Sprintf("%s:%d", silent, port))
		table += fmt.Sprintf("  named%d: {servers: ['http://dual.test:%d']}\n", port, port)
		table += fmt.Sprintf("  found%d: {discover: {url: 'http://dual.test:%d'}, connect_timeout: 1s}\n", port, port)
		fmt.Fprintf(&routes, "  - {name: url%d, prefix: /url%d, backend: 'http://dual.test:%d', auth: none}\n", port, port, port)
		fmt.Fprintf(&routes, "  - {name: named%d, prefix: /named%d, backend: named%d, auth: none}\n", port, port, port)
		fmt.Fprintf(&routes, "  - {name: found%d, prefix: /found%d, backend: found%d, auth: none}\n", port, port, port)
	}
	gateway := startProcess(t, testkit.TempFile(t, "routes.yaml", table+"routes:\n"+routes.String()), nil)
	for _, path := range []string{"/url8006", "/named8006", "/found8006", "/url8004", "/named8004", "/found8004"} {
		for range 3 {
			if a := do(t, request{url: gateway.url + path}); a.status != http.StatusOK || a.body != "answered" {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
	}
}

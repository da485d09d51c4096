package listener

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"gatehouse/internal/descriptors"
)

// connsFrom accepts a connection from each of the addresses. Then it is closed.
type connsFrom struct {
	net.Listener
	addresses []string
}

func (l *connsFrom) Accept() (net.Conn, error) {
	if len(l.addresses) == 0 {
		return nil, net.ErrClosed
	}
	remote := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(l.addresses[0]))
	l.addresses = l.addresses[1:]
	near, far := net.Pipe()
	_ = far.Close()
	return connFrom{near, remote}, nil
}

type connFrom struct {
	net.Conn
	remote net.Addr
}

func (c connFrom) RemoteAddr() net.Addr { return c.remote }

// TestLimits accepts as many connections as the limits allow, counts the others, and
// accepts as many again when the first ones are closed.
func TestLimits(t *testing.T) {
	t.Parallel()
	const a, b, six, six2, proxy = "192.0.2.1:1", "192.0.2.2:1", "[2001:db8::1]:1", "[2001:db8::2]:1", "10.0.0.1:1"
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for name, c := range map[string]struct {
		limits  Limits
		unknown bool
		clients int // as many as descriptors allow; 0 means no limit
		from    []string
		want    []string // the accepted ones among from
		reason  RefusalReason
	}{
		"no limits":           {from: []string{a, a, a}, want: []string{a, a, a}},
		"connections":         {limits: Limits{Connections: 2}, from: []string{a, b, a}, want: []string{a, b}, reason: RefusedByLimit},
		"per client":          {limits: Limits{PerClient: 1}, from: []string{a, a, b}, want: []string{a, b}, reason: RefusedByClientLimit},
		"per /64":             {limits: Limits{PerClient: 1}, from: []string{six, six2, a}, want: []string{six, a}, reason: RefusedByClientLimit},
		"refused, not in all": {limits: Limits{Connections: 2, PerClient: 1}, from: []string{a, a, b}, want: []string{a, b}, reason: RefusedByClientLimit},
		"trusted proxy":       {limits: Limits{PerClient: 1, Trusted: trusted}, from: []string{proxy, proxy, a}, want: []string{proxy, proxy, a}},
		"trusted, in all":     {limits: Limits{Connections: 1, Trusted: trusted}, from: []string{proxy, proxy}, want: []string{proxy}, reason: RefusedByLimit},
		"not known":           {limits: Limits{Connections: 1, PerClient: 1}, unknown: true, from: []string{a, a}, want: []string{a, a}},
		"descriptors":         {unknown: true, clients: 1, from: []string{a, b}, want: []string{a}, reason: RefusedByDescriptors},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := unlimited()
			options.Limits = func() (Limits, bool) { return c.limits, !c.unknown }
			if c.clients > 0 {
				options.Descriptors = descriptors.Division{Limit: 1 << 20, Clients: c.clients, Backends: 1 << 20}
			}
			from := new(connsFrom)
			l := newListener(from, options)
			for round := range int64(2) {
				from.addresses = c.from
				var accepted []net.Conn
				var got []string
				for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
					accepted, got = append(accepted, conn), append(got, conn.RemoteAddr().String())
				}
				if !slices.Equal(got, c.want) || l.Open() != int64(len(c.want)) {
					t.Errorf("accepted %q, %d open; want %q", got, l.Open(), c.want)
				}
				for i, count := range l.Refused() {
					want := int64(0)
					if RefusalReasons[i] == c.reason {
						want = (round + 1) * int64(len(c.from)-len(c.want))
					}
					if count != want {
						t.Errorf("%d are refused for %q, want %d", count, RefusalReasons[i], want)
					}
				}
				for _, conn := range accepted {
					_ = conn.Close()
				}
			}
			if l.Open() != 0 {
				t.Errorf("%d are open after all are closed", l.Open())
			}
		})
	}
}

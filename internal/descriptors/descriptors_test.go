package descriptors

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"gatehouse/internal/testkit"
)

// errDial is an error around that of a connection.
var errDial = errors.New("dial")

func TestDivide(t *testing.T) {
	for _, want := range []Division{
		{0, 0, 0}, {64, 16, 48}, {256, 64, 192}, {1024, 448, 960}, {20_000, 9936, 19_936}, {1 << 20, 524_224, 1_048_512},
	} {
		if got := Divide(want.Limit); got != want {
			t.Errorf("of %d: %+v, want %+v", want.Limit, got, want)
		}
	}
}

// A connection whose descriptor is one of those kept for others is not made, nor
// admitted.
func TestKeptDescriptors(t *testing.T) {
	l := testkit.Listen(t)
	short := Division{Limit: 64, Clients: 1, Backends: 1} // 0 to 2 are taken by the standard streams
	for name, c := range map[string]struct {
		of   Division
		want error
	}{"unknown": {Division{}, nil}, "enough": {Divide(1 << 20), nil}, "short": {short, errUsedUp}} {
		conn, err := (&net.Dialer{Control: c.of.Control}).DialContext(t.Context(), "tcp", l.Addr().String())
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err == nil {
			if got := short.Admits(conn, 1); got {
				t.Errorf("%s: a connection beyond the bound is admitted", name)
			}
			if got := c.of.Admits(conn, 1); !got {
				t.Errorf("%s: a connection below the bound is not admitted", name)
			}
			many := Division{Limit: 1 << 20, Clients: 1, Backends: 1 << 20}
			if got := many.Admits(conn, 2); got {
				t.Errorf("%s: the second of one client is admitted", name)
			}
			_ = conn.Close()
		}
	}
}

func TestIsShortOfDescriptors(t *testing.T) {
	for err, want := range map[error]bool{
		errUsedUp: true,
		fmt.Errorf("%w: %w", errDial, os.NewSyscallError("socket", syscall.EMFILE)): true,
		os.NewSyscallError("connect", syscall.ECONNREFUSED):                         false,
		errDial: false,
	} {
		if got := isShortOfDescriptors(err); got != want {
			t.Errorf("%v: %t, want %t", err, got, want)
		}
	}
}

// A backend is not to blame when all local ports are in use (issue 10).
func TestIsShortOfPorts(t *testing.T) {
	inUse := func(ip string) error {
		address := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 80))
		return fmt.Errorf("%w: %w", errDial, &net.OpError{Op: "dial", Net: "tcp", Addr: address, Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)})
	}
	_, noIPv6 := net.Dial("udp", "[2001:db8::1]:80") // nothing is sent
	for err, want := range map[error]bool{
		inUse("127.0.0.1"):          true,
		inUse("203.0.113.7"):        true,
		inUse("::ffff:203.0.113.7"): true,
		inUse("2001:db8::1"):        noIPv6 == nil,
		errDial:                     false,
		fmt.Errorf("%w: %w", errDial, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}): false,
	} {
		if got := IsShortOfPorts(err); got != want {
			t.Errorf("%v: %t, want %t", err, got, want)
		}
	}
}

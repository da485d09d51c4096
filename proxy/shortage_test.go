package proxy

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"gatehouse/internal/descriptors"
)

// A connection to a backend whose descriptor is one of those kept for others is
// not made.
func TestDescriptorsOfBackends(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, c := range map[string]struct {
		of    descriptors.Division
		short bool
	}{
		"unknown": {descriptors.Division{}, false},
		"enough":  {descriptors.Divide(1 << 20), false},
		"short":   {descriptors.Division{Limit: 64, Clients: 1, Backends: 1}, true}, // 0 to 2 are taken by the standard streams
	} {
		transports := NewTransports(TransportOptions{Descriptors: c.of})
		conn, err := transports.dialer(time.Minute)(t.Context(), "tcp", l.Addr().String())
		if descriptors.IsShortage(err) != c.short || (err == nil) == c.short {
			t.Errorf("%s: %v, want a shortage: %t", name, err, c.short)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}

// A backend is not to blame when all local ports are in use (issue 10).
func TestShortageIsNoFaultOfTheBackend(t *testing.T) {
	address := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}
	inUse := fmt.Errorf("%w: %w", errDial, &net.OpError{Op: "dial", Net: "tcp", Addr: address, Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)})
	for err, want := range map[error]bool{inUse: false, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}: true} {
		a := &attempt{x: new(exchange)}
		if got := a.isUnreachable(t.Context(), refuseConnect, err); got != want {
			t.Errorf("%v makes the backend unreachable: %t, want %t", err, got, want)
		}
	}
}

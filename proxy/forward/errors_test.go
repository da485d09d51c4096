package forward

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"gatehouse/proxy/upstream"
)

// A backend is not to blame when all local ports are in use (issue 10).
func TestShortageIsNoFaultOfTheBackend(t *testing.T) {
	address := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}
	inUse := fmt.Errorf("%w: %w", upstream.ErrDial, &net.OpError{Op: "dial", Net: "tcp", Addr: address, Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)})
	for err, want := range map[error]bool{inUse: false, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}: true} {
		a := new(attempt)
		if got := a.isUnreachable(t.Context(), refuseConnect, err); got != want {
			t.Errorf("%v makes the backend unreachable: %t, want %t", err, got, want)
		}
	}
}

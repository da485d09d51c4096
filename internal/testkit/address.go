package testkit

import (
	"net"
	"testing"
)

// Listen listens on a free port of 127.0.0.1 until the test ends.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

// FreeAddress returns an address of 127.0.0.1 on which nobody listens.
func FreeAddress(t testing.TB) string {
	t.Helper()
	listener := Listen(t)
	listener.Close()
	return listener.Addr().String()
}

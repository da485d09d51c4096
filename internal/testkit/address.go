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

// RefusingAddress returns an address of 127.0.0.1 that refuses connections until the
// test ends. A connection keeps its port, so that nobody else can listen there.
func RefusingAddress(t testing.TB) string {
	t.Helper()
	conn, err := net.Dial("tcp", Listen(t).Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.LocalAddr().String()
}

// FreeAddress returns an address of 127.0.0.1 on which nobody listens now, for a
// server that will. Another process may take it before.
func FreeAddress(t testing.TB) string {
	t.Helper()
	listener := Listen(t)
	listener.Close()
	return listener.Addr().String()
}

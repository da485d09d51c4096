package socket

import (
	"context"
	"net"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// listenPlain opens a listener that supports a filter.
func listenPlain(t *testing.T) net.Listener {
	t.Helper()
	plain := net.ListenConfig{}
	plain.SetMultipathTCP(false)
	listener, err := plain.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

// TestRefuseNew checks that waiting connections are still served, that no new ones come
// after that, and that a connection that was accepted later works.
func TestRefuseNew(t *testing.T) {
	listener := listenPlain(t)
	address := listener.Addr().String()
	if waiting, err := HasPending(listener); waiting || err != nil {
		t.Fatalf("somebody waits: %t, %v", waiting, err)
	}
	early, err := net.DialTimeout("tcp", address, testkit.Timeout)
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	if err := DropNewConns(listener); err != nil {
		t.Fatal(err)
	}
	if late, err := net.DialTimeout("tcp", address, 50*time.Millisecond); err == nil {
		_ = late.Close()
		t.Error("a connection was made")
	}
	if waiting, err := HasPending(listener); !waiting || err != nil {
		t.Fatalf("somebody waits: %t, %v", waiting, err)
	}
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const length = 1 << 20 // in packets of all lengths
	_ = conn.SetDeadline(time.Now().Add(testkit.Timeout))
	_ = early.SetDeadline(time.Now().Add(testkit.Timeout))
	p := pair{ours: early, theirs: conn}
	sent := later(func() (int, error) { return early.Write(make([]byte, length)) })
	p.hear(t, length)
	if o := testkit.Receive(t, "the end of sending", sent); o.n != length || o.err != nil {
		t.Errorf("sent %d, %v", o.n, o.err)
	}
	if waiting, err := HasPending(listener); waiting || err != nil {
		t.Errorf("somebody waits still: %t, %v", waiting, err)
	}
}

// A listener that is not a socket returns an error.
func TestRefuseNewUnsupported(t *testing.T) {
	listener := listenPlain(t)
	if DropNewConns(struct{ net.Listener }{listener}) == nil {
		t.Error("a listener that is no socket refuses")
	}
	if _, err := HasPending(struct{ net.Listener }{listener}); err == nil {
		t.Error("a listener that is no socket has a queue")
	}
}

//go:build unix

package socket

import (
	"io"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// pair is the two ends of a connection: ours, with a Socket, and the other.
type pair struct {
	ours, theirs net.Conn
}

// each runs a test with every kind of connection that is a socket.
func each(t *testing.T, test func(t *testing.T, connect func() pair)) {
	t.Helper()
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			test(t, func() pair { return connect(t, network) })
		})
	}
}

// connect returns a connection that is closed when the test ends, or when it hangs.
func connect(t testing.TB, network string) pair {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "socket")
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ours, err := net.Dial(network, listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, conn := range []net.Conn{ours, theirs} {
		t.Cleanup(func() { conn.Close() })
		if err := conn.SetDeadline(time.Now().Add(testkit.Timeout)); err != nil {
			t.Fatal(err)
		}
	}
	return pair{ours, theirs}
}

// say writes at the other end.
func (p pair) say(t testing.TB, what string) {
	t.Helper()
	if _, err := io.WriteString(p.theirs, what); err != nil {
		t.Fatal(err)
	}
}

// said is like say, but returns when the bytes have arrived. No goroutine may be reading.
func (p pair) said(t testing.TB, what string) {
	t.Helper()
	p.say(t, what)
	p.waitHeard(t)
}

// waitHeard returns when our end can be read: bytes, the end or an error. It does not use
// the poller.
func (p pair) waitHeard(t testing.TB) {
	t.Helper()
	raw, err := p.ours.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(testkit.Timeout); ; runtime.Gosched() {
		var heard error
		err := raw.Control(func(fd uintptr) {
			_, _, heard = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		})
		switch {
		case err != nil:
			t.Fatal(err)
		case heard != syscall.EAGAIN && heard != syscall.EINTR:
			return
		case time.Now().After(deadline):
			t.Fatal("nothing arrived")
		}
	}
}

// hear reads this number of bytes at the other end.
func (p pair) hear(t testing.TB, length int) string {
	t.Helper()
	heard := make([]byte, length)
	if _, err := io.ReadFull(p.theirs, heard); err != nil {
		t.Fatal(err)
	}
	return string(heard)
}

// finish closes the writing half of the other end, which still reads.
func (p pair) finish(t testing.TB) {
	t.Helper()
	if err := p.theirs.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	p.waitHeard(t)
}

// reset closes the other end with an RST.
func (p pair) reset(t testing.TB) {
	t.Helper()
	if err := p.theirs.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	p.theirs.Close()
}

// outcome is the result of a read or a write.
type outcome struct {
	n   int
	err error
}

// later reads or writes in a new goroutine.
func later(do func() (int, error)) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		n, err := do()
		done <- outcome{n, err}
	}()
	return done
}

// waitParked returns when the call that later has started waits for the socket.
func waitParked(t *testing.T) {
	t.Helper()
	testkit.Eventually(t, "somebody waits for the socket", func() bool {
		return slices.ContainsFunc(testkit.Goroutines("socket.later"), func(stack string) bool {
			return strings.Contains(stack, "[IO wait")
		})
	})
}

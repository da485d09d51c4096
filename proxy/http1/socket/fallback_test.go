package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// secretive is a connection that hides its socket.
type secretive struct{ net.Conn }

func (secretive) SyscallConn() (syscall.RawConn, error) { return nil, errors.New("it is a secret") }

// A connection that is not a socket is read and written directly.
func TestNoSocket(t *testing.T) {
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"pipe":      func(conn net.Conn) net.Conn { return conn },
		"wrapped":   func(conn net.Conn) net.Conn { return struct{ net.Conn }{conn} },
		"secretive": func(conn net.Conn) net.Conn { return secretive{conn} },
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer ours.Close()
			s := New(wrap(ours))
			if s.CanWriteThenRead() || s.IsIdle() {
				t.Errorf("it can turn: %t, it is quiet: %t", s.CanWriteThenRead(), s.IsIdle())
			}
			go func() {
				_, _ = io.CopyN(theirs, theirs, 5)
				theirs.Close()
			}()
			if n, err := s.Write([]byte("hello")); n != 5 || err != nil {
				t.Fatalf("wrote %d, %v", n, err)
			}
			buffer := make([]byte, 10)
			if n, err := s.Read(buffer); string(buffer[:n]) != "hello" || err != nil {
				t.Errorf("read %q, %v", buffer[:n], err)
			}
			if n, err := s.Read(buffer); n != 0 || err != io.EOF { //nolint:errorlint // as an io.Reader gives it
				t.Errorf("read %d, %v; want the end", n, err)
			}
			if _, err := s.Write([]byte("hello")); !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("wrote with %v", err)
			}
			ours.Close()
			if _, err := s.Read(buffer); !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("read with %v", err)
			}
		})
	}
}

func TestNoSocketLate(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	s := New(ours)
	_ = ours.SetDeadline(time.Unix(1, 0))
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read with %v", err)
	}
	if _, err := s.Write(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("wrote with %v", err)
	}
}

// Connections of both kinds work on every system.
func TestCanTurn(t *testing.T) {
	conn := testkit.Dial(t, testkit.Listen(t).Addr().String()).Conn
	if got := New(conn).CanWriteThenRead(); got != Supported {
		t.Errorf("it can turn: %t, want %t", got, Supported)
	}
}

//go:build unix

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

// stream is a connection, or a Socket of one.
type stream interface {
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
}

// eachStream runs a test with connections, which show the correct behaviour, and with
// Sockets.
func eachStream(t *testing.T, test func(t *testing.T, open func(t *testing.T) (pair, stream))) {
	t.Helper()
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network+" connection", func(t *testing.T) {
			test(t, func(t *testing.T) (pair, stream) {
				p := connect(t, network)
				return p, p.ours
			})
		})
		t.Run(network+" socket", func(t *testing.T) {
			test(t, func(t *testing.T) (pair, stream) {
				p := connect(t, network)
				return p, New(p.ours)
			})
		})
	}
}

// wantFault fails unless the error is that of the connection.
func wantFault(t *testing.T, err error, op string, p pair, causes ...error) {
	t.Helper()
	var fault *net.OpError
	if !errors.As(err, &fault) {
		t.Fatalf("got %v, want a *net.OpError", err)
	}
	local, remote := p.ours.LocalAddr(), p.ours.RemoteAddr()
	if fault.Op != op || fault.Net != local.Network() || fault.Source.String() != local.String() || fault.Addr.String() != remote.String() {
		t.Errorf("%s %s %v->%v, want %s %s %v->%v", fault.Op, fault.Net, fault.Source, fault.Addr, op, local.Network(), local, remote)
	}
	if nested := new(net.OpError); errors.As(fault.Err, &nested) {
		t.Errorf("it is told twice: %v", err)
	}
	if called := new(os.SyscallError); errors.As(err, &called) && called.Syscall != op {
		t.Errorf("%v is of the call %q, want %q", err, called.Syscall, op)
	}
	for _, cause := range causes {
		if errors.Is(err, cause) {
			return
		}
	}
	t.Errorf("got %v, want one of %v", err, causes)
}

// wantTimeout fails unless the error is a timeout.
func wantTimeout(t *testing.T, err error) {
	t.Helper()
	var fault net.Error
	if !errors.As(err, &fault) || !fault.Timeout() {
		t.Errorf("%v is no timeout", err)
	}
}

// past is a time in the past.
var past, never = time.Unix(1, 0), time.Time{}

// disturbed is the result of a read or a write that was disturbed.
type disturbed struct {
	name  string
	first func(p pair) // before it begins
	then  func(p pair) // while it waits
	want  error
}

var disturbedCases = []disturbed{
	{name: "closed before", first: func(p pair) { p.ours.Close() }, want: net.ErrClosed},
	{name: "closed meanwhile", then: func(p pair) { p.ours.Close() }, want: net.ErrClosed},
	{name: "late before", first: func(p pair) { _ = p.ours.SetDeadline(past) }, want: os.ErrDeadlineExceeded},
	{name: "late meanwhile", then: func(p pair) { _ = p.ours.SetDeadline(past) }, want: os.ErrDeadlineExceeded},
	{name: "late in a while", then: func(p pair) { _ = p.ours.SetDeadline(time.Now().Add(time.Millisecond)) }, want: os.ErrDeadlineExceeded},
}

// test starts a call that would never end, and disturbs it.
func (c disturbed) test(t *testing.T, op string, p pair, do func() (int, error)) (n int) {
	t.Helper()
	if c.first != nil {
		c.first(p)
	}
	done := later(do)
	if c.then != nil {
		waitParked(t)
		c.then(p)
	}
	o := testkit.Receive(t, "its end", done)
	wantFault(t, o.err, op, p, c.want)
	if errors.Is(c.want, os.ErrDeadlineExceeded) {
		wantTimeout(t, o.err)
	}
	return o.n
}

func TestReadDisturbed(t *testing.T) {
	eachStream(t, func(t *testing.T, open func(t *testing.T) (pair, stream)) {
		for _, c := range disturbedCases {
			t.Run(c.name, func(t *testing.T) {
				p, s := open(t)
				if n := c.test(t, "read", p, func() (int, error) { return s.Read(make([]byte, 10)) }); n != 0 {
					t.Errorf("read %d", n)
				}
			})
		}
	})
}

// A write that is interrupted reports how much was written.
func TestWriteDisturbed(t *testing.T) {
	const length = 64 << 20
	eachStream(t, func(t *testing.T, open func(t *testing.T) (pair, stream)) {
		for _, c := range disturbedCases {
			t.Run(c.name, func(t *testing.T) {
				p, s := open(t)
				n := c.test(t, "write", p, func() (int, error) { return s.Write(make([]byte, length)) })
				if n >= length || n > 0 != (c.then != nil) {
					t.Errorf("wrote %d", n)
				}
				p.ours.Close()
				if arrived, err := io.Copy(io.Discard, p.theirs); arrived != int64(n) || err != nil {
					t.Errorf("wrote %d, of which %d arrived: %v", n, arrived, err)
				}
			})
		}
	})
}

// After a deadline, another one may be set.
func TestReadAfterLate(t *testing.T) {
	eachStream(t, func(t *testing.T, open func(t *testing.T) (pair, stream)) {
		p, s := open(t)
		_ = p.ours.SetReadDeadline(past)
		_, err := s.Read(make([]byte, 10))
		wantFault(t, err, "read", p, os.ErrDeadlineExceeded)
		if _, err := s.Write([]byte("hello")); err != nil || p.hear(t, 5) != "hello" {
			t.Errorf("it was too late to write: %v", err)
		}
		_ = p.ours.SetReadDeadline(time.Now().Add(testkit.Timeout))
		p.said(t, "hello")
		if n, err := s.Read(make([]byte, 10)); n != 5 || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
	})
}

func TestReset(t *testing.T) {
	for name, of := range map[string]func(p pair) stream{
		"connection": func(p pair) stream { return p.ours },
		"socket":     func(p pair) stream { return New(p.ours) },
	} {
		t.Run(name+", read", func(t *testing.T) {
			p := connect(t, "tcp")
			s := of(p)
			p.reset(t)
			_, err := s.Read(make([]byte, 10))
			wantFault(t, err, "read", p, syscall.ECONNRESET)
		})
		t.Run(name+", read that waits", func(t *testing.T) {
			p := connect(t, "tcp")
			s := of(p)
			done := later(func() (int, error) { return s.Read(make([]byte, 10)) })
			waitParked(t)
			p.reset(t)
			wantFault(t, testkit.Receive(t, "its end", done).err, "read", p, syscall.ECONNRESET)
		})
		t.Run(name+", write", func(t *testing.T) {
			p := connect(t, "tcp")
			s := of(p)
			p.reset(t)
			p.waitHeard(t)
			var err error
			for err == nil {
				_, err = s.Write([]byte("hello"))
			}
			wantFault(t, err, "write", p, syscall.ECONNRESET, syscall.EPIPE)
		})
		t.Run(name+", write that waits", func(t *testing.T) {
			p := connect(t, "tcp")
			s := of(p)
			done := later(func() (int, error) { return s.Write(make([]byte, 64<<20)) })
			waitParked(t)
			p.reset(t)
			wantFault(t, testkit.Receive(t, "its end", done).err, "write", p, syscall.ECONNRESET, syscall.EPIPE)
		})
	}
}

//go:build linux && !386 && !s390x

package socket

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// These tests call the system calls directly. Under the race detector, hardly anything
// else does.
func TestCall(t *testing.T) {
	each(t, func(t *testing.T, connect func() pair) {
		p := connect()
		buffer := make([]byte, 10)
		receives := func(what string, into []byte, flags uintptr, n int, errno syscall.Errno) {
			t.Helper()
			wantCall(t, p.ours, what, syscall.SYS_RECVFROM, into, flags|syscall.MSG_DONTWAIT, n, errno)
		}
		sends := func(what string, text []byte, n int, errno syscall.Errno) {
			t.Helper()
			wantCall(t, p.ours, what, syscall.SYS_SENDTO, text, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, n, errno)
		}
		receives("receive too early", buffer, 0, 0, syscall.EAGAIN)
		p.said(t, "hello")
		receives("peek", buffer[:3], syscall.MSG_PEEK, 3, 0)
		receives("receive", buffer[:4], 0, 4, 0)
		receives("receive the rest", buffer[4:], 0, 1, 0)
		if got := string(buffer[:5]); got != "hello" {
			t.Errorf("received %q", got)
		}
		sends("send", []byte("hello"), 5, 0)
		sends("send nothing", nil, 0, 0)
		if got := p.hear(t, 5); got != "hello" {
			t.Errorf("heard %q", got)
		}
		p.finish(t)
		receives("receive the end", buffer, 0, 0, 0)
		p.theirs.Close()
		for errno := syscall.Errno(0); errno == 0; { // TCP hears of it by an answer to what it sends
			errno = within(t, p.ours, func(fd uintptr) (int, syscall.Errno) {
				return call(syscall.SYS_SENDTO, fd, []byte("hello"), syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
			}).errno
			if errno != 0 && errno != syscall.EPIPE && errno != syscall.ECONNRESET {
				t.Errorf("send to nobody: %v", errno)
			}
		}
	})
}

// A send into full buffers reports how much was written, and then that there is no room.
func TestCallFull(t *testing.T) {
	each(t, func(t *testing.T, connect func() pair) {
		p := connect()
		sent := 0
		for {
			r := within(t, p.ours, func(fd uintptr) (int, syscall.Errno) {
				return call(syscall.SYS_SENDTO, fd, make([]byte, 1<<20), syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
			})
			if r.errno != 0 {
				if r.errno != syscall.EAGAIN {
					t.Errorf("sent %d, then %v", sent, r.errno)
				}
				break
			}
			sent += r.n
		}
		p.hear(t, sent)
	})
}

func TestCallOfNoSocket(t *testing.T) {
	if n, errno := call(syscall.SYS_RECVFROM, ^uintptr(0), make([]byte, 1), syscall.MSG_DONTWAIT); n != 0 || errno != syscall.EBADF {
		t.Errorf("received %d, %v of a file that is not open", n, errno)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if n, errno := call(syscall.SYS_SENDTO, file.Fd(), make([]byte, 1), syscall.MSG_DONTWAIT); n != 0 || errno != syscall.ENOTSOCK {
		t.Errorf("sent %d, %v to a file", n, errno)
	}
}

// called is the result of a call.
type called struct {
	n     int
	errno syscall.Errno
}

// within makes a call while the socket is kept open.
func within(t *testing.T, conn net.Conn, do func(fd uintptr) (int, syscall.Errno)) (r called) {
	t.Helper()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { r.n, r.errno = do(fd) }); err != nil {
		t.Fatal(err)
	}
	return r
}

func wantCall(t *testing.T, conn net.Conn, what string, number uintptr, p []byte, flags uintptr, n int, errno syscall.Errno) {
	t.Helper()
	got := within(t, conn, func(fd uintptr) (int, syscall.Errno) { return call(number, fd, p, flags) })
	if want := (called{n, errno}); got != want {
		t.Errorf("%s: %d, %v; want %d, %v", what, got.n, got.errno, n, errno)
	}
}

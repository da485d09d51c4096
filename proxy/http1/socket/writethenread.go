package socket

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// ErrStale is returned for a connection that was to be idle, but on which the other
// side has sent something or which it has closed.
var ErrStale = errors.New("the backend closed the connection, or spoke unasked")

// CanWriteThenRead reports whether WriteThenRead and IsIdle work on the connection.
func (s *Socket) CanWriteThenRead() bool { return s.raw != nil }

// exchange has the state of one WriteThenRead.
type exchange struct {
	step, idleStep func(fd uintptr) (done bool)

	write   func() error
	written bool
	idle    bool // whether to check; then the result
	buf     []byte
	n       int
	errno   syscall.Errno
	err     error
}

// WriteThenRead calls write and then reads into p, in one step. That saves the read
// that would fail because the other side cannot have answered yet.
//
//	check  with checkIdle: return ErrStale unless the connection is idle
//	write  call write
//	read   wait for the first bytes, and read them
//
// When the step begins, the runtime forgets that the connection was readable. With
// checkIdle the connection was not readable afterwards, so the runtime waits. Without
// it, a read is tried first. No other Read or WriteThenRead may be under way. write
// must not close the connection, since Close waits for the step to end.
func (s *Socket) WriteThenRead(checkIdle bool, write func() error, p []byte) (int, error) {
	t := &s.exchange
	t.idle, t.write, t.written, t.buf, t.n, t.errno, t.err = checkIdle, write, false, p, 0, 0, nil
	err := s.raw.Read(t.step)
	t.write, t.buf = nil, nil
	switch {
	case err != nil:
		return t.n, s.opError("read", err)
	case t.errno != 0:
		return 0, s.opError("read", os.NewSyscallError("read", t.errno))
	}
	return t.n, t.err
}

func (t *exchange) run(fd uintptr) (done bool) {
	if !t.written {
		t.written = true
		if t.idle && !isIdle(fd) {
			t.err = ErrStale
			return true
		}
		if t.err = t.write(); t.err != nil {
			return true
		}
		if t.idle {
			return false
		}
	}
	n, errno := receive(fd, t.buf)
	switch {
	case errno == syscall.EAGAIN:
		return false
	case errno != 0:
		t.errno = errno
	case n == 0:
		t.err = io.EOF
	}
	t.n = n
	return true
}

// IsIdle reports whether the connection is open and has nothing to read.
func (s *Socket) IsIdle() bool {
	if s.raw == nil {
		return false
	}
	s.exchange.idle = false
	return s.raw.Read(s.exchange.idleStep) == nil && s.exchange.idle
}

func (t *exchange) checkIdle(fd uintptr) (done bool) {
	t.idle = isIdle(fd)
	return true
}

func isIdle(fd uintptr) bool {
	var one [1]byte
	_, errno := peek(fd, one[:])
	return errno == syscall.EAGAIN
}

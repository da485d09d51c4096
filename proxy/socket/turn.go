package socket

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// ErrSpoken is of a connection that was closed by the other side, or on which
// it said something, while it was to be quiet.
var ErrSpoken = errors.New("the backend closed the connection, or spoke unasked")

// CanTurn reports whether Turn and IsQuiet know what a connection has to say.
func (s *Socket) CanTurn() bool { return s.raw != nil }

// turn is a change from speaking to listening.
type turn struct {
	step, probe func(fd uintptr) (done bool)

	speak  func() error
	spoken bool
	quiet  bool // is to be looked at; then what was seen
	into   []byte
	n      int
	errno  syscall.Errno
	err    error
}

// Turn speaks, and reads into p what comes then; one step that spares what a
// read would try in vain before the other side can have answered:
//
//	look     it has been quiet until now, or nothing is said and nothing read
//	speak
//	listen   until the first bytes of the answer are there
//
// The runtime forgets that a connection was readable when the step begins. What
// it waits for afterwards has come after the look; without a look, it reads
// before it waits. No other Read or Turn may be under way; speak must not close
// the connection, since Close waits for the step to end.
func (s *Socket) Turn(look bool, speak func() error, p []byte) (int, error) {
	t := &s.turn
	t.quiet, t.speak, t.spoken, t.into, t.n, t.errno, t.err = look, speak, false, p, 0, 0, nil
	err := s.raw.Read(t.step)
	t.speak, t.into = nil, nil
	switch {
	case err != nil:
		return t.n, s.failed("read", err)
	case t.errno != 0:
		return 0, s.failed("read", os.NewSyscallError("read", t.errno))
	}
	return t.n, t.err
}

func (t *turn) take(fd uintptr) (done bool) {
	if !t.spoken {
		t.spoken = true
		if t.quiet && !isQuiet(fd) {
			t.err = ErrSpoken
			return true
		}
		if t.err = t.speak(); t.err != nil {
			return true
		}
		if t.quiet {
			return false
		}
	}
	n, errno := receive(fd, t.into)
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

// IsQuiet reports whether the connection is open and has nothing to say.
func (s *Socket) IsQuiet() bool {
	if s.raw == nil {
		return false
	}
	s.turn.quiet = false
	return s.raw.Read(s.turn.probe) == nil && s.turn.quiet
}

func (t *turn) look(fd uintptr) (done bool) {
	t.quiet = isQuiet(fd)
	return true
}

func isQuiet(fd uintptr) bool {
	var one [1]byte
	_, errno := peek(fd, one[:])
	return errno == syscall.EAGAIN
}

//go:build unix

package lean

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// canTurn tells whether this system can be asked what a connection has to say
// without waiting for it.
const canTurn = true

// errSpoken is of a connection that was closed while it waited for a request,
// or on which the backend said something then, which is no answer to the next.
var errSpoken = errors.New("the backend closed the connection, or spoke unasked")

// turn is a change from speaking to listening on one connection. As one step it
// spares what a read would try in vain before the backend can have answered:
//
//	look     the backend has been quiet while the connection waited
//	speak    the request is written
//	listen   until the first bytes of the answer are there
//
// The runtime forgets that a connection was readable when the step begins. What
// it waits for afterwards has come after the look; without a look, it reads
// before it waits.
type turn struct {
	raw   syscall.RawConn
	step  func(fd uintptr) (done bool) // one of those below, made once
	probe func(fd uintptr) (done bool)

	speak  func() error
	spoken bool
	look   bool
	into   []byte
	n      int
	err    error
}

// newTurn gives nil for a connection that cannot take one.
func newTurn(c net.Conn) *turn {
	has, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := has.SyscallConn()
	if err != nil {
		return nil
	}
	t := &turn{raw: raw}
	t.step, t.probe = t.take, func(fd uintptr) bool {
		t.look = isQuiet(fd)
		return true
	}
	return t
}

// take is called until it is done, each time that there is something to read.
func (t *turn) take(fd uintptr) (done bool) {
	if !t.spoken {
		t.spoken = true
		if t.look && !isQuiet(fd) {
			t.err = errSpoken
			return true
		}
		if t.err = t.speak(); t.err != nil {
			return true
		}
		if t.look {
			return false
		}
	}
	for {
		n, err := syscall.Read(int(fd), t.into)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return false
		case err != nil:
			t.err = err
		case n == 0:
			t.err = io.EOF
		}
		t.n = max(n, 0)
		return true
	}
}

// read speaks, and reads what comes then. Where look says so, it does neither
// on a connection that was not quiet.
func (t *turn) read(look bool, speak func() error, into []byte) (int, error) {
	t.look, t.speak, t.spoken, t.into, t.n, t.err = look, speak, false, into, 0, nil
	err := t.raw.Read(t.step)
	t.speak, t.into = nil, nil
	if err == nil {
		err = t.err
	}
	return t.n, err
}

// isQuiet tells whether the connection is open and has nothing to say.
func (t *turn) isQuiet() bool {
	t.look = false
	return t.raw.Read(t.probe) == nil && t.look
}

func isQuiet(fd uintptr) bool {
	var one [1]byte
	_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return err == syscall.EAGAIN
}

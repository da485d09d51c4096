//go:build unix

package lean

import (
	"net"
	"syscall"
)

// canProbe tells whether this system can be asked what a connection has to say
// without waiting for it.
const canProbe = true

// probe looks at a connection that waits.
type probe struct {
	raw   syscall.RawConn
	look  func(fd uintptr) bool
	buf   [1]byte
	quiet bool
}

// newProbe gives nil for a connection that cannot be looked at.
func newProbe(c net.Conn) *probe {
	has, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := has.SyscallConn()
	if err != nil {
		return nil
	}
	p := &probe{raw: raw}
	p.look = func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), p.buf[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		p.quiet = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK //nolint:errorlint // it comes as it is
		return true
	}
	return p
}

// isQuiet tells whether the connection is open and has nothing to say: what a
// backend says unasked is no answer to the next request.
func (p *probe) isQuiet() bool {
	if p == nil {
		return false
	}
	p.quiet = false
	return p.raw.Read(p.look) == nil && p.quiet
}

// Package socket reads and writes sockets with system calls that Go's scheduler does
// not know of. These calls never block, so the scheduler need not know: it would only
// take the processor from a goroutine that needs it again a moment later. The
// runtime's poller still does the waiting, the deadlines and the closing.
//
// Connections that are not sockets, and systems other than Unix, use the connection's
// own Read and Write.
package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// Socket reads and writes one connection. Its errors are those that the connection
// would return.
type Socket struct {
	conn     net.Conn
	raw      syscall.RawConn // nil if the connection's own Read and Write are used
	reader   reader
	writer   writer
	exchange exchange
}

// New makes a Socket for a connection. It reads and writes nothing.
func New(conn net.Conn) *Socket {
	s := &Socket{conn: conn}
	if has, ok := conn.(syscall.Conn); ok && Supported {
		if raw, err := has.SyscallConn(); err == nil {
			s.raw = raw
			s.reader.step, s.writer.step = s.reader.receive, s.writer.send
			s.exchange.step, s.exchange.idleStep = s.exchange.run, s.exchange.checkIdle
		}
	}
	return s
}

// reader has the state of one Read, and writer that of one Write. Their steps are
// called each time that the socket is ready, until they report true.
type (
	reader struct {
		sync.Mutex
		step  func(fd uintptr) (done bool)
		p     []byte
		n     int
		errno syscall.Errno
	}
	writer struct {
		sync.Mutex
		step  func(fd uintptr) (done bool)
		p     []byte
		errno syscall.Errno
	}
)

func (r *reader) receive(fd uintptr) (done bool) {
	r.n, r.errno = receive(fd, r.p)
	return r.errno != syscall.EAGAIN
}

func (w *writer) send(fd uintptr) (done bool) {
	for len(w.p) > 0 {
		n, errno := send(fd, w.p)
		switch errno {
		case 0:
			w.p = w.p[n:]
		case syscall.EAGAIN:
			return false
		default:
			w.errno = errno
			return true
		}
	}
	return true
}

// Read is net.Conn.Read.
func (s *Socket) Read(p []byte) (int, error) {
	if s.raw == nil || len(p) == 0 {
		return s.conn.Read(p)
	}
	r := &s.reader
	r.Lock()
	defer r.Unlock()
	r.p, r.n, r.errno = p, 0, 0
	err := s.raw.Read(r.step)
	r.p = nil
	switch {
	case err != nil:
		return 0, s.opError("read", err)
	case r.errno != 0:
		return 0, s.opError("read", os.NewSyscallError("read", r.errno))
	case r.n == 0:
		return 0, io.EOF
	}
	return r.n, nil
}

// ReadNow reads what is there, without waiting. It reports ready false if nothing is.
func (s *Socket) ReadNow(p []byte) (n int, ready bool, err error) {
	if s.raw == nil || len(p) == 0 {
		return 0, false, nil
	}
	var errno syscall.Errno
	s.reader.Lock()
	defer s.reader.Unlock()
	err = s.raw.Read(func(fd uintptr) (done bool) {
		n, errno = receive(fd, p)
		return true
	})
	switch {
	case err != nil:
		return 0, true, s.opError("read", err)
	case errno == syscall.EAGAIN:
		return 0, false, nil
	case errno != 0:
		return 0, true, s.opError("read", os.NewSyscallError("read", errno))
	case n == 0:
		return 0, true, io.EOF
	}
	return n, true, nil
}

// Write is net.Conn.Write.
func (s *Socket) Write(p []byte) (int, error) {
	if s.raw == nil {
		return s.conn.Write(p)
	}
	w := &s.writer
	w.Lock()
	defer w.Unlock()
	w.p, w.errno = p, 0
	err := s.raw.Write(w.step)
	n := len(p) - len(w.p)
	w.p = nil
	switch {
	case err != nil:
		return n, s.opError("write", err)
	case w.errno != 0:
		return n, s.opError("write", os.NewSyscallError("write", w.errno))
	}
	return n, nil
}

// opError returns an error as the connection itself would.
func (s *Socket) opError(op string, err error) error {
	if opErr, ok := errors.AsType[*net.OpError](err); ok { // of syscall.RawConn
		err = opErr.Err
	}
	remote := s.conn.RemoteAddr()
	return &net.OpError{Op: op, Net: remote.Network(), Source: s.conn.LocalAddr(), Addr: remote, Err: err}
}

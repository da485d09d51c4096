// Package socket reads and writes the sockets of connections by system calls
// of which Go's scheduler is not told. They never wait, so there is nothing to
// tell: it would only take the processor away from a goroutine that needs it
// back a moment later. Waiting is left to the runtime's poller as ever, and so
// are deadlines and closing.
//
// Connections that are no sockets, and systems that are not Unix, are served by
// the connection's own Read and Write.
package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// Socket reads and writes one connection. Its errors are those that the
// connection would give.
type Socket struct {
	conn     net.Conn
	raw      syscall.RawConn // nil where the connection does it itself
	reader   reader
	writer   writer
	exchange exchange
}

// New makes a Socket for a connection, of which it reads and writes nothing yet.
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

// reader is one Read at a time, and writer one Write. Their steps are called
// until they are done, each time that the socket is ready.
type (
	reader struct {
		sync.Mutex
		step   func(fd uintptr) (done bool)
		p      []byte
		n      int
		errno  syscall.Errno
		waited bool
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
	if r.errno == syscall.EAGAIN {
		r.waited = true
		return false
	}
	return true
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

// Read is net.Conn's. It also tells whether there was nothing to read at first.
func (s *Socket) Read(p []byte) (n int, waited bool, err error) {
	if s.raw == nil || len(p) == 0 {
		n, err := s.conn.Read(p)
		return n, true, err
	}
	r := &s.reader
	r.Lock()
	defer r.Unlock()
	r.p, r.n, r.errno, r.waited = p, 0, 0, false
	err = s.raw.Read(r.step)
	r.p = nil
	switch {
	case err != nil:
		return 0, r.waited, s.opError("read", err)
	case r.errno != 0:
		return 0, r.waited, s.opError("read", os.NewSyscallError("read", r.errno))
	case r.n == 0:
		return 0, r.waited, io.EOF
	}
	return r.n, r.waited, nil
}

// ReadNow reads what is there, without a wait. It is not ready when nothing is.
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

// Write is net.Conn's.
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

// opError is the error as the connection itself would tell it.
func (s *Socket) opError(op string, err error) error {
	if opErr, ok := errors.AsType[*net.OpError](err); ok { // syscall.RawConn's
		err = opErr.Err
	}
	remote := s.conn.RemoteAddr()
	return &net.OpError{Op: op, Net: remote.Network(), Source: s.conn.LocalAddr(), Addr: remote, Err: err}
}

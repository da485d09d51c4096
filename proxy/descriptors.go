package proxy

import (
	"errors"
	"net"
	"syscall"
)

// Descriptors divides the file descriptors of a process, so that its clients
// leave some to the backends, and both leave some to the operators, the
// database and the files. The zero value divides nothing.
//
// The kernel gives the lowest number that is free (POSIX, open). So a socket whose
// number reaches a bound shows that as many are in use, and nothing has to be
// counted: the numbers from a bound on are left to the others.
type Descriptors struct {
	Limit    int // of the process; 0 is unknown
	Clients  int // the numbers of connections of clients are below it
	Backends int // and those of connections to backends below it
}

// maxReserve is how many descriptors are left to operators, database and files,
// where a quarter of all are more.
const maxReserve = 64

// DivideDescriptors divides as many descriptors as the process may have open
// (RLIMIT_NOFILE); 0 is unknown. Clients get half of what is not kept, since a
// request needs a connection to its backend, too.
func DivideDescriptors(limit int) Descriptors {
	backends := limit - min(limit/4, maxReserve)
	return Descriptors{Limit: limit, Clients: backends / 2, Backends: backends}
}

// errDescriptors is that of a connection that would take a descriptor which is
// left to others. The backend has no part in it.
var errDescriptors = errors.New("file descriptors are used up")

// control is net.Dialer.Control of connections to backends.
func (d Descriptors) control(_, _ string, raw syscall.RawConn) error {
	if d.Limit == 0 {
		return nil
	}
	short := false
	if err := raw.Control(func(fd uintptr) { short = int(fd) >= d.Backends }); err != nil {
		return err
	}
	if short {
		return errDescriptors
	}
	return nil
}

// admits reports whether a client's connection leaves others what is theirs.
func (d Descriptors) admits(conn net.Conn) bool {
	has, ok := conn.(syscall.Conn)
	if d.Limit == 0 || !ok {
		return true
	}
	raw, err := has.SyscallConn()
	if err != nil {
		return true // it is closed already
	}
	admitted := true
	_ = raw.Control(func(fd uintptr) { admitted = int(fd) < d.Clients })
	return admitted
}

// isShortOfDescriptors reports whether an error is for want of a descriptor, or
// of what the kernel needs for one.
func isShortOfDescriptors(err error) bool {
	for _, of := range [...]error{errDescriptors, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, of) {
			return true
		}
	}
	return false
}

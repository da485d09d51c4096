// Package descriptors divides the file descriptors of a process between the
// parts that open connections. It also finds connections that failed because
// the process has no free descriptor or local port.
package descriptors

import (
	"errors"
	"net"
	"syscall"
)

// Division is how the file descriptors of a process are divided. Clients must
// leave some for the backends. Clients and backends must leave some for the
// operators, the database and the files. The zero value divides nothing.
//
// The kernel returns the lowest free number (POSIX, open). So when the number
// of a socket reaches a bound, as many descriptors are in use, and the numbers
// from the bound on are reserved for the others. Clients are also counted,
// because with numbers alone, connections to backends would use up the
// descriptors of clients.
type Division struct {
	Limit    int // of the process; 0 means unknown
	Clients  int // the number of connections of clients that may be open
	Backends int // connections to clients and backends have numbers below it
}

// maxReserve bounds the reserve for operators, database and files, which is a
// quarter of all descriptors.
const maxReserve = 64

// Divide divides the descriptors that the process may have open
// (RLIMIT_NOFILE); 0 means unknown. It subtracts the reserve twice: once for
// what the process always has open, and once as the reserve. Clients get half
// of the rest, since a request also needs a connection to its backend.
func Divide(limit int) Division {
	reserve := min(limit/4, maxReserve)
	return Division{Limit: limit, Clients: (limit - 2*reserve) / 2, Backends: limit - reserve}
}

// errUsedUp is the error of a connection that would use a reserved descriptor.
// It is not an error of the backend.
var errUsedUp = errors.New("file descriptors are used up")

// Control is the Control of a net.Dialer that connects to backends. It fails
// when the connection would use a reserved descriptor.
func (d Division) Control(_, _ string, raw syscall.RawConn) error {
	if d.Limit == 0 {
		return nil
	}
	short := false
	if err := raw.Control(func(fd uintptr) { short = int(fd) >= d.Backends }); err != nil {
		return err
	}
	if short {
		return errUsedUp
	}
	return nil
}

// Admits reports whether enough descriptors remain for the others after a
// client's connection. open is the number of clients' connections, including
// this one.
func (d Division) Admits(conn net.Conn, open int64) bool {
	if d.Limit == 0 {
		return true
	}
	if open > int64(d.Clients) {
		return false
	}
	has, ok := conn.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := has.SyscallConn()
	if err != nil {
		return true // it is already closed
	}
	admitted := true
	_ = raw.Control(func(fd uintptr) { admitted = int(fd) < d.Backends })
	return admitted
}

// IsShortage reports whether a connection failed because the process has no
// descriptor or no local port for it. Such a failure is not an error of the
// other end.
func IsShortage(err error) bool { return isShortOfDescriptors(err) || IsShortOfPorts(err) }

// IsShortOfPorts reports whether a connection failed because all local ports
// for its address are in use. A machine without IPv6 returns the same error for
// IPv6 addresses. There a UDP connection, which sends nothing, fails, too.
func IsShortOfPorts(err error) bool {
	var dialing *net.OpError
	if !errors.Is(err, syscall.EADDRNOTAVAIL) || !errors.As(err, &dialing) {
		return false
	}
	to, ok := dialing.Addr.(*net.TCPAddr)
	if !ok || to.IP.To4() != nil {
		return ok
	}
	probe, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: to.IP, Port: to.Port, Zone: to.Zone})
	if err != nil {
		return false
	}
	_ = probe.Close()
	return true
}

// isShortOfDescriptors reports whether an error means a shortage of
// descriptors, or of the memory for one.
func isShortOfDescriptors(err error) bool {
	for _, of := range [...]error{errUsedUp, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, of) {
			return true
		}
	}
	return false
}

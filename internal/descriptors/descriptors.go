// Package descriptors divides the file descriptors of a process between those who
// open connections, and finds the connections that failed because the process has
// no descriptor or no local port left.
package descriptors

import (
	"errors"
	"net"
	"syscall"
)

// Division is how the file descriptors of a process are divided: clients leave
// some to the backends, and both leave some to the operators, the database and the
// files. The zero value divides nothing.
//
// The kernel returns the lowest number that is free (POSIX, open). So a socket whose
// number reaches a bound shows that as many are in use: the numbers from the bound
// on are left to the others. Clients are counted besides. By numbers alone,
// connections to backends would use up what is left to clients.
type Division struct {
	Limit    int // of the process; 0 is unknown
	Clients  int // as many connections of clients may be open
	Backends int // the numbers of connections to clients and backends are below it
}

// maxReserve is how many descriptors are left to operators, database and files,
// where a quarter of all are more.
const maxReserve = 64

// Divide divides as many descriptors as the process may have open (RLIMIT_NOFILE);
// 0 is unknown. The reserve is taken off twice: once for what the process has open
// at rest, and once to be kept. Clients get half of what is left, since a request
// needs a connection to its backend, too.
func Divide(limit int) Division {
	reserve := min(limit/4, maxReserve)
	return Division{Limit: limit, Clients: (limit - 2*reserve) / 2, Backends: limit - reserve}
}

// errUsedUp is the error of a connection that would use a descriptor which is left
// to others. The backend has no part in it.
var errUsedUp = errors.New("file descriptors are used up")

// Control is the Control of a net.Dialer that connects to backends. It fails where
// the connection would use a descriptor that is left to others.
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

// Admits reports whether a client's connection leaves enough to others. Open is the
// number of clients' connections, with this one.
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
		return true // it is closed already
	}
	admitted := true
	_ = raw.Control(func(fd uintptr) { admitted = int(fd) < d.Backends })
	return admitted
}

// IsShortage reports whether a connection failed because the process has no
// descriptor or no local port for it, which says nothing about its other end.
func IsShortage(err error) bool { return isShortOfDescriptors(err) || IsShortOfPorts(err) }

// IsShortOfPorts reports whether a connection failed because all local ports that could
// reach its address are in use. A machine without IPv6 returns the same error for
// its addresses; there a connection of UDP, which sends nothing, fails too.
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

// isShortOfDescriptors reports whether an error is about a lack of descriptors, or of
// what the kernel needs for one.
func isShortOfDescriptors(err error) bool {
	for _, of := range [...]error{errUsedUp, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, of) {
			return true
		}
	}
	return false
}

package socket

import (
	"errors"
	"math"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// errNotSocket is returned for a listener that is not a socket.
var errNotSocket = errors.New("the listener is no socket")

// DropNewConns makes the kernel drop the first packet of every new connection, so that
// the queue of connections to be accepted becomes empty. Closing a listener resets the
// connections in its queue, and their clients may have sent a request. A client whose
// packet was dropped sends it again after a second (RFC 6298 section 2.1). By then the
// socket is closed, or a new process has its port.
//
// Connections that are accepted later inherit the filter, which lets their packets
// pass. A socket of Multipath TCP, which net.Listen makes by default, takes no filter.
func DropNewConns(l net.Listener) error {
	const flags, syn, ack = 13, 0x02, 0x10 // in a TCP header (RFC 9293 section 3.1)
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: flags},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: syn | ack},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: syn, Jt: 0, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: math.MaxUint32},
	}
	program := &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return control(l, func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, program)
	})
}

// HasPending reports whether connections wait to be accepted.
func HasPending(l net.Listener) (bool, error) {
	waiting := false
	err := control(l, func(fd int) error {
		for {
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			n, err := unix.Poll(fds, 0)
			if err == unix.EINTR {
				continue
			}
			waiting = n > 0
			return err
		}
	})
	return waiting, err
}

func control(l net.Listener, do func(fd int) error) error {
	has, ok := l.(syscall.Conn)
	if !ok {
		return errNotSocket
	}
	raw, err := has.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = do(int(fd)) }); err != nil {
		return err
	}
	return failed
}

package socket

import (
	"errors"
	"math"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// errNotSocket is of a listener that is no socket.
var errNotSocket = errors.New("the listener is no socket")

// DropNewConns has the kernel drop the first packet of every connection to come,
// so that the queue of those that wait to be accepted can run dry. To close a
// listener resets what is in its queue: those clients have sent a request, for
// all they know. Clients send the packet again after a second (RFC 6298 section
// 2.1), and find the socket closed by then, or a successor on its port.
//
// Connections that are accepted later inherit the filter; it lets their packets
// pass. A socket of Multipath TCP, which net.Listen makes by default, takes no
// filter.
func DropNewConns(l net.Listener) error {
	const flags, syn, ack = 13, 0x02, 0x10 // of a TCP header (RFC 9293 section 3.1)
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

// HasPending reports whether there are connections to be accepted.
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

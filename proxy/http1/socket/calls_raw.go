//go:build linux && !386 && !s390x

package socket

import (
	"syscall"
	"unsafe"
)

// Supported reports whether this package makes system calls on this system. Elsewhere
// it uses the connection's own Read and Write.
const Supported = true

func receive(fd uintptr, p []byte) (int, syscall.Errno) {
	if raceEnabled {
		return ignoringEINTR(syscall.Read, fd, p)
	}
	return call(syscall.SYS_RECVFROM, fd, p, syscall.MSG_DONTWAIT)
}

func peek(fd uintptr, p []byte) (int, syscall.Errno) {
	return call(syscall.SYS_RECVFROM, fd, p, syscall.MSG_DONTWAIT|syscall.MSG_PEEK)
}

func send(fd uintptr, p []byte) (int, syscall.Errno) {
	if raceEnabled {
		return ignoringEINTR(syscall.Write, fd, p)
	}
	return call(syscall.SYS_SENDTO, fd, p, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
}

// call calls recvfrom(2) or sendto(2) for a connected socket.
func call(number, fd uintptr, p []byte, flags uintptr) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(number, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, 0, 0)
		switch errno {
		case 0:
			return int(n), 0
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

//go:build unix && (!linux || 386 || s390x)

package socket

import "syscall"

// Supported reports whether this package makes system calls on this system. Elsewhere
// it uses the connection's own Read and Write.
const Supported = true

func receive(fd uintptr, p []byte) (int, syscall.Errno) { return ignoringEINTR(syscall.Read, fd, p) }

func peek(fd uintptr, p []byte) (int, syscall.Errno) {
	return ignoringEINTR(func(fd int, p []byte) (int, error) {
		n, _, err := syscall.Recvfrom(fd, p, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return n, err
	}, fd, p)
}

func send(fd uintptr, p []byte) (int, syscall.Errno) { return ignoringEINTR(syscall.Write, fd, p) }

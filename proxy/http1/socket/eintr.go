//go:build unix

package socket

import (
	"errors"
	"syscall"
)

// ignoringEINTR makes a call, and repeats it while it is interrupted.
func ignoringEINTR(call func(fd int, p []byte) (int, error), fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, err := call(int(fd), p)
		if err == nil {
			return n, 0
		}
		if errno, _ := errors.AsType[syscall.Errno](err); errno != syscall.EINTR {
			return 0, errno
		}
	}
}

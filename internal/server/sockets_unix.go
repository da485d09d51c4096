//go:build unix

package server

import (
	"fmt"
	"io/fs"
	"syscall"
)

// restrictSocket sets the mode that the file of a unix socket gets when it is bound. So the
// file never has a wider mode, at least on Linux.
func restrictSocket(fd uintptr, mode fs.FileMode) error { return syscall.Fchmod(int(fd), uint32(mode)) }

// isListening reports whether a socket accepts connections.
func isListening(fd uintptr) (bool, error) {
	accepts, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	if err != nil {
		return false, fmt.Errorf("read SO_ACCEPTCONN: %w", err)
	}
	return accepts != 0, nil
}

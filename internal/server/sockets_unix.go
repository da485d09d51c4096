//go:build unix

package server

import (
	"io/fs"
	"syscall"
)

// restrictSocket sets the mode that the file of a unix socket gets when it is bound. So the
// file never has a wider mode, at least on Linux.
func restrictSocket(fd uintptr, mode fs.FileMode) error { return syscall.Fchmod(int(fd), uint32(mode)) }

//go:build !unix

package socket

import "syscall"

// Supported reports whether this package makes system calls on this system. Elsewhere
// it uses the connection's own Read and Write.
const Supported = false

func receive(uintptr, []byte) (int, syscall.Errno) { return 0, syscall.EINVAL }
func peek(uintptr, []byte) (int, syscall.Errno)    { return 0, syscall.EINVAL }
func send(uintptr, []byte) (int, syscall.Errno)    { return 0, syscall.EINVAL }

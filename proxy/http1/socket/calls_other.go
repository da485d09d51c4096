//go:build !unix

package socket

import "syscall"

// Supported tells whether this system is known: elsewhere connections do it all
// themselves.
const Supported = false

func receive(uintptr, []byte) (int, syscall.Errno) { return 0, syscall.EINVAL }
func peek(uintptr, []byte) (int, syscall.Errno)    { return 0, syscall.EINVAL }
func send(uintptr, []byte) (int, syscall.Errno)    { return 0, syscall.EINVAL }

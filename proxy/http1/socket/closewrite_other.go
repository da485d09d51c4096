//go:build !unix

package socket

func shutdownWrite(uintptr) {}

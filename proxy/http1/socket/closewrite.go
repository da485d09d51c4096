package socket

import "syscall"

// ReadOrCloseWrite reads into p what is there, whatever the deadline. When nothing is,
// and closeWrite is set, it closes the connection for writing in the same step, so
// that next to nothing can come in between. No other Read may be under way.
func (s *Socket) ReadOrCloseWrite(p []byte, closeWrite bool) (n int, err error) {
	if s.raw == nil || len(p) == 0 {
		return 0, nil
	}
	errno := syscall.Errno(0)
	err = s.raw.Control(func(fd uintptr) {
		if n, errno = receive(fd, p); errno == syscall.EAGAIN && closeWrite {
			shutdownWrite(fd)
		}
	})
	if err != nil || errno != 0 {
		return 0, err
	}
	return n, nil
}

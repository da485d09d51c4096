package socket

import "syscall"

// ReadOrCloseWrite reads what is there, and ignores the deadline. If nothing is there
// and closeWrite is set, it closes the writing side in the same step, so that hardly
// anything can arrive in between. No other Read may be under way.
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

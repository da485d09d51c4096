//go:build unix

package socket

import (
	"syscall"
	"testing"
)

func TestAgain(t *testing.T) {
	for name, c := range map[string]struct {
		gives []error // the last one for good
		calls int
		n     int
		errno syscall.Errno
	}{
		"done":                 {[]error{nil}, 1, 7, 0},
		"interrupted":          {[]error{syscall.EINTR, syscall.EINTR, nil}, 3, 7, 0},
		"fails":                {[]error{syscall.EPIPE}, 1, 0, syscall.EPIPE},
		"interrupted and late": {[]error{syscall.EINTR, syscall.EAGAIN}, 2, 0, syscall.EAGAIN},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			n, errno := ignoringEINTR(func(int, []byte) (int, error) {
				calls++
				if err := c.gives[calls-1]; err != nil {
					return -1, err
				}
				return 7, nil
			}, 0, nil)
			if n != c.n || errno != c.errno || calls != c.calls {
				t.Errorf("%d, %v after %d calls; want %d, %v after %d", n, errno, calls, c.n, c.errno, c.calls)
			}
		})
	}
}

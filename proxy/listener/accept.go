package listener

import (
	"errors"
	"net"
	"syscall"
)

// KeepAccepting returns a listener whose failed accepts do not end the server
// that uses it, unless the listener itself is broken. net/http continues only after EMFILE
// and ENFILE. ENOBUFS, ENOMEM, EPERM (a firewall) and network errors are
// temporary, too (accept(2), "Error handling"), and must not end the gateway
// (issue 10). The server waits 5 ms to 1 s before it tries again.
func KeepAccepting(l net.Listener) net.Listener { return retryListener{l} }

type retryListener struct{ net.Listener }

// Accept implements net.Listener.
func (l retryListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, temporaryAccept(err)
	}
	return conn, nil
}

// temporaryAccept returns an error of accept as a temporaryError, if it is temporary.
func temporaryAccept(err error) error {
	var number syscall.Errno
	if errors.Is(err, net.ErrClosed) || !errors.As(err, &number) {
		return err
	}
	switch number {
	case syscall.EBADF, syscall.EFAULT, syscall.EINVAL, syscall.ENOTSOCK:
		return err
	}
	return &temporaryError{err}
}

// temporaryError is a net.Error after which a server accepts again.
type temporaryError struct{ error }

// Unwrap returns the error of accept.
func (e *temporaryError) Unwrap() error { return e.error }

// Timeout implements net.Error.
func (*temporaryError) Timeout() bool { return false }

// Temporary implements net.Error. net/http calls it.
func (*temporaryError) Temporary() bool { return true }

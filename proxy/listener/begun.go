package listener

import (
	"net"
	"sync"
)

// Begun returns a listener of the connections of l whose Begin has returned, for servers
// that do not call Begin.
func (l *Listener) Begun() net.Listener {
	begun := newBegunListener(l, l.Close)
	begun.accept(l, func(c *Conn) { begun.send(c, nil) })
	return begun
}

type acceptedConn struct {
	conn net.Conn
	err  error
}

// begunListener is a listener of connections that have begun.
type begunListener struct {
	net.Listener
	closeInner func() error
	conns      chan acceptedConn
	done       chan struct{} // closed by Close
	close      sync.Once
}

func newBegunListener(l net.Listener, closeInner func() error) *begunListener {
	return &begunListener{Listener: l, closeInner: closeInner, conns: make(chan acceptedConn), done: make(chan struct{})}
}

// accept accepts connections until the listener is closed. It calls begun with each that
// has begun, on a goroutine of its own. Errors go to Accept, whose server knows which of
// them are temporary.
func (b *begunListener) accept(l *Listener, begun func(c *Conn)) {
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				if !b.send(nil, err) {
					return
				}
				continue
			}
			c := conn.(*Conn)
			go func() {
				if c.Begin() != nil {
					_ = c.Close()
					return
				}
				begun(c)
			}()
		}
	}()
}

// send passes a connection or an error to Accept. It returns false, and closes the
// connection, when the listener is closed.
func (b *begunListener) send(conn net.Conn, err error) bool {
	select {
	case b.conns <- acceptedConn{conn, err}:
		return true
	case <-b.done:
		if conn != nil {
			_ = conn.Close()
		}
		return false
	}
}

// Accept implements net.Listener.
func (b *begunListener) Accept() (net.Conn, error) {
	select {
	case next := <-b.conns:
		return next.conn, next.err
	case <-b.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (b *begunListener) Close() error {
	b.close.Do(func() { close(b.done) })
	return b.closeInner()
}

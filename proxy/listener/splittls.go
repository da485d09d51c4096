package listener

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"time"
)

// handshakeTimeout is how long a client may take to send the first byte of its TLS
// handshake, and how long the rest may take. net/http has the same limit.
const handshakeTimeout = 10 * time.Second

// SplitTLS returns two listeners for the connections of l, which it accepts from now on:
// those that begin with a TLS handshake, and those that begin with a request without
// TLS. The handshake is done when Accept returns a connection. Both listeners must be
// closed. Closing the first one closes l.
func (l *Listener) SplitTLS(config *tls.Config) (encrypted, plain net.Listener) {
	l.overTLS.Store(true)
	e := &splitListener{Listener: l, conns: make(chan acceptedConn), done: make(chan struct{})}
	p := &splitListener{Listener: l, conns: make(chan acceptedConn), done: make(chan struct{}), shares: true}
	go func() {
		for {
			conn, err := l.Accept()
			if err == nil {
				go split(conn.(*Conn), config, e, p)
			} else if !e.send(nil, err) { // net/http knows which errors are temporary
				return
			}
		}
	}()
	return e, p
}

// split reads the first byte of a connection, and sends the connection to one of two
// listeners.
func split(c *Conn, config *tls.Config, encrypted, plain *splitListener) {
	_ = c.SetReadDeadline(time.Now().Add(handshakeTimeout))
	first := make([]byte, 1)
	if n, _ := c.Read(first); n == 0 {
		_ = c.Close()
		return
	}
	c.Unread(first)
	if beginsRequest(first[0]) {
		c.encrypted.Store(false)
		_ = c.SetReadDeadline(time.Time{})
		plain.send(c, nil)
		return
	}
	if conn := handshake(c, config); conn != nil {
		encrypted.send(conn, nil)
	}
}

// handshake does the TLS handshake. It returns nil, and closes the connection, when that
// fails. net/http's server finds HTTP/2 only in a *tls.Conn.
func handshake(c *Conn, config *tls.Config) net.Conn {
	conn := tls.Server(c, config)
	_ = c.SetDeadline(time.Now().Add(handshakeTimeout))
	if err := conn.Handshake(); err != nil {
		c.listener.options.Log.LogAttrs(context.Background(), slog.LevelDebug, "TLS handshake failed",
			slog.String("client", c.RemoteAddr().String()), slog.String("error", err.Error()))
		_ = c.Close()
		return nil
	}
	_ = c.SetDeadline(time.Time{})
	if conn.ConnectionState().NegotiatedProtocol == protocolHTTP2 {
		return conn
	}
	return &tlsConn{Conn: conn, under: c}
}

// protocolHTTP2 is the name of HTTP/2 in a handshake (RFC 9113 section 3.2).
const protocolHTTP2 = "h2"

// beginsRequest reports whether a byte may begin an HTTP request (RFC 9112 section 3.1) and
// no TLS record, whose first byte is its type (RFC 8446 section 5.1).
func beginsRequest(b byte) bool { return 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z' }

type acceptedConn struct {
	conn net.Conn
	err  error
}

// splitListener is one of the listeners of SplitTLS.
type splitListener struct {
	net.Listener
	shares bool // another listener closes Listener
	conns  chan acceptedConn
	done   chan struct{} // closed by Close
	close  sync.Once
}

// send passes a connection or an error to Accept. It returns false, and closes the
// connection, when the listener is closed.
func (l *splitListener) send(conn net.Conn, err error) bool {
	select {
	case l.conns <- acceptedConn{conn, err}:
		return true
	case <-l.done:
		if conn != nil {
			_ = conn.Close()
		}
		return false
	}
}

// Accept implements net.Listener.
func (l *splitListener) Accept() (net.Conn, error) {
	select {
	case next := <-l.conns:
		return next.conn, next.err
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *splitListener) Close() error {
	l.close.Do(func() { close(l.done) })
	if l.shares {
		return nil
	}
	return l.Listener.Close()
}

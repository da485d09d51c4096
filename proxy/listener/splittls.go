package listener

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
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
	e := newBegunListener(l, l.Close)
	p := newBegunListener(l, func() error { return nil })
	e.accept(l, func(c *Conn) { split(c, config, e, p) })
	return e, p
}

// split reads the first byte of a connection, and sends the connection to one of two
// listeners.
func split(c *Conn, config *tls.Config, encrypted, plain *begunListener) {
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

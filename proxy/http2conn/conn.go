// Package http2conn has the connections of HTTP/2 clients, as net/http's server gets
// them. That server answers some requests by itself, before any handler, in plain text and
// without a hook; and it ends others, with their stream or connection, without telling
// anybody.
//
//   - What comes from the client (reader.go) is passed on in whole header blocks. A block
//     that the server would answer by itself is changed (block.go), so that the handler
//     gets the request, with a field that says which answer it needs. All other bytes stay
//     as they are. A request with too large a header is the last one of its connection.
//   - What goes to the client (writer.go) is only read, for errors that end a stream or
//     the connection.
package http2conn

import (
	"crypto/tls"
	"net"
)

// RefuseHeader is the field of a request that must be refused. Its value is the status. A
// client that sends the field itself is refused, too.
const RefuseHeader = "Gatehouse-Refuse"

// Conn is the connection of an HTTP/2 client. Its preface has been read.
type Conn struct {
	net.Conn
	reader reader
	writer writer
}

// Options configure a Conn.
type Options struct {
	MaxHeaderList int               // how many bytes a header may have for the server (RFC 9113 section 6.5.2)
	Ended         func(name string) // is called when an error ends a stream or the connection; the names are a closed set
}

// New returns a connection without TLS, whose preface has been read.
func New(conn net.Conn, o Options) *Conn {
	return &Conn{Conn: conn, reader: reader{conn: conn, limit: o.MaxHeaderList}, writer: writer{ended: o.Ended}}
}

// NewTLS returns a connection with TLS, whose preface has not been read. The server must
// not expect it.
func NewTLS(conn *tls.Conn, o Options) net.Conn {
	c := &tlsConn{New(conn, o)}
	c.reader.preface = true
	return c
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) { return c.reader.Read(p) }

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.writer.watch(p[:n])
	return n, err
}

// tlsConn is a Conn with TLS. net/http's server finds the method ConnectionState.
type tlsConn struct{ *Conn }

// ConnectionState returns the state of TLS.
func (c *tlsConn) ConnectionState() tls.ConnectionState {
	return c.Conn.Conn.(*tls.Conn).ConnectionState()
}

package listener

import (
	"context"
	"net"
)

type connKey struct{}

// ConnContext is the ConnContext of the http.Server that serves a Listener. HTTP10Coded
// needs it to find the connection of a request.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	if c, ok := conn.(*Conn); ok {
		return context.WithValue(ctx, connKey{}, c)
	}
	return ctx
}

// What the connection knows about its next HTTP/1.0 head.
const (
	http10Unknown int32 = iota
	http10Plain
	http10Coded // it has a Transfer-Encoding
)

// HTTP10Head is the HTTP10Head of the server.Server that serves a Listener. coded
// says whether the next request of the connection has a Transfer-Encoding.
func HTTP10Head(conn net.Conn, coded bool) {
	if c, ok := conn.(*Conn); ok {
		c.http10Head.Store(http10Plain)
		if coded {
			c.http10Head.Store(http10Coded)
		}
	}
}

// HTTP10Coded reports whether the HTTP/1.0 request of a context has a Transfer-Encoding,
// which net/http hides. known is true if server.Server has read the head of the request.
// It is false after the first call for a request.
func HTTP10Coded(ctx context.Context) (coded, known bool) {
	head := http10Unknown
	if c, ok := ctx.Value(connKey{}).(*Conn); ok {
		head = c.http10Head.Swap(http10Unknown)
	}
	return head == http10Coded, head != http10Unknown
}

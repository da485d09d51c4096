package server

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"gatehouse/proxy/http2conn"
	"gatehouse/proxy/listener"
)

// Names of HTTP/2 in http.Server.TLSNextProto: over TLS (RFC 9113 section 3.2), and
// without TLS, when the client begins with its preface (RFC 9113 section 3.3).
const (
	protocolHTTP2 = "h2"
	protocolH2C   = "unencrypted_http2"
)

// goAwayInterval is how often, during a stop, the gateway looks for connections
// that have just turned out to be HTTP/2.
const goAwayInterval = 50 * time.Millisecond

// splitHTTP2 moves the HTTP/2 connections of a server to another server, which
// it returns. Without TLS, these are the connections that begin with the preface
// of HTTP/2; "Upgrade: h2c" is ignored (RFC 9113 section 3.1). The Shutdown of the
// returned server sends GOAWAY and does nothing else. The Shutdown of the first
// server would drop what its HTTP/1.1 connections have just sent.
//
// ended is called when an error ends a stream or a connection.
func splitHTTP2(public *http.Server, ended func(name string)) *http.Server {
	apart := &http.Server{
		Handler: public.Handler, HTTP2: public.HTTP2,
		ReadHeaderTimeout: public.ReadHeaderTimeout, IdleTimeout: public.IdleTimeout,
		MaxHeaderBytes: 2 * public.MaxHeaderBytes, // so that the handler can answer what is too large
		ErrorLog:       public.ErrorLog,
	}
	name := protocolHTTP2
	if public.TLSConfig == nil {
		name = protocolH2C
		public.Protocols = new(http.Protocols)
		public.Protocols.SetHTTP1(true)
		public.Protocols.SetUnencryptedHTTP2(true)
		_ = apart.Serve(closedListener{}) // only sets up HTTP/2
	} else {
		apart.TLSConfig = public.TLSConfig.Clone()
		_ = apart.ServeTLS(closedListener{}, "", "") // only sets up HTTP/2
	}
	serve := apart.TLSNextProto[protocolH2C] // for connections of any type
	if serve == nil {                        // GODEBUG=http2server=0
		return nil
	}
	options := http2conn.Options{MaxHeaderList: apart.MaxHeaderBytes, Ended: ended}
	public.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){
		// net/http replaces the map unless it has HTTP/2 over TLS.
		protocolHTTP2: apart.TLSNextProto[protocolHTTP2],
		name: func(_ *http.Server, conn *tls.Conn, handler http.Handler) {
			listener.ServesHTTP2(conn)
			serve(apart, tls.Client(unencrypted{http2Conn(conn, options)}, nil), handler)
		},
	}
	return apart
}

// unencrypted is how net/http's server passes on a connection of any type, within a
// tls.Conn that is not used.
type unencrypted struct{ net.Conn }

// UnencryptedNetConn returns the connection. net/http's server looks for this method.
func (c unencrypted) UnencryptedNetConn() net.Conn { return c.Conn }

// http2Conn returns the connection for the HTTP/2 server.
func http2Conn(conn *tls.Conn, o http2conn.Options) net.Conn {
	if without, ok := conn.NetConn().(interface{ UnencryptedNetConn() net.Conn }); ok {
		return http2conn.New(without.UnencryptedNetConn(), o)
	}
	return http2conn.NewTLS(conn, o)
}

// closedListener has no connections.
type closedListener struct{}

// Accept implements net.Listener.
func (closedListener) Accept() (net.Conn, error) { return nil, net.ErrClosed }

// Close implements net.Listener.
func (closedListener) Close() error { return nil }

// Addr implements net.Listener.
func (closedListener) Addr() net.Addr { return &net.TCPAddr{} }

// goAway sends GOAWAY to the HTTP/2 connections until the context ends.
func (l *listeners) goAway(ctx context.Context) {
	if l.http2Server == nil {
		return
	}
	tick := time.NewTicker(goAwayInterval)
	defer tick.Stop()
	for {
		_ = l.http2Server.Shutdown(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

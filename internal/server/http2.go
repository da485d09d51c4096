package server

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"gatehouse/proxy/listener"
)

// protocolHTTP2 is the name of HTTP/2 over TLS (RFC 9113 section 3.2).
const protocolHTTP2 = "h2"

// goAwayInterval is how often, during a stop, the gateway looks for connections
// that have just turned out to be HTTP/2.
const goAwayInterval = 50 * time.Millisecond

// splitHTTP2 moves the HTTP/2 connections of a server to another server, which
// it returns; it returns nil without TLS. The Shutdown of the returned server
// sends GOAWAY and does nothing else. The Shutdown of the first server would
// drop what its HTTP/1.1 connections have just sent.
func splitHTTP2(public *http.Server) *http.Server {
	if public.TLSConfig == nil {
		return nil
	}
	apart := &http.Server{
		Handler: public.Handler, TLSConfig: public.TLSConfig.Clone(), HTTP2: public.HTTP2,
		ReadHeaderTimeout: public.ReadHeaderTimeout, IdleTimeout: public.IdleTimeout,
		MaxHeaderBytes: public.MaxHeaderBytes, ErrorLog: public.ErrorLog,
	}
	_ = apart.ServeTLS(closedListener{}, "", "") // only sets up HTTP/2
	serve := apart.TLSNextProto[protocolHTTP2]
	if serve == nil { // GODEBUG=http2server=0
		return nil
	}
	public.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){
		protocolHTTP2: func(_ *http.Server, conn *tls.Conn, handler http.Handler) {
			listener.ServesHTTP2(conn)
			serve(apart, conn, handler)
		},
	}
	return apart
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

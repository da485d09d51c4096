package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"

	"gatehouse/config/settings"
	"gatehouse/proxy"
	"gatehouse/proxy/http1/server"
	"gatehouse/proxy/listener"
)

// listeners has the sockets of a gateway and their servers.
type listeners struct {
	public, redirect              []*listener.Listener
	operators                     net.Listener
	publicServer, operatorsServer *http.Server
	http2Server                   *http.Server // serves the HTTP/2 connections of the public server; nil if HTTP/2 is off
	plain                         plainServer  // serves connections without TLS
	redirectServer                *http.Server // serves the listeners that redirect to https
	misdirectedServer             *http.Server // serves clients without TLS on the port for TLS
	failed                        chan error   // receives the error of a server that failed
}

// plainServer is net/http's server, or our own in front of it.
type plainServer interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
	Close() error
}

// listen opens all sockets first, so that a port in use stops the start early.
func (g *gateway) listen(handler *proxy.Gateway) (opened *listeners, err error) {
	certificate, err := openCertificate(g.settings, g.files, g.certificates.setServed)
	if err != nil {
		return nil, err
	}
	l := &listeners{failed: make(chan error, 4)}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	inherited := openInherited(g.settings.Listen, g.settings.RedirectListen)
	if l.public, err = limitedSockets(handler, "GATEWAY_LISTEN", g.settings.Listen, inherited); err != nil {
		return nil, err
	}
	if l.redirect, err = limitedSockets(handler, "GATEWAY_REDIRECT_LISTEN", g.settings.RedirectListen, inherited); err != nil {
		return nil, err
	}
	if unused := inherited.rest(); len(unused) > 0 {
		g.log.Warn("sockets of systemd are not used: no setting names them", "names", unused)
	}
	if l.operators, err = openPort("GATEWAY_OPS_LISTEN", g.settings.OpsListen); err != nil {
		return nil, err
	}
	g.parts.metrics.WatchConnections(handler.Clients())

	l.publicServer = g.newPublicServer(handler)
	if certificate != nil {
		l.publicServer.TLSConfig = certificate.config()
		l.redirectServer = g.newRedirectServer(handler.ToHTTPS(g.httpsPort(l.public)))
		l.misdirectedServer = g.newRedirectServer(handler.ToHTTPS(""))
	}
	g.parts.metrics.WatchLimits(handler)
	if l.http2Server = splitHTTP2(l.publicServer, g.parts.metrics.HTTP2Error); l.http2Server == nil && certificate != nil {
		l.publicServer.TLSConfig.NextProtos = []string{"http/1.1"}
	}
	l.plain = l.publicServer
	if g.settings.Transport != settings.TransportStandard {
		plain := server.New(l.publicServer)
		plain.HTTP10Head, plain.HeadTimeout = listener.HTTP10Head, listener.HeadTimeout
		l.publicServer.ConnContext = listener.ConnContext
		l.plain = plain
	}
	l.operatorsServer = &http.Server{
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: opsTimeout, WriteTimeout: opsTimeout, IdleTimeout: opsIdleTimeout,
		ErrorLog: slog.NewLogLogger(g.log.Handler(), slog.LevelWarn),
	}
	return l, nil
}

// limitedSockets opens the sockets of a setting, as listeners for clients.
func limitedSockets(handler *proxy.Gateway, setting string, addresses settings.Addresses, from *inherited) ([]*listener.Listener, error) {
	opened, err := openSockets(setting, addresses, from)
	limited := make([]*listener.Listener, 0, len(opened))
	for _, one := range opened {
		l := handler.Limit(one.Listener)
		if one.shared {
			l.Share()
		}
		limited = append(limited, l)
	}
	return limited, err
}

func (l *listeners) serveOperators(handler http.Handler) {
	l.operatorsServer.Handler = handler
	go l.watch(func() error { return l.operatorsServer.Serve(listener.KeepAccepting(l.operators)) })
}

func (l *listeners) servePublic() {
	for _, public := range l.public {
		if l.publicServer.TLSConfig == nil {
			go l.watch(func() error { return l.servePlain(public) })
			continue
		}
		encrypted, plain := public.SplitTLS(l.publicServer.TLSConfig)
		go l.watch(func() error { return l.publicServer.Serve(encrypted) })
		go l.watch(func() error { return l.misdirectedServer.Serve(plain) })
	}
	for _, redirect := range l.redirect {
		go l.watch(func() error { return l.redirectServer.Serve(redirect.Begun()) })
	}
}

// servePlain serves a public listener without TLS. net/http's server does not begin
// connections.
func (l *listeners) servePlain(public *listener.Listener) error {
	if l.plain == plainServer(l.publicServer) {
		return l.plain.Serve(public.Begun())
	}
	return l.plain.Serve(public)
}

func (l *listeners) watch(serve func() error) {
	if err := serve(); !errors.Is(err, http.ErrServerClosed) {
		l.failed <- fmt.Errorf("serve: %w", err)
	}
}

// addresses returns the addresses of listeners for a log.
func addresses(of []*listener.Listener) string {
	texts := make([]string, 0, len(of))
	for _, one := range of {
		text := one.Addr().String()
		if one.Addr().Network() == "unix" {
			text = "unix:" + text
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", ")
}

// close closes the sockets, in any state.
func (l *listeners) close() {
	for _, public := range slices.Concat(l.public, l.redirect) {
		_ = public.Close()
	}
	if l.operators != nil {
		_ = l.operators.Close()
	}
}

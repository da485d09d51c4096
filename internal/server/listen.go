package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"gatehouse/config/settings"
	"gatehouse/internal/hint"
	"gatehouse/proxy"
	"gatehouse/proxy/http1/server"
	"gatehouse/proxy/listener"
)

// Bounds on clients. The bounds on bodies come from the routes.
const (
	readHeaderTimeout = 10 * time.Second
	maxHeaderBytes    = 64 << 10 // larger headers get 431
	opsStopTimeout    = time.Second
	opsTimeout        = 40 * time.Second // for a request of an operator, such as a reload or a profile of 30 seconds
	opsIdleTimeout    = 120 * time.Second
	maxStreams        = 250              // simultaneous streams of one HTTP/2 connection
	silenceTimeout    = 60 * time.Second // an HTTP/2 connection without a ping's answer, or without progress, is closed
	// How many bytes an HTTP/2 client may send before they are read: for one
	// request, and for a whole connection. net/http uses one value for both;
	// then one upload that a backend does not read stops all others.
	streamWindow     = 1 << 20
	connectionWindow = 8 << 20
)

// listeners has the two sockets of a gateway and their servers.
type listeners struct {
	public                        *listener.Listener
	operators                     net.Listener
	publicServer, operatorsServer *http.Server
	http2Server                   *http.Server // serves the HTTP/2 connections of the public server; nil without TLS
	plain                         plainServer  // serves connections without TLS
	failed                        chan error   // receives the error of a server that failed
}

// plainServer is net/http's server, or our own in front of it.
type plainServer interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
	Close() error
}

// listen opens both sockets first, so that a port in use stops the start early.
func (g *gateway) listen(handler *proxy.Gateway) (*listeners, error) {
	certificate, err := openCertificate(g.settings, g.files, g.certificates.setServed)
	if err != nil {
		return nil, err
	}
	var tlsConfig *tls.Config
	if certificate != nil {
		tlsConfig = certificate.config()
	}
	public, err := openPort("GATEWAY_LISTEN", g.settings.Listen)
	if err != nil {
		return nil, err
	}
	operators, err := openPort("GATEWAY_OPS_LISTEN", g.settings.OpsListen)
	if err != nil {
		_ = public.Close()
		return nil, err
	}
	errorLog := slog.NewLogLogger(g.log.Handler(), slog.LevelDebug) // such as failed handshakes of clients
	operatorsLog := slog.NewLogLogger(g.log.Handler(), slog.LevelWarn)
	l := &listeners{
		public: handler.Limit(public), operators: operators, failed: make(chan error, 2),
		publicServer: &http.Server{
			Handler:                      handler,
			TLSConfig:                    tlsConfig,
			ReadHeaderTimeout:            readHeaderTimeout,
			IdleTimeout:                  g.settings.IdleTimeout,
			MaxHeaderBytes:               maxHeaderBytes,
			ErrorLog:                     errorLog,
			DisableGeneralOptionsHandler: true, // "OPTIONS *" is handled like any path: refused
			HTTP2: &http.HTTP2Config{
				MaxConcurrentStreams:          maxStreams,
				MaxReceiveBufferPerStream:     streamWindow,
				MaxReceiveBufferPerConnection: connectionWindow,
				SendPingTimeout:               silenceTimeout,
				WriteByteTimeout:              silenceTimeout,
			},
		},
		operatorsServer: &http.Server{
			ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: opsTimeout, WriteTimeout: opsTimeout, IdleTimeout: opsIdleTimeout,
			ErrorLog: operatorsLog,
		},
	}
	g.parts.metrics.WatchConnections(l.public)
	g.parts.metrics.WatchLimits(handler)
	l.publicServer.ConnState = l.public.ConnState
	l.http2Server = splitHTTP2(l.publicServer, l.public)
	l.plain = l.publicServer
	if g.settings.Transport != settings.TransportStandard {
		plain := server.New(l.publicServer)
		plain.HTTP10Head = listener.HTTP10Head
		l.publicServer.ConnContext = listener.ConnContext
		l.plain = plain
	}
	return l, nil
}

func openPort(setting, address string) (net.Listener, error) {
	plain := net.ListenConfig{}
	plain.SetMultipathTCP(false) // Multipath TCP supports no filter, which a stop needs; see the Drain method of the Listener
	listener, err := plain.Listen(context.Background(), "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, hint.With(fmt.Errorf("listen on %s: the address is in use", address),
			"is another gateway running? Set "+setting+" to another address")
	case err != nil:
		return nil, hint.With(fmt.Errorf("listen: %w", err), "the address is that of "+setting)
	}
	return listener, nil
}

func (l *listeners) serveOperators(handler http.Handler) {
	l.operatorsServer.Handler = handler
	go l.watch(func() error { return l.operatorsServer.Serve(listener.KeepAccepting(l.operators)) })
}

func (l *listeners) servePublic() {
	go l.watch(func() error {
		if l.publicServer.TLSConfig != nil {
			return l.publicServer.ServeTLS(l.public, "", "")
		}
		return l.plain.Serve(l.public)
	})
}

func (l *listeners) watch(serve func() error) {
	if err := serve(); !errors.Is(err, http.ErrServerClosed) {
		l.failed <- fmt.Errorf("serve: %w", err)
	}
}

// close closes the sockets, in any state.
func (l *listeners) close() {
	_ = l.public.Close()
	_ = l.operators.Close()
}

// waitAndDrain serves until the context ends. Then the gateway is not ready,
// and every HTTP/1.1 answer ends its connection. After the shutdown delay, in
// which the network notices this, it accepts no new connections. Open requests
// may finish. Idle connections end, HTTP/2 connections get a GOAWAY, and
// WebSockets that outlive the timeout get a close frame.
func (g *gateway) waitAndDrain(ctx context.Context, l *listeners, handler *proxy.Gateway) error {
	select {
	case err := <-l.failed:
		return err
	case <-ctx.Done():
	}
	g.health.Drain()
	handler.Drain()
	g.log.Info("draining", "delay", g.settings.ShutdownDelay.String(), "timeout", g.settings.ShutdownTimeout.String())
	select {
	case err := <-l.failed:
		return err
	case <-time.After(g.settings.ShutdownDelay):
	}

	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.settings.ShutdownTimeout)
	defer cancel()
	if err := l.drain(stopping); err != nil {
		g.log.Warn("requests were still in flight at the end of the shutdown timeout", "error", err.Error())
		_ = l.plain.Close()
	}
	if left := handler.DrainStreams(stopping); left > 0 { // no stream can be upgraded any more
		g.log.Warn("streams were ended at the end of the shutdown timeout", "streams", left)
	}
	stopping, cancel = context.WithTimeout(context.WithoutCancel(ctx), opsStopTimeout)
	defer cancel()
	if l.operatorsServer.Shutdown(stopping) != nil {
		_ = l.operatorsServer.Close()
	}
	g.log.Info("stopped")
	return nil
}

// drain ends the public listener and its connections; see its Drain method.
func (l *listeners) drain(ctx context.Context) error {
	goingAway, stop := context.WithCancel(ctx)
	defer stop()
	go l.goAway(goingAway)
	if err := l.public.Drain(ctx); err != nil {
		return err
	}
	return l.plain.Shutdown(ctx)
}

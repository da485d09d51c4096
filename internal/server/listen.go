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
)

// Bounds on clients. Bodies have those of their routes.
const (
	readHeaderTimeout = 10 * time.Second
	maxHeaderBytes    = 64 << 10 // 431 past it
	opsStopTimeout    = time.Second
	opsTimeout        = 40 * time.Second // for a request of an operator: a reload, a profile of 30 seconds
	opsIdleTimeout    = 120 * time.Second
	maxStreams        = 250              // of one HTTP/2 connection at once
	silenceTimeout    = 60 * time.Second // an HTTP/2 client that answers no ping, or receives nothing, is gone
	// What an HTTP/2 client may send before it is taken: of one request, and of all
	// on a connection. Where both are the same, as in net/http, one upload that a
	// backend does not take stops all others.
	streamWindow     = 1 << 20
	connectionWindow = 8 << 20
)

// listeners are the two sockets of a gateway and their servers.
type listeners struct {
	public                        *proxy.Listener
	operators                     net.Listener
	publicServer, operatorsServer *http.Server
	http2Server                   *http.Server // of what the public one has found to be HTTP/2; nil without TLS
	plain                         plainServer  // of what is not TLS
	failed                        chan error   // why a server ended by itself
}

// plainServer is net/http's server, or what stands in front of it.
type plainServer interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
	Close() error
}

// listen opens both sockets, so that a port in use ends the start before
// anything else has happened.
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
	errorLog := slog.NewLogLogger(g.log.Handler(), slog.LevelDebug) // clients' broken handshakes and the like
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
			DisableGeneralOptionsHandler: true, // "OPTIONS *" is a path like any other: refused
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
	l.publicServer.ConnState = l.public.ConnState
	l.http2Server = splitHTTP2(l.publicServer, l.public)
	l.plain = l.publicServer
	if g.settings.Transport != settings.TransportStandard {
		plain := server.New(l.publicServer)
		plain.HTTP10Head = handler.HTTP10Head
		l.publicServer.ConnContext = handler.ConnContext
		l.plain = plain
	}
	return l, nil
}

func openPort(setting, address string) (net.Listener, error) {
	plain := net.ListenConfig{}
	plain.SetMultipathTCP(false) // which takes no filter, and a stop needs one; see proxy.Listener.Drain
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
	go l.watch(func() error { return l.operatorsServer.Serve(proxy.KeepAccepting(l.operators)) })
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

// close closes the sockets, whatever state they are in.
func (l *listeners) close() {
	_ = l.public.Close()
	_ = l.operators.Close()
}

// waitAndDrain serves until the context ends. Then: not ready, and every answer
// in HTTP/1.1 ends its connection; the shutdown delay while the network notices;
// no new connections; and what is in flight finishes: idle connections end when
// they have nothing to say, HTTP/2 by GOAWAY, and WebSockets that outlive the
// timeout by a close frame.
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
	if left := handler.DrainStreams(stopping); left > 0 { // none is upgraded any more
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

// drain ends the public listener and its connections; see proxy.Listener.Drain.
func (l *listeners) drain(ctx context.Context) error {
	goingAway, stop := context.WithCancel(ctx)
	defer stop()
	go l.goAway(goingAway)
	if err := l.public.Drain(ctx); err != nil {
		return err
	}
	return l.plain.Shutdown(ctx)
}

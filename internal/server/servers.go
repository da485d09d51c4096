package server

import (
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"gatehouse/proxy"
	"gatehouse/proxy/listener"
)

// Bounds on clients. The bounds on bodies come from the routes.
const (
	readHeaderTimeout = 10 * time.Second
	maxHeaderBytes    = proxy.MaxHeader // larger headers get 431
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

// newPublicServer returns net/http's server of clients' requests.
func (g *gateway) newPublicServer(handler *proxy.Gateway) *http.Server {
	return &http.Server{
		Handler:                      handler,
		ConnState:                    listener.ConnState,
		ReadHeaderTimeout:            readHeaderTimeout,
		IdleTimeout:                  g.settings.IdleTimeout,
		MaxHeaderBytes:               maxHeaderBytes,
		ErrorLog:                     slog.NewLogLogger(g.log.Handler(), slog.LevelDebug), // such as failed handshakes of clients
		DisableGeneralOptionsHandler: true,                                                // "OPTIONS *" is handled like any path: refused
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxReceiveBufferPerStream:     streamWindow,
			MaxReceiveBufferPerConnection: connectionWindow,
			SendPingTimeout:               silenceTimeout,
			WriteByteTimeout:              silenceTimeout,
		},
	}
}

// newRedirectServer returns the server of a handler that redirects to https. It
// does not wait for bodies.
func (g *gateway) newRedirectServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:                      handler,
		ConnState:                    listener.ConnState,
		ReadTimeout:                  readHeaderTimeout,
		MaxHeaderBytes:               maxHeaderBytes,
		ErrorLog:                     slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
		DisableGeneralOptionsHandler: true,
	}
}

// redirectServers returns the servers that redirect to https. There are none
// without TLS.
func (l *listeners) redirectServers() []*http.Server {
	if l.redirectServer == nil {
		return nil
	}
	return []*http.Server{l.redirectServer, l.misdirectedServer}
}

// httpsPort returns the port that clients of GATEWAY_REDIRECT_LISTEN are sent
// to: the one of the settings, or that of the first listener with a port.
func (g *gateway) httpsPort(public []*listener.Listener) string {
	if port := g.settings.RedirectPort; port != 0 {
		return strconv.Itoa(port)
	}
	for _, one := range public {
		if address, ok := one.Addr().(*net.TCPAddr); ok {
			return strconv.Itoa(address.Port)
		}
	}
	return "443"
}

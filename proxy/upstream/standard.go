package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"time"

	"gatehouse/config"
	"gatehouse/proxy/http1/transport"
)

// Limits for backends.
const (
	maxAnswerHeaderBytes = 256 << 10

	// streamWindow is how many bytes of one answer an HTTP/2 backend may send before
	// the client reads. So it is the memory that a client costs that reads nothing.
	// net/http's default is 4 MiB. The window of the connection keeps net/http's
	// size: clients that read nothing must not block the others.
	streamWindow = 512 << 10
	// writeTimeout is how long a write to an HTTP/2 backend may make no progress. All
	// streams of the connection wait during that time.
	writeTimeout = 30 * time.Second
	// pingInterval and pingTimeout end streams without another time limit when the
	// connection is dead. gRPC servers allow one ping in five minutes. New requests
	// use another connection long before that; see the package documentation.
	pingInterval = 5*time.Minute + 10*time.Second
	pingTimeout  = 30 * time.Second
)

// newTransport returns a new transport. It does not change bodies (no transparent gzip).
// It ignores HTTP_PROXY, because a gateway connects to its backends directly.
func (p *Pool) newTransport(k key) (transport.RoundTripCloser, error) {
	standard, err := p.newStandard(k)
	if err != nil {
		return nil, err
	}
	if !k.lean {
		if k.protocol != config.ProtocolH2C {
			standard.DialContext = p.delayWriteErrors(standard.DialContext)
		}
		standard.MaxConnsPerHost = p.options.MaxConns
		return p.withMaxAge(standard), nil
	}
	return transport.New(transport.Options{
		Dial: standard.DialContext, Standard: standard, Around: p.withMaxAge,
		MaxConns: p.options.MaxConns, MaxIdle: p.options.MaxIdle,
		IdleTimeout: p.options.IdleTimeout, MaxAge: p.options.MaxAge, MaxHeaderBytes: maxAnswerHeaderBytes,
	}), nil
}

// withMaxAge wraps standard in a Transport, which retires connections that are too old
// and HTTP/2 connections that are silent.
func (p *Pool) withMaxAge(standard *http.Transport) transport.RoundTripCloser {
	return New(Options{Transport: standard, MaxAge: p.options.MaxAge})
}

func (p *Pool) newStandard(k key) (*http.Transport, error) {
	tlsConfig, err := backendTLS(k)
	if err != nil {
		return nil, err
	}
	protocols := new(http.Protocols)
	switch k.protocol {
	case config.ProtocolH2C:
		protocols.SetUnencryptedHTTP2(true)
	case config.ProtocolHTTP1:
		protocols.SetHTTP1(true)
	default:
		protocols.SetHTTP1(true)
		protocols.SetHTTP2(true)
	}
	return &http.Transport{
		DialContext:            p.dialer(k.connect),
		TLSClientConfig:        tlsConfig,
		TLSHandshakeTimeout:    k.connect,
		Protocols:              protocols,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    p.options.MaxIdle,
		IdleConnTimeout:        p.options.IdleTimeout,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxAnswerHeaderBytes,
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream: streamWindow,
			WriteByteTimeout:          writeTimeout,
			SendPingTimeout:           pingInterval,
			PingTimeout:               pingTimeout,
		},
	}, nil
}

// backendTLS returns the TLS configuration for a route's `tls`. Certificates are always
// verified; no setting turns that off.
func backendTLS(k key) (*tls.Config, error) {
	made := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: k.serverName}
	if k.ca != "" {
		made.RootCAs = x509.NewCertPool()
		if !made.RootCAs.AppendCertsFromPEM([]byte(k.ca)) {
			return nil, errors.New("read tls.ca: it holds no PEM certificate")
		}
	}
	if k.cert != "" {
		pair, err := tls.X509KeyPair([]byte(k.cert), []byte(k.key))
		if err != nil {
			return nil, fmt.Errorf("read tls.cert and tls.key: %w", err)
		}
		made.Certificates = []tls.Certificate{pair}
	}
	return made, nil
}

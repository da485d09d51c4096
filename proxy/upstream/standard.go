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

// Bounds towards backends.
const (
	maxAnswerHeaderBytes = 256 << 10

	// streamWindow is what an HTTP/2 backend may send of one answer before the
	// client takes some of it, and so what a client that reads nothing costs.
	// net/http's own is 4 MiB. The connection's window stays as large as net/http
	// makes it: clients that read nothing must not use it up for all others.
	streamWindow = 512 << 10
	// writeTimeout is how long an HTTP/2 backend may take not a byte of what is to be
	// written: behind it all streams of the connection wait.
	writeTimeout = 30 * time.Second
	// pingInterval and pingTimeout end streams that have no other bound on a connection
	// whose other end is lost. gRPC servers allow a ping in five minutes. New
	// requests have gone elsewhere long before; see the package documentation.
	pingInterval = 5*time.Minute + 10*time.Second
	pingTimeout  = 30 * time.Second
)

// newTransport makes a transport that passes bodies as they are (no transparent gzip)
// and ignores HTTP_PROXY: a gateway reaches its backends directly.
func (p *Pool) newTransport(k key) (transport.RoundTripCloser, error) {
	standard, err := p.newStandard(k)
	if err != nil {
		return nil, err
	}
	if !k.lean {
		if k.protocol != config.ProtocolH2C {
			standard.DialContext = delayWriteErrors(standard.DialContext)
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

// withMaxAge gives up connections for their age, and those of HTTP/2 for silence.
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

// backendTLS is how a route's `tls` asks for the backend to be met.
// Certificates are verified always; there is no way to say otherwise.
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

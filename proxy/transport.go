package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"gatehouse/config"
	"gatehouse/config/textfile"
	"gatehouse/internal/descriptors"
	"gatehouse/proxy/http1/socket"
	"gatehouse/proxy/http1/transport"
	"gatehouse/proxy/upstream"
)

// Pool sizes and bounds towards backends.
const (
	keepAliveProbe       = 15 * time.Second
	maxAnswerHeaderBytes = 256 << 10
	copyBufferBytes      = 32 << 10

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
	// requests have gone elsewhere long before; see proxy/upstream.
	pingInterval = 5*time.Minute + 10*time.Second
	pingTimeout  = 30 * time.Second
)

// Transports shares connections between routes and between tables: routes that
// reach their backends in the same way use one transport, and a reload finds
// the one it had.
type Transports struct {
	options TransportOptions

	mu   sync.Mutex
	live transportSet // what the live table uses
}

// transportKey is all in which two transports can differ. The files of a
// route's `tls` count by what they hold: a renewed certificate makes a new
// transport.
type transportKey struct {
	lean          bool // of http1/transport, for plain-text HTTP/1.1
	protocol      config.Protocol
	connect       time.Duration
	ca, cert, key string // PEM; "" for none
	serverName    string
}

// transportSet is what one table uses.
type transportSet map[transportKey]backendTransport

// transport is an upstream.Transport or a transport.Transport.
type backendTransport = transport.RoundTripCloser

// TransportOptions say how backends are reached.
type TransportOptions struct {
	MaxConns int  // to one backend; 0 is no bound
	MaxIdle  int  // kept for reuse, to one backend
	Standard bool // http.Transport for plain-text HTTP/1.1, too, instead of http1/transport

	IdleTimeout time.Duration        // of a connection that is kept for reuse; 0 is no bound
	MaxAge      time.Duration        // of a connection that is given new requests; 0 is no bound
	Descriptors descriptors.Division // of the process
}

// NewTransports makes an empty pool.
func NewTransports(o TransportOptions) *Transports { return &Transports{options: o} }

// get finds the transport for a route in the set that is being gathered or in
// the live one, or makes it. It reads the route's TLS files, connects to
// nothing and changes only the set.
func (t *Transports) get(set transportSet, r *config.Route) (backendTransport, transportKey, error) {
	key, err := keyOf(r)
	if err != nil {
		return nil, key, err
	}
	key.lean = !t.options.Standard && r.Backend.Scheme == "http" && r.Protocol != config.ProtocolH2C
	if have := set[key]; have != nil {
		return have, key, nil
	}
	t.mu.Lock()
	found := t.live[key]
	t.mu.Unlock()
	if found == nil {
		if found, err = t.newTransport(key); err != nil {
			return nil, key, err
		}
	}
	set[key] = found
	return found, key, nil
}

// keyOf reads the files of the route's `tls`.
func keyOf(r *config.Route) (transportKey, error) {
	key := transportKey{protocol: r.Protocol, connect: r.ConnectTimeout}
	if r.TLS == nil {
		return key, nil
	}
	key.serverName = r.TLS.ServerName
	for _, file := range []struct {
		name, path string
		into       *string
	}{
		{"tls.ca", r.TLS.CA, &key.ca},
		{"tls.cert", r.TLS.Cert, &key.cert},
		{"tls.key", r.TLS.Key, &key.key},
	} {
		if file.path == "" {
			continue
		}
		pem, err := textfile.Read(file.path)
		if err != nil {
			return key, fmt.Errorf("read %s: %w", file.name, err)
		}
		if len(pem) == 0 {
			return key, fmt.Errorf("read %s: %s is empty", file.name, file.path)
		}
		*file.into = string(pem)
	}
	return key, nil
}

// activate makes the set the live one, and closes the idle connections of every
// transport that the old one alone used. Requests under way finish.
func (t *Transports) activate(set transportSet) {
	t.mu.Lock()
	old := t.live
	t.live = set
	t.mu.Unlock()
	for key, transport := range old {
		if set[key] != transport {
			transport.CloseIdleConnections()
		}
	}
}

// newTransport makes a transport that passes bodies as they are (no transparent gzip)
// and ignores HTTP_PROXY: a gateway reaches its backends directly.
func (t *Transports) newTransport(key transportKey) (backendTransport, error) {
	standard, err := t.newStandard(key)
	if err != nil {
		return nil, err
	}
	if !key.lean {
		if key.protocol != config.ProtocolH2C {
			standard.DialContext = delayWriteErrors(standard.DialContext)
		}
		standard.MaxConnsPerHost = t.options.MaxConns
		return t.withMaxAge(standard), nil
	}
	return transport.New(transport.Options{
		Dial: standard.DialContext, Standard: standard, Around: t.withMaxAge,
		MaxConns: t.options.MaxConns, MaxIdle: t.options.MaxIdle,
		IdleTimeout: t.options.IdleTimeout, MaxAge: t.options.MaxAge, MaxHeaderBytes: maxAnswerHeaderBytes,
	}), nil
}

// withMaxAge gives up connections for their age, and those of HTTP/2 for silence.
func (t *Transports) withMaxAge(standard *http.Transport) backendTransport {
	return upstream.New(upstream.Options{Transport: standard, MaxAge: t.options.MaxAge})
}

func (t *Transports) newStandard(key transportKey) (*http.Transport, error) {
	tlsConfig, err := backendTLS(key)
	if err != nil {
		return nil, err
	}
	protocols := new(http.Protocols)
	switch key.protocol {
	case config.ProtocolH2C:
		protocols.SetUnencryptedHTTP2(true)
	case config.ProtocolHTTP1:
		protocols.SetHTTP1(true)
	default:
		protocols.SetHTTP1(true)
		protocols.SetHTTP2(true)
	}
	return &http.Transport{
		DialContext:            t.dialer(key.connect),
		TLSClientConfig:        tlsConfig,
		TLSHandshakeTimeout:    key.connect,
		Protocols:              protocols,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    t.options.MaxIdle,
		IdleConnTimeout:        t.options.IdleTimeout,
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

// errDial marks an error as one of opening the connection: nothing was sent.
var errDial = errors.New("dial")

// writeErrorWait is how long a write that failed waits for somebody to read the
// answer. It bounds what HTTP/2 over TLS may wait in vain: its reader may want to
// write.
const writeErrorWait = time.Second

// delayWriteErrors dials for an http.Transport, which would drop an answer for an error
// of a write.
func delayWriteErrors(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return socket.DelayWriteErrors(conn, writeErrorWait), nil
	}
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

func (t *Transports) dialer(timeout time.Duration) dialFunc {
	dialer := &net.Dialer{Timeout: timeout, KeepAlive: keepAliveProbe, Control: t.options.Descriptors.Control}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errDial, err)
		}
		return conn, nil
	}
}

// backendTLS is how a route's `tls` asks for the backend to be met.
// Certificates are verified always; there is no way to say otherwise.
func backendTLS(key transportKey) (*tls.Config, error) {
	made := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: key.serverName}
	if key.ca != "" {
		made.RootCAs = x509.NewCertPool()
		if !made.RootCAs.AppendCertsFromPEM([]byte(key.ca)) {
			return nil, errors.New("read tls.ca: it holds no PEM certificate")
		}
	}
	if key.cert != "" {
		pair, err := tls.X509KeyPair([]byte(key.cert), []byte(key.key))
		if err != nil {
			return nil, fmt.Errorf("read tls.cert and tls.key: %w", err)
		}
		made.Certificates = []tls.Certificate{pair}
	}
	return made, nil
}

// copyBuffers lends httputil the buffers through which bodies flow.
type copyBuffers struct{ pool sync.Pool }

func newCopyBuffers() *copyBuffers {
	return &copyBuffers{pool: sync.Pool{New: func() any { return new([copyBufferBytes]byte) }}}
}

// Get implements httputil.BufferPool.
func (b *copyBuffers) Get() []byte { return b.pool.Get().(*[copyBufferBytes]byte)[:] }

// Put implements httputil.BufferPool.
func (b *copyBuffers) Put(buffer []byte) { b.pool.Put((*[copyBufferBytes]byte)(buffer)) }

package upstream

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"gatehouse/proxy/http1/socket"
)

const (
	// keepAliveProbe is how long a connection is quiet before the kernel sends a TCP
	// keep-alive probe.
	keepAliveProbe = 15 * time.Second
	// writeErrorWait is how long a failed write waits until the answer is read. A wait
	// can be useless with HTTP/2 over TLS: the reader itself may need to write.
	writeErrorWait = time.Second
)

// ErrDial marks an error that occurred while opening the connection. Nothing was sent.
var ErrDial = errors.New("dial")

// ErrHandshake marks an error of the TLS handshake on a new connection. Nothing of the
// request was sent.
var ErrHandshake = errors.New("TLS handshake")

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// dialer returns a function that opens connections. Each attempt is limited by timeout
// and checked by options.Control. Its errors wrap ErrDial.
func (p *Pool) dialer(timeout time.Duration) dialFunc {
	dialer := &net.Dialer{Timeout: timeout, KeepAlive: keepAliveProbe, Control: p.options.Control}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDial, err)
		}
		return conn, nil
	}
}

// delayWriteErrors returns a dial function for http.Transport. The errors of writes are
// delayed, because http.Transport drops an answer after a failed write.
func (p *Pool) delayWriteErrors(dial dialFunc) dialFunc {
	wait := cmp.Or(p.options.WriteErrorWait, writeErrorWait)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return socket.DelayWriteErrors(conn, wait), nil
	}
}

// dialTLS opens a connection with TLS, as http.Transport would do itself. Its errors wrap
// ErrDial or ErrHandshake, so that a request that was not sent can be told from another.
func (g *generation) dialTLS(ctx context.Context, network, address string, upgrade bool) (net.Conn, error) {
	raw, err := g.transport.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	config := g.transport.TLSClientConfig.Clone() // http.Transport has set the protocols
	if config.ServerName == "" {
		if config.ServerName, _, err = net.SplitHostPort(address); err != nil {
			_ = raw.Close()
			return nil, fmt.Errorf("%w: %w", ErrHandshake, err)
		}
	}
	if upgrade {
		config.NextProtos = nil // an upgrade needs HTTP/1.1
	}
	if limit := g.transport.TLSHandshakeTimeout; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	return conn, nil
}

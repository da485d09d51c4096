package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"gatehouse/proxy/http1/socket"
)

const (
	// keepAliveProbe is how long a connection is quiet before the kernel asks whether
	// the other end is there.
	keepAliveProbe = 15 * time.Second
	// writeErrorWait is how long a write that failed waits for somebody to read the
	// answer. It bounds what HTTP/2 over TLS may wait in vain: its reader may want to
	// write.
	writeErrorWait = time.Second
)

// ErrDial marks an error as one of opening the connection: nothing was sent.
var ErrDial = errors.New("dial")

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// dialer opens connections within a time, to wherever the options allow.
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

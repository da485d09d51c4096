package upstream

import (
	"cmp"
	"context"
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

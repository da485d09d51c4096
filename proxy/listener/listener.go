// Package listener manages clients' connections: limits, deadlines, disconnects, shutdown.
//
//	listener.go    accepts connections, within limits
//	accept.go      keeps the server running after failed accepts
//	refusals.go    counts and logs refused connections
//	conn.go        a connection and its deadlines
//	disconnect.go  detects a client that disconnects while its request is answered
//	http10.go      what net/http hides of an HTTP/1.0 head
//	phase.go       new, busy, idle: whether a connection may be closed
//	drain.go       closes a listener without losing a request
//
// Both HTTP servers, http1/server and net/http's, use it. So connections have the same
// limits and deadlines, and are drained in the same way, with either of them.
package listener

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"gatehouse/internal/descriptors"
	"gatehouse/internal/occurrence"
	"gatehouse/internal/timerwheel"
	"gatehouse/proxy/clientip"
)

// Options configure a Listener.
type Options struct {
	Log         *slog.Logger
	Wheel       *timerwheel.Wheel    // for the deadlines of its connections
	Descriptors descriptors.Division // of the process
	// Limits returns the current limits. known is false before there are any; then
	// connections are not counted for their clients. It is called for each connection.
	Limits func() (limits Limits, known bool)
	// Refused, if not nil, is called for each connection that is closed at once or
	// could not be accepted.
	Refused func(reason RefusalReason)
}

// Limits are limits on the connections that are open at the same time; 0 means no limit.
type Limits struct {
	Connections int64
	PerClient   int64
	Trusted     []netip.Prefix // proxies, whose connections are not counted for a client
}

// Listener limits the connections of clients. It closes a connection over the limit at
// once: if such connections waited, one client could block the others. A Listener can
// be closed without losing a request; see Drain.
type Listener struct {
	net.Listener
	options  Options
	open     atomic.Int64
	accepted atomic.Int64 // accepted so far
	clients  *clientip.Counter
	refusals [len(RefusalReasons)]occurrence.Counter

	mu      sync.Mutex
	conns   map[*Conn]struct{}
	drained bool          // Drain has closed it
	stopped chan struct{} // closed when nothing more is accepted
	stop    sync.Once
	closed  chan struct{} // closed by Close
	close   sync.Once
}

// New returns a Listener that accepts connections from l.
func New(l net.Listener, o Options) *Listener {
	return &Listener{
		Listener: l, options: o, clients: clientip.NewCounter(),
		conns: map[*Conn]struct{}{}, stopped: make(chan struct{}), closed: make(chan struct{}),
	}
}

// Accept implements net.Listener. After Drain has closed the listener, Accept waits
// for Close, so that its server does not report a failure.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			if l.isDrained() {
				l.stop.Do(func() { close(l.stopped) })
				<-l.closed
				return nil, err
			}
			if !errors.Is(err, net.ErrClosed) {
				l.refused(RefusedByAccept, err) // the server tries again after a pause
			}
			return nil, temporaryAccept(err)
		}
		l.accepted.Add(1)
		if admitted := l.admit(conn); admitted != nil {
			return admitted, nil
		}
		_ = conn.Close()
	}
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	l.close.Do(func() { close(l.closed) })
	if l.isDrained() {
		return nil
	}
	return l.Listener.Close()
}

func (l *Listener) isDrained() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.drained
}

// admit counts a connection and returns it as a Conn. It returns nil if the connection is
// over a limit.
func (l *Listener) admit(conn net.Conn) net.Conn {
	open := l.open.Add(1)
	if !l.options.Descriptors.Admits(conn, open) {
		l.open.Add(-1)
		l.refused(RefusedByDescriptors, nil)
		return nil
	}
	limits, known := l.options.Limits()
	if !known {
		return newConn(conn, l, netip.Addr{})
	}
	if limits.Connections > 0 && open > limits.Connections {
		l.open.Add(-1)
		l.refused(RefusedByLimit, nil)
		return nil
	}
	peer := clientip.PeerAt(conn.RemoteAddr().String()).IP
	if !peer.IsValid() || clientip.Contains(limits.Trusted, peer) {
		return newConn(conn, l, netip.Addr{})
	}
	client := clientip.Key(peer)
	if !l.clients.Acquire(client, limits.PerClient) {
		l.open.Add(-1)
		l.refused(RefusedByClientLimit, nil)
		return nil
	}
	return newConn(conn, l, client)
}

// add adds a counted connection to those that Drain closes.
func (l *Listener) add(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns != nil {
		l.conns[c] = struct{}{}
	}
}

// remove reverts add and admit when a connection is closed.
func (l *Listener) remove(c *Conn) {
	l.mu.Lock()
	delete(l.conns, c)
	l.mu.Unlock()
	l.open.Add(-1)
}

// wait returns nil when no more connections are accepted, or the context's error.
func (l *Listener) wait(ctx context.Context) error {
	select {
	case <-l.stopped:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

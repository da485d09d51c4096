package proxy

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

// ListenerOptions are what a Listener works with.
type ListenerOptions struct {
	Log         *slog.Logger
	Wheel       *timerwheel.Wheel    // for the deadlines of its connections
	Descriptors descriptors.Division // of the process
	// Limits returns the limits of now. It reports false while none are known; then
	// connections are not counted for their clients. It is called for each connection.
	Limits func() (limits ListenerLimits, known bool)
}

// ListenerLimits bound the connections that are open at the same time; 0 is no bound.
type ListenerLimits struct {
	Connections int64
	PerClient   int64
	Trusted     []netip.Prefix // proxies, whose connections are not counted for a client
}

// Listener limits the connections of clients. A connection too many is closed at
// once: to wait would let one client keep out the others. It knows its connections,
// and can end without losing a request; see Drain.
type Listener struct {
	net.Listener
	options  ListenerOptions
	open     atomic.Int64
	accepted atomic.Int64 // accepted so far
	clients  *clientip.Counter
	refusals [len(RefusalReasons)]occurrence.Counter

	mu      sync.Mutex
	conns   map[*clientConn]struct{}
	drained bool          // Drain has closed it
	stopped chan struct{} // closed when nothing more is accepted
	stop    sync.Once
	closed  chan struct{} // closed by Close
	close   sync.Once
}

// NewListener puts limits in front of a listener.
func NewListener(l net.Listener, o ListenerOptions) *Listener {
	return &Listener{
		Listener: l, options: o, clients: clientip.NewCounter(),
		conns: map[*clientConn]struct{}{}, stopped: make(chan struct{}), closed: make(chan struct{}),
	}
}

// Accept implements net.Listener. Once Drain has closed the listener, it waits
// for Close: whoever serves it is not to take that for a failure.
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
				l.refused(RefusedByAccept, err) // whoever serves tries again in a while
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

// admit counts a connection, and returns it, or nil for one too many.
func (l *Listener) admit(conn net.Conn) net.Conn {
	open := l.open.Add(1)
	if !l.options.Descriptors.Admits(conn, open) {
		l.open.Add(-1)
		l.refused(RefusedByDescriptors, nil)
		return nil
	}
	limits, known := l.options.Limits()
	if !known {
		return newClientConn(conn, l, netip.Addr{})
	}
	if limits.Connections > 0 && open > limits.Connections {
		l.open.Add(-1)
		l.refused(RefusedByLimit, nil)
		return nil
	}
	peer := clientip.PeerAt(conn.RemoteAddr().String()).IP
	if !peer.IsValid() || clientip.Contains(limits.Trusted, peer) {
		return newClientConn(conn, l, netip.Addr{})
	}
	client := clientip.Key(peer)
	if !l.clients.Acquire(client, limits.PerClient) {
		l.open.Add(-1)
		l.refused(RefusedByClientLimit, nil)
		return nil
	}
	return newClientConn(conn, l, client)
}

// add adds a connection that was counted to those that Drain ends.
func (l *Listener) add(c *clientConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns != nil {
		l.conns[c] = struct{}{}
	}
}

// remove undoes add and admit for a connection that is closed.
func (l *Listener) remove(c *clientConn) {
	l.mu.Lock()
	delete(l.conns, c)
	l.mu.Unlock()
	l.open.Add(-1)
}

// wait waits until nothing more is accepted.
func (l *Listener) wait(ctx context.Context) error {
	select {
	case <-l.stopped:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

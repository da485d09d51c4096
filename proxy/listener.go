package proxy

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"gatehouse/internal/occurrence"
	"gatehouse/proxy/clientip"
)

// Limit puts the table's limits on connections in front of the public
// listener. A connection too many is closed at once: to wait would let one
// client keep out the others.
func (g *Gateway) Limit(listener net.Listener) *Listener {
	return &Listener{
		Listener: listener, gateway: g, clients: clientip.NewCounter(),
		conns: map[*clientConn]struct{}{}, stopped: make(chan struct{}), closed: make(chan struct{}),
	}
}

// Listener is the public listener of a gateway. It knows its connections, and
// can end without losing a request; see Drain.
type Listener struct {
	net.Listener
	gateway  *Gateway
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

// admit counts a connection, or gives nil for one too many. Before there is a
// table nothing is known of limits, and nothing is served.
func (l *Listener) admit(conn net.Conn) net.Conn {
	open := l.open.Add(1)
	if !l.gateway.descriptors.Admits(conn, open) {
		l.open.Add(-1)
		l.refused(RefusedByDescriptors, nil)
		return nil
	}
	table := l.gateway.table.Load()
	if table == nil {
		return newClientConn(conn, l, netip.Addr{})
	}
	limits := table.config.Limits
	if limits.Connections > 0 && open > int64(limits.Connections) {
		l.open.Add(-1)
		l.refused(RefusedByLimit, nil)
		return nil
	}
	peer := clientip.PeerAt(conn.RemoteAddr().String()).IP
	if !peer.IsValid() || clientip.Contains(table.trusted, peer) {
		return newClientConn(conn, l, netip.Addr{})
	}
	client := clientip.Key(peer)
	if !l.clients.Acquire(client, int64(limits.ConnectionsPerClient)) {
		l.open.Add(-1)
		l.refused(RefusedByClientLimit, nil)
		return nil
	}
	return newClientConn(conn, l, client)
}

// add makes the listener know a connection that was counted.
func (l *Listener) add(c *clientConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns != nil {
		l.conns[c] = struct{}{}
	}
}

// remove forgets a connection, and counts it no longer.
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

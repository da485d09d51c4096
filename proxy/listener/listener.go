// Package listener manages clients' connections: limits, deadlines, disconnects, shutdown.
//
//	listener.go       accepts connections
//	clients.go        limits on connections, over all listeners
//	begun.go          what is read before net/http serves a connection
//	proxyprotocol.go  the client that a proxy names at the start of a connection
//	splittls.go       separates TLS handshakes from requests without TLS
//	serveranswers.go  replaces the answers that net/http's server writes by itself
//	accept.go         keeps the server running after failed accepts
//	refusals.go       counts and logs refused connections
//	conn.go           a connection and its deadlines
//	disconnect.go     detects a client that disconnects while its request is answered
//	http10.go         what net/http hides of an HTTP/1.0 head
//	phase.go          new, busy, idle: whether a connection may be closed
//	drain.go          closes a listener without losing a request
//
// Both HTTP servers, http1/server and net/http's, use it. So connections have the same
// limits and deadlines, and are drained in the same way, with either of them.
package listener

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"sync"
	"sync/atomic"
)

// Listener accepts connections of clients, within the limits of its Clients. It can be
// closed without losing a request; see Drain.
type Listener struct {
	net.Listener
	*Clients
	accepted atomic.Int64 // accepted so far

	mu      sync.Mutex
	conns   map[*Conn]struct{}
	drained bool          // Drain has closed it
	stopped chan struct{} // closed when nothing more is accepted
	stop    sync.Once
	closed  chan struct{} // closed by Close
	close   sync.Once
	shared  bool        // see Share
	file    fs.FileInfo // of a unix socket; nil without one
	overTLS atomic.Bool // its connections begin with a TLS handshake; see SplitTLS
}

// Listen returns a Listener that accepts connections from l, within the limits of c.
func (c *Clients) Listen(l net.Listener) *Listener {
	return &Listener{
		Listener: l, Clients: c, file: socketFile(l),
		conns: map[*Conn]struct{}{}, stopped: make(chan struct{}), closed: make(chan struct{}),
	}
}

// Share says that another process has the socket, too, and keeps it open. Then the socket
// still gets new connections after this process has closed it, and Drain leaves them to
// the other process. Share must be called before the first Accept.
func (l *Listener) Share() { l.shared = true }

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
	client, fromProxy, ok := l.acquire(conn)
	if !ok {
		return nil
	}
	return newConn(conn, l, client, fromProxy)
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
	c.counting.Lock()
	c.released = true
	client := c.client
	c.counting.Unlock()
	l.release(client)
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

package listener

import (
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"

	"gatehouse/internal/descriptors"
	"gatehouse/internal/occurrence"
	"gatehouse/internal/timerwheel"
	"gatehouse/proxy/clientip"
)

// Options configure Clients.
type Options struct {
	Log         *slog.Logger
	Wheel       *timerwheel.Wheel    // for the deadlines of the connections
	Descriptors descriptors.Division // of the process
	// Limits returns the current limits. known is false before there are any; then
	// connections are not counted for their clients. It is called for each connection.
	Limits func() (limits Limits, known bool)
	// Refused, if not nil, is called for each connection that is closed at once or
	// could not be accepted.
	Refused func(reason RefusalReason)
	// Answer, if not nil, returns the whole answer to a request that the server refuses
	// by itself, before any handler. reason is what the server says besides the status;
	// it never contains anything of the request. nil keeps the answer of the server.
	Answer func(conn net.Conn, status int, reason string) []byte
}

// Limits are limits on the connections that are open at the same time; 0 means no limit.
type Limits struct {
	Connections int64
	PerClient   int64
	Trusted     []netip.Prefix // proxies, whose connections are not counted for a client
	// ProxyProtocol are the peers that must send a PROXY header. The zero Prefix stands
	// for peers without an address, those of unix sockets.
	ProxyProtocol []netip.Prefix
}

// Clients limits the connections of clients, over all listeners of a gateway. A
// connection over the limit is closed at once: if such connections waited, one client
// could block the others.
type Clients struct {
	options  Options
	open     atomic.Int64
	clients  *clientip.Counter
	refusals [len(RefusalReasons)]occurrence.Counter
}

// NewClients returns Clients without listeners.
func NewClients(o Options) *Clients { return &Clients{options: o, clients: clientip.NewCounter()} }

// acquire counts a connection. It returns the client that the connection is counted for,
// which is invalid when it is not counted for one. fromProxy says that the connection has
// a PROXY header, which names the client. ok is false if the connection is over a limit.
func (c *Clients) acquire(conn net.Conn) (client netip.Addr, fromProxy, ok bool) {
	open := c.open.Add(1)
	if !c.options.Descriptors.Admits(conn, open) {
		c.open.Add(-1)
		c.refused(RefusedByDescriptors, nil)
		return netip.Addr{}, false, false
	}
	limits, known := c.options.Limits()
	if !known {
		return netip.Addr{}, false, true
	}
	if limits.Connections > 0 && open > limits.Connections {
		c.open.Add(-1)
		c.refused(RefusedByLimit, nil)
		return netip.Addr{}, false, false
	}
	remote := remoteAddr(conn)
	if len(limits.ProxyProtocol) > 0 && clientip.Contains(limits.ProxyProtocol, clientip.PeerAt(remote.String()).IP) {
		return netip.Addr{}, true, true
	}
	if client, ok = c.acquireFor(remote, limits); !ok {
		c.open.Add(-1)
	}
	return client, false, ok
}

// remoteAddr returns the remote address of a connection. It has no name for a client of a
// unix socket: the client may choose one that looks like an IP address and a port.
func remoteAddr(conn net.Conn) net.Addr {
	remote := conn.RemoteAddr()
	if _, isUnix := remote.(*net.UnixAddr); isUnix {
		return unixPeer{}
	}
	return remote
}

// unixPeer is the remote address of every client of a unix socket.
type unixPeer struct{}

// Network implements net.Addr.
func (unixPeer) Network() string { return "unix" }

// String implements net.Addr.
func (unixPeer) String() string { return "" }

// acquireFor counts a connection for the client with a remote address.
func (c *Clients) acquireFor(remote net.Addr, limits Limits) (client netip.Addr, ok bool) {
	peer := clientip.PeerAt(remote.String()).IP
	if !peer.IsValid() || clientip.Contains(limits.Trusted, peer) {
		return netip.Addr{}, true
	}
	client = clientip.Key(peer)
	if !c.clients.Acquire(client, limits.PerClient) {
		c.refused(RefusedByClientLimit, nil)
		return netip.Addr{}, false
	}
	return client, true
}

// release reverts acquire.
func (c *Clients) release(client netip.Addr) {
	c.open.Add(-1)
	if client.IsValid() {
		c.clients.Release(client)
	}
}

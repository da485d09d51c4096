package proxy

import (
	"net"
	"sync/atomic"

	"gatehouse/proxy/clientip"
	"gatehouse/proxy/listener"
)

// Limit is a limit on clients, as a metric label. The set is closed.
type Limit string

// The limits.
const (
	LimitConnections          Limit = "connections"            // limits.connections
	LimitConnectionsPerClient Limit = "connections_per_client" // limits.connections_per_client
	LimitRequestsPerClient    Limit = "requests_per_client"    // limits.requests_per_client
	LimitMaxBody              Limit = "max_body"               // max_body of a route
	LimitHeader               Limit = "header"                 // the size of a request's header
)

// Limits are all limits.
var Limits = [...]Limit{LimitConnections, LimitConnectionsPerClient, LimitRequestsPerClient, LimitMaxBody, LimitHeader}

// limitCounts counts what each limit has refused, in the order of Limits.
type limitCounts [len(Limits)]atomic.Int64

func (c *limitCounts) note(limit Limit) {
	for i, one := range Limits {
		if one == limit {
			c[i].Add(1)
		}
	}
}

// LimitRefusals returns how many connections and requests each limit has refused, in the
// order of Limits.
func (g *Gateway) LimitRefusals() (counts [len(Limits)]int64) {
	for i := range g.limits {
		counts[i] = g.limits[i].Load()
	}
	return counts
}

// countConnection counts a refused connection, if one of the Limits was the reason.
func (g *Gateway) countConnection(reason listener.RefusalReason) {
	switch reason {
	case listener.RefusedByLimit:
		g.limits.note(LimitConnections)
	case listener.RefusedByClientLimit:
		g.limits.note(LimitConnectionsPerClient)
	}
}

// Clients returns the counts of the connections of clients, over all listeners that Limit
// has returned.
func (g *Gateway) Clients() *listener.Clients { return g.clients }

// Limit returns a listener that applies the table's limits on connections to a public
// listener. It always uses the limits of the live table, over all such listeners.
func (g *Gateway) Limit(public net.Listener) *listener.Listener { return g.clients.Listen(public) }

// connectionLimits returns the limits of the live table. known is false before the first
// table, when no requests are served.
func (g *Gateway) connectionLimits() (limits listener.Limits, known bool) {
	table := g.table.Load()
	if table == nil {
		return listener.Limits{}, false
	}
	limits.Connections = int64(table.config.Limits.Connections)
	limits.PerClient = int64(table.config.Limits.ConnectionsPerClient)
	limits.Trusted, limits.ProxyProtocol = table.trusted, table.proxyProtocol
	return limits, true
}

// admit counts the request for its client. It reports whether the client may have another
// running request.
func (x *exchange) admit() bool {
	limit := int64(x.table.config.Limits.RequestsPerClient)
	if limit == 0 || !x.caller.IP.IsValid() {
		return true
	}
	client := clientip.Key(x.caller.IP)
	if !x.gateway.requests.Acquire(client, limit) {
		return false
	}
	x.countedFor = client
	return true
}

// release undoes admit.
func (x *exchange) release() {
	if x.countedFor.IsValid() {
		x.gateway.requests.Release(x.countedFor)
	}
}

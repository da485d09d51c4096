package proxy

import (
	"net"

	"gatehouse/proxy/clientip"
	"gatehouse/proxy/listener"
)

// Limit returns a listener that applies the table's limits on connections to the public
// listener. It always uses the limits of the live table.
func (g *Gateway) Limit(public net.Listener) *listener.Listener {
	return listener.New(public, listener.Options{
		Log: g.log, Wheel: g.wheel, Descriptors: g.descriptors, Limits: g.connectionLimits,
	})
}

// connectionLimits returns the limits of the live table. known is false before the first
// table, when no requests are served.
func (g *Gateway) connectionLimits() (limits listener.Limits, known bool) {
	table := g.table.Load()
	if table == nil {
		return listener.Limits{}, false
	}
	limits.Connections = int64(table.config.Limits.Connections)
	limits.PerClient = int64(table.config.Limits.ConnectionsPerClient)
	limits.Trusted = table.trusted
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

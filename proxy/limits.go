package proxy

import "gatehouse/proxy/clientip"

// admit counts the request for its client, and reports whether the client may have
// one more.
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

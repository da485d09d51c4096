package proxy

import (
	"hash/maphash"
	"net/netip"
	"sync"
)

// clientCounter counts what each client holds open. It knows only those who hold
// something, so it is as large as what is open.
type clientCounter struct {
	seed   maphash.Seed
	shards [32]clientCounterShard // so that clients seldom wait for one another
}

type clientCounterShard struct {
	mu   sync.Mutex
	open map[netip.Addr]int
}

func newClientCounter() *clientCounter { return &clientCounter{seed: maphash.MakeSeed()} }

func (t *clientCounter) shard(client netip.Addr) *clientCounterShard {
	return &t.shards[maphash.Comparable(t.seed, client)%uint64(len(t.shards))]
}

// acquire counts one more for a client, unless it holds as many as the limit; 0
// is no limit.
func (t *clientCounter) acquire(client netip.Addr, limit int64) bool {
	s := t.shard(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit > 0 && int64(s.open[client]) >= limit {
		return false
	}
	if s.open == nil {
		s.open = map[netip.Addr]int{}
	}
	s.open[client]++
	return true
}

// release counts one less.
func (t *clientCounter) release(client netip.Addr) {
	s := t.shard(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[client]--; s.open[client] <= 0 {
		delete(s.open, client)
	}
}

// clientKey is whom limits count: an address, or the /64 of an IPv6 address,
// out of which one client may choose at will (RFC 7707 section 2.1).
func clientKey(ip netip.Addr) netip.Addr {
	if ip.Is6() {
		if network, err := ip.Prefix(64); err == nil {
			return network.Addr()
		}
	}
	return ip
}

// admit holds the request against what its client has open already.
func (x *exchange) admit() bool {
	limit := int64(x.table.config.Limits.RequestsPerClient)
	if limit == 0 || !x.caller.ip.IsValid() {
		return true
	}
	client := clientKey(x.caller.ip)
	if !x.gateway.requests.acquire(client, limit) {
		return false
	}
	x.countedFor = client
	return true
}

// release undoes admit.
func (x *exchange) release() {
	if x.countedFor.IsValid() {
		x.gateway.requests.release(x.countedFor)
	}
}

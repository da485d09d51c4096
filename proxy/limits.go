package proxy

import (
	"hash/maphash"
	"net/netip"
	"sync"
)

// tally counts what each client holds open. It knows only those who hold
// something, so it is as large as what is open.
type tally struct {
	seed   maphash.Seed
	shards [32]tallyShard // so that clients seldom wait for one another
}

type tallyShard struct {
	mu   sync.Mutex
	held map[netip.Addr]int
}

func newTally() *tally { return &tally{seed: maphash.MakeSeed()} }

func (t *tally) shard(client netip.Addr) *tallyShard {
	return &t.shards[maphash.Comparable(t.seed, client)%uint64(len(t.shards))]
}

// take counts one more for a client, unless it holds as many as the limit; 0
// is no limit.
func (t *tally) take(client netip.Addr, limit int64) bool {
	s := t.shard(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit > 0 && int64(s.held[client]) >= limit {
		return false
	}
	if s.held == nil {
		s.held = map[netip.Addr]int{}
	}
	s.held[client]++
	return true
}

// give counts one less.
func (t *tally) give(client netip.Addr) {
	s := t.shard(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[client]--; s.held[client] <= 0 {
		delete(s.held, client)
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
	if !x.gateway.requests.take(client, limit) {
		return false
	}
	x.held = client
	return true
}

// release gives back what admit took.
func (x *exchange) release() {
	if x.held.IsValid() {
		x.gateway.requests.give(x.held)
	}
}

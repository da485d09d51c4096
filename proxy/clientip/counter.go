package clientip

import (
	"hash/maphash"
	"net/netip"
	"sync"
)

// Key returns whom limits count: an address, or the /64 of an IPv6 address, out of
// which one client may choose at will (RFC 7707 section 2.1).
func Key(ip netip.Addr) netip.Addr {
	if ip.Is6() {
		if network, err := ip.Prefix(64); err == nil {
			return network.Addr()
		}
	}
	return ip
}

// Counter counts what each client has open, by its Key. It knows only those who
// have something open, so it is as large as what is open.
type Counter struct {
	seed   maphash.Seed
	shards [32]counterShard // so that clients seldom wait for one another
}

type counterShard struct {
	mu   sync.Mutex
	open map[netip.Addr]int
}

// NewCounter returns a Counter of nothing.
func NewCounter() *Counter { return &Counter{seed: maphash.MakeSeed()} }

func (c *Counter) shard(client netip.Addr) *counterShard {
	return &c.shards[maphash.Comparable(c.seed, client)%uint64(len(c.shards))]
}

// Acquire counts one more for a client, unless it has as many open as the limit
// allows; 0 is no limit. It reports whether it has counted.
func (c *Counter) Acquire(client netip.Addr, limit int64) bool {
	s := c.shard(client)
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

// Release counts one less.
func (c *Counter) Release(client netip.Addr) {
	s := c.shard(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[client]--; s.open[client] <= 0 {
		delete(s.open, client)
	}
}

package clientip

import (
	"hash/maphash"
	"net/netip"
	"sync"
)

// Key returns the key by which limits count clients. For IPv4 it is the address. For IPv6
// it is the address of the /64 network, because one client can use all addresses of its
// network (RFC 7707 section 2.1).
func Key(ip netip.Addr) netip.Addr {
	if ip.Is6() {
		if network, err := ip.Prefix(64); err == nil {
			return network.Addr()
		}
	}
	return ip
}

// Counter counts what each client has open, by its Key. It stores only clients that have
// something open, so its size is limited by what is open. It is safe for concurrent use.
type Counter struct {
	seed   maphash.Seed
	shards [32]counterShard // so that clients seldom wait for one another
}

type counterShard struct {
	mu   sync.Mutex
	open map[netip.Addr]int
}

// NewCounter returns an empty Counter.
func NewCounter() *Counter { return &Counter{seed: maphash.MakeSeed()} }

func (c *Counter) shard(client netip.Addr) *counterShard {
	return &c.shards[maphash.Comparable(c.seed, client)%uint64(len(c.shards))]
}

// Acquire adds one to the count of a client, unless the count has reached limit. A limit
// of 0 means no limit. Acquire reports whether it has added one.
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

// Release subtracts one from the count of a client.
func (c *Counter) Release(client netip.Addr) {
	s := c.shard(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[client]--; s.open[client] <= 0 {
		delete(s.open, client)
	}
}

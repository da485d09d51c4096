package clientip

import (
	"net/netip"
	"sync"
	"testing"
)

// TestCounterForgets checks that the Counter stores nothing for clients with nothing open.
func TestCounterForgets(t *testing.T) {
	t.Parallel()
	counts := NewCounter()
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			for j := range 1000 {
				ip := netip.AddrFrom4([4]byte{10, byte(j >> 8), byte(j), byte(i % 2)})
				if !counts.Acquire(ip, 0) {
					t.Error("refused without a limit")
				}
				counts.Release(ip)
			}
		})
	}
	clients.Wait()
	for i := range counts.shards {
		if left := len(counts.shards[i].open); left != 0 {
			t.Errorf("shard %d still knows %d clients", i, left)
		}
	}
}

package proxy

import (
	"hash/fnv"
	"math"
	"math/rand/v2"

	"gatehouse/config"
	"gatehouse/proxy/forward"
)

// split divides the requests of a route between several backends. The same key always
// leads to the same backend. When weights change, only the difference moves (weighted
// rendezvous hashing).
type split struct {
	by     *config.HashKey
	shares []share
}

// share is one side of a split.
type share struct {
	backend *forward.Backend
	seed    uint64 // of the backend's name
	weight  float64
}

// clientIP is the key of a split without split_by.
var clientIP = &config.HashKey{ClientIP: true}

// newSplit returns the split of a route. backends are in the order of its shares.
func newSplit(cfg *config.Route, backends []*forward.Backend) *split {
	s := &split{by: cfg.SplitBy}
	if s.by == nil {
		s.by = clientIP
	}
	for i, of := range cfg.Backend.Shares {
		name := fnv.New64a()
		_, _ = name.Write([]byte(of.Name))
		s.shares = append(s.shares, share{backends[i], name.Sum64(), float64(of.Weight)})
	}
	return s
}

// backendFor returns the backend that a request is forwarded to.
func (r *compiledRoute) backendFor(facts *forward.Facts) *forward.Backend {
	if r.split != nil {
		return r.split.choose(facts)
	}
	return r.backend
}

// choose returns the backend of a request. A request without the key gets one by chance.
func (s *split) choose(facts *forward.Facts) *forward.Backend {
	key := facts.Key(s.by)
	random := rand.Uint64()
	if key != "" {
		hash := fnv.New64a()
		_, _ = hash.Write([]byte(key))
		random = hash.Sum64()
	}
	var best *forward.Backend
	highest := math.Inf(-1)
	for i := range s.shares {
		of := &s.shares[i]
		if of.weight == 0 {
			continue
		}
		if score := -of.weight / math.Log(uniform(random^of.seed)); score > highest || best == nil {
			highest, best = score, of.backend
		}
	}
	return best
}

// uniform returns a number between 0 and 1, without both, for a hash. It spreads the bits
// of the hash (the finalizer of SplitMix64).
func uniform(hash uint64) float64 {
	hash ^= hash >> 30
	hash *= 0xbf58476d1ce4e5b9
	hash ^= hash >> 27
	hash *= 0x94d049bb133111eb
	hash ^= hash >> 31
	return (float64(hash>>12) + 0.5) / (1 << 52)
}

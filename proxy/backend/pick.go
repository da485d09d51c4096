package backend

import (
	"math"
	"math/rand/v2"
	"slices"

	"gatehouse/config"
)

// Choice is what of a request matters for the choice of a server.
type Choice struct {
	// Key chooses the server with `balance: hash`. "" means that the request has none.
	Key string
	// Preferred is the server of the request's sticky cookie. It is nil without one.
	Preferred *Server
	// Tried are the servers that the request was sent to before. They are chosen only
	// when there are no others.
	Tried []*Server
}

// Pick chooses a server for a request. It returns nil when no server may get it.
func (b *Backend) Pick(c Choice) *Server {
	s := b.current()
	switch len(s.usable) {
	case 0:
		return nil
	case 1:
		return s.usable[0].server
	}
	if c.Preferred != nil && len(c.Tried) == 0 && weightOf(s.usable, c.Preferred) > 0 {
		return c.Preferred
	}
	if len(c.Tried) > 0 {
		return b.pickOther(s, c)
	}
	switch {
	case b.config.Balance == config.BalanceRoundRobin:
		return b.roundRobin(s)
	case b.config.Balance == config.BalanceHash && c.Key != "":
		return s.byHash(keyHash(c.Key), nil)
	}
	return s.leastLoaded()
}

// Panicked reports whether no server is healthy, so that all get requests.
func (b *Backend) Panicked() bool { return b.current().panicked }

// leastLoaded returns of two servers by chance the one with less to do ("the power of two
// choices"). A server that comes back loses a part of its choices to the other.
func (s *snapshot) leastLoaded() *Server {
	i, j := s.sampleTwo()
	better, worse := s.usable[i], s.usable[j]
	if worse.server.load()*float64(better.weight) < better.server.load()*float64(worse.weight) {
		better, worse = worse, better
	}
	if yields(better.server) {
		return worse.server
	}
	return better.server
}

// yields reports whether a server that comes back leaves this request to another one.
func yields(s *Server) bool {
	share := s.rampShare()
	return share < 1 && rand.Float64() > share
}

// roundRobin returns the next server of the schedule.
func (b *Backend) roundRobin(s *snapshot) *Server {
	for range 4 {
		at := b.state.rotation.Add(1) - 1
		if next := s.usable[s.schedule[at%uint64(len(s.schedule))]].server; !yields(next) {
			return next
		}
	}
	return s.usable[s.schedule[b.state.rotation.Add(1)%uint64(len(s.schedule))]].server
}

// byHash returns the server with the highest score for a key (weighted rendezvous
// hashing). When a server leaves, only its own keys move. It omits the servers in but,
// and returns nil when no other is left.
func (s *snapshot) byHash(key uint64, but []*Server) (best *Server) {
	highest := math.Inf(-1)
	for _, m := range s.usable {
		// (0, 1]: its logarithm is never -Inf
		uniform := (float64(mix(key^m.server.seed)>>11) + 1) / (1 << 53)
		score := -float64(m.weight) / math.Log(uniform)
		if uniform == 1 {
			score = math.Inf(1)
		}
		if score > highest && !slices.Contains(but, m.server) {
			highest, best = score, m.server
		}
	}
	return best
}

// pickOther returns a server that the request was not sent to yet, or the least loaded
// one if there is none.
func (b *Backend) pickOther(s *snapshot, c Choice) *Server {
	if b.config.Balance == config.BalanceHash && c.Key != "" {
		if other := s.byHash(keyHash(c.Key), c.Tried); other != nil {
			return other
		}
		return s.leastLoaded()
	}
	var best member
	start := s.sample()
	for i := range s.usable {
		m := s.usable[(start+i)%len(s.usable)]
		if slices.Contains(c.Tried, m.server) {
			continue
		}
		if best.server == nil || m.server.load()*float64(best.weight) < best.server.load()*float64(m.weight) {
			best = m
		}
	}
	if best.server == nil {
		return s.leastLoaded()
	}
	return best.server
}

// HashedServer returns the server to which a key leads with `balance: hash` while all
// servers are healthy. It returns nil for an empty key, and for servers that DNS names.
func HashedServer(of *config.Backend, key string) *config.Server {
	if of.Balance != config.BalanceHash || key == "" || of.Discover != nil {
		return nil
	}
	var s snapshot
	urls := map[*Server]*config.Server{}
	for i := range of.Servers {
		listed := &of.Servers[i]
		if listed.Weight > 0 {
			server := newServer(nil, AddressOf(listed.URL))
			urls[server] = listed
			s.usable = append(s.usable, member{server, int(listed.Weight)})
		}
	}
	return urls[s.byHash(keyHash(key), nil)]
}

// keyHash returns the hash of a key. All replicas and restarts agree about it, as they do
// about the seeds of servers.
func keyHash(key string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	hash := uint64(offset)
	for i := range len(key) {
		hash = (hash ^ uint64(key[i])) * prime
	}
	return mix(hash)
}

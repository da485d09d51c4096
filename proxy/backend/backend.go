package backend

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/config"
)

// state is what is known about a backend by its name. All tables share it.
type state struct {
	name     string
	registry *Registry
	metrics  Attempts

	version  atomic.Uint64 // grows when the servers that may get requests change
	rotation atomic.Uint64 // of round robin
	queue    queue
	budget   budget
	ejected  atomic.Int64 // ejections, for metrics
	retried  [retryResultCount]atomic.Int64
	rejected atomic.Int64 // requests that found no place, for metrics

	mu       sync.Mutex // guards the fields below, and the state of the servers
	servers  map[Address]*Server
	checkers map[*Server]*checker // of the live backend

	panicked bool // the newest snapshot has no healthy server

	lookups   *lookups // of the live backend; nil when it lists its servers
	discovery Discovery
	awaited   chan struct{} // closed after the first lookup; nil before somebody asks
	found     []found       // the servers that a lookup has found; nil before the first
	// departing are the servers that have left a while ago and may have streams.
	departing map[Address]*Server
	// departed is the number of attempts at servers that are forgotten.
	departed int64
}

// found is a server that a lookup has found, with its weight.
type found struct {
	Address
	Weight int
}

// server returns the server with an address. It makes one that is not known yet. The
// caller holds mu.
func (s *state) server(at Address) *Server {
	if known := s.servers[at]; known != nil {
		return known
	}
	if left := s.departing[at]; left != nil { // see remember
		return left
	}
	made := newServer(s, at)
	s.servers[at] = made
	return made
}

// changed makes all snapshots of the backend stale. The caller holds mu.
func (s *state) changed() { s.version.Add(1) }

// Backend is a named backend of one table. It never changes, except for the state that it
// shares with the backends of that name in other tables.
type Backend struct {
	config *config.Backend
	state  *state
	listed []member // of `servers`; nil with `discover`
	// transport sends health checks. It is nil without `health`.
	transport http.RoundTripper
	snapshot  atomic.Pointer[snapshot]
}

// Name returns the name of the backend.
func (b *Backend) Name() string { return b.state.name }

// Config returns the configuration of the backend.
func (b *Backend) Config() *config.Backend { return b.config }

// newBackend returns a Backend with the state. It changes nothing that requests see.
func newBackend(cfg *config.Backend, of *state) *Backend {
	b := &Backend{config: cfg, state: of}
	of.mu.Lock()
	defer of.mu.Unlock()
	for i := range cfg.Servers {
		listed := &cfg.Servers[i]
		b.listed = append(b.listed, member{of.server(AddressOf(listed.URL)), int(listed.Weight)})
	}
	return b
}

// base returns the path that is put before the path of a health check.
func (b *Backend) base() string {
	return strings.TrimSuffix(b.config.URLs()[0].EscapedPath(), "/")
}

// members returns all servers of the backend with their weights. The caller holds
// state.mu.
func (b *Backend) members() []member {
	if b.config.Discover == nil {
		return b.listed
	}
	members := make([]member, len(b.state.found))
	for i, found := range b.state.found {
		members[i] = member{b.state.server(found.Address), found.Weight}
	}
	return members
}

// current returns the snapshot of the servers as they are now.
func (b *Backend) current() *snapshot {
	if s := b.snapshot.Load(); s != nil && s.version == b.state.version.Load() {
		return s
	}
	b.state.mu.Lock()
	defer b.state.mu.Unlock()
	version := b.state.version.Load()
	if s := b.snapshot.Load(); s != nil && s.version == version { // another request was faster
		return s
	}
	s := newSnapshot(version, b.members(), b.config.Balance == config.BalanceRoundRobin)
	if b.config.Sticky != nil {
		s.tags = newTags(b.state.name, b.members(), *b.state.registry.tagKeys.Load())
	}
	b.snapshot.Store(s)
	b.state.notePanic(s.panicked)
	return s
}

// notePanic logs when the last healthy server is lost, and when one is back. The caller
// holds mu.
func (s *state) notePanic(panicked bool) {
	if s.panicked == panicked {
		return
	}
	s.panicked = panicked
	log := s.registry.log.With(slog.String("backend", s.name))
	if panicked {
		log.Error("backend has no healthy server: all servers get requests")
		return
	}
	log.Info("backend has a healthy server again")
}

// Servers returns all servers of the backend, in the order of the table or of the lookup.
func (b *Backend) Servers() []*Server {
	b.state.mu.Lock()
	defer b.state.mu.Unlock()
	var servers []*Server
	for _, m := range b.members() {
		servers = append(servers, m.server)
	}
	return servers
}

// Report is called at the end of an attempt at a server, with the time it took until the
// response header or the failure.
func (b *Backend) Report(s *Server, r Result, after time.Duration) {
	s.results[r].Add(1)
	b.state.metrics.Attempted(after)
	switch {
	case r == ResultAnswered:
		if s.consecutive.Load() != 0 {
			s.consecutive.Store(0)
		}
	case r.IsFailure():
		now := time.Now()
		s.punish(now)
		if failed := s.consecutive.Add(1); b.config.Passive != nil && !b.config.Passive.Off && int64(failed) >= int64(b.config.Passive.Fails) {
			b.eject(s, now)
		}
	}
}

// weightOf returns the weight of a server, or 0.
func weightOf(members []member, s *Server) int {
	if i := slices.IndexFunc(members, func(m member) bool { return m.server == s }); i >= 0 {
		return members[i].weight
	}
	return 0
}

// Member is a server of a backend, with its weight.
type Member struct {
	*Server
	Weight int
}

// Members returns all servers of the backend with their weights, in the order of the table
// or of the lookup.
func (b *Backend) Members() []Member {
	b.state.mu.Lock()
	defer b.state.mu.Unlock()
	var list []Member
	for _, m := range b.members() {
		list = append(list, Member{m.server, m.weight})
	}
	return list
}

// Counts are what was counted of a backend since its name was first used.
type Counts struct {
	InFlight, Waiting int64 // at the moment
	Ejections         int64
	Rejected          int64 // requests that found no place
	Retries           [retryResultCount]int64
}

// Counts returns what was counted.
func (b *Backend) Counts() Counts {
	c := Counts{Ejections: b.state.ejected.Load(), Rejected: b.state.rejected.Load()}
	c.InFlight, c.Waiting = b.InFlight()
	for i := range c.Retries {
		c.Retries[i] = b.state.retried[i].Load()
	}
	return c
}

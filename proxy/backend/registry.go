package backend

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/config"
)

// Metrics returns what measures the attempts at a backend.
type Metrics interface {
	// Attempts is called with the name of a backend when a table is compiled.
	Attempts(backend string) Attempts
}

// Attempts measures the attempts at one backend. Implementations must be safe for
// concurrent use.
type Attempts interface {
	// Attempted is called when an attempt has got its response header or has failed, with
	// the time that it took.
	Attempted(after time.Duration)
}

// Options configure a Registry.
type Options struct {
	Log     *slog.Logger
	Metrics Metrics
	// StreamTime is how long the streams of a server live on that has left its backend.
	StreamTime time.Duration
	// Resolver looks up servers; nil means net.DefaultResolver.
	Resolver Resolver
	// Left is called when a server has left its backend. It may be nil.
	Left func(Address)
}

// Registry has the backends of the process.
type Registry struct {
	log        *slog.Logger
	metrics    Metrics
	streamTime time.Duration
	left       func(Address)
	resolver   Resolver
	checks     chan struct{} // a slot for each health check that may run
	tagKeys    atomic.Pointer[[][]byte]

	mu     sync.Mutex
	states map[string]*state // of the live table
	live   Set
	stop   context.CancelFunc // of observeBudgets; nil while no backend is live
}

// Set has the named backends of one table. The zero value has none.
type Set struct {
	backends map[string]*Backend
}

// Get returns the backend with a name, or nil.
func (s Set) Get(name string) *Backend { return s.backends[name] }

// All returns the backends, sorted by name.
func (s Set) All() []*Backend {
	all := make([]*Backend, 0, len(s.backends))
	for _, name := range slices.Sorted(maps.Keys(s.backends)) {
		all = append(all, s.backends[name])
	}
	return all
}

// NewRegistry returns a Registry without backends.
func NewRegistry(o Options) *Registry {
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	r := &Registry{resolver: o.Resolver, log: o.Log, metrics: o.Metrics, streamTime: o.StreamTime, left: o.Left, checks: make(chan struct{}, checksAtOnce), states: map[string]*state{}}
	r.tagKeys.Store(new([][]byte))
	return r
}

// Prepare returns the backends of a table. Those whose name is known share what is known
// about them. It starts nothing: the table may still be refused. transport returns what
// sends the health checks of a backend.
func (r *Registry) Prepare(backends map[string]*config.Backend, transport func(*config.Backend) (http.RoundTripper, error)) (Set, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	set := Set{backends: map[string]*Backend{}}
	for name, of := range backends {
		shared := r.states[name]
		if shared == nil {
			shared = &state{name: name, registry: r, metrics: r.metrics.Attempts(name), servers: map[Address]*Server{}, departing: map[Address]*Server{}, checkers: map[*Server]*checker{}}
		}
		b := newBackend(of, shared)
		if of.Health != nil {
			var err error
			if b.transport, err = transport(of); err != nil {
				return Set{}, fmt.Errorf("backend %q: %w", name, err)
			}
		}
		set.backends[name] = b
	}
	return set, nil
}

// Activate makes the backends of a table the live ones. It forgets backends and servers
// that the table does not name.
func (r *Registry) Activate(set Set) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live = set
	before := r.states
	r.states = map[string]*state{}
	for name, b := range set.backends {
		r.states[name] = b.state
		delete(before, name)
		b.state.queue.setLimit(limitOf(b.config))
		b.syncLookups()
		b.forgetOthers()
		b.syncChecks()
	}
	for _, unnamed := range before {
		unnamed.mu.Lock()
		unnamed.stopChecks()
		unnamed.stopLookups()
		unnamed.forget(func(*Server) bool { return true })
		unnamed.mu.Unlock()
	}
	switch {
	case len(set.backends) > 0 && r.stop == nil:
		ctx, stop := context.WithCancel(context.Background())
		r.stop = stop
		go r.observeBudgets(ctx)
	case len(set.backends) == 0 && r.stop != nil:
		r.stop()
		r.stop = nil
	}
}

// Live returns the backends of the live table.
func (r *Registry) Live() Set {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.live
}

// observeBudgets tells the budgets once a second how many requests there were.
func (r *Registry) observeBudgets(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			for _, b := range r.Live().backends {
				b.state.budget.observe(now, b.state.attempts())
			}
		}
	}
}

package keys

// This file shares the sources of other issuers' keys between tables.

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/config"
)

// Sources shares the keys of other issuers between tables, so that a reload
// keeps the keys that were already read. Only activated sources are read, in
// the background. Only Close, and requests with an unknown key, wait for the
// network; such requests wait for a moment only.
type Sources struct {
	client *http.Client
	now    func() time.Time
	log    *slog.Logger

	readFile func(path string) ([]byte, error) // nil reads files from disk

	readers sync.WaitGroup
	mu      sync.Mutex
	live    map[string]liveSource // by `keys`
	active  *Issuers              // nil before the first activation
}

// liveSource is a source that is being read.
type liveSource struct {
	*source
	stop context.CancelFunc
}

// SourcesOptions configure Sources.
type SourcesOptions struct {
	Log       *slog.Logger
	Transport http.RoundTripper // nil means one that trusts the system's roots
	Now       func() time.Time
	// ReadFile reads a file of keys; nil reads it from disk at that time.
	ReadFile func(path string) ([]byte, error)
}

// NewSources returns a pool without sources.
func NewSources(o SourcesOptions) *Sources {
	if o.Transport == nil {
		o.Transport = newTransport()
	}
	return &Sources{client: newClient(o.Transport), now: o.Now, log: o.Log, readFile: o.ReadFile}
}

// Issuers returns the issuers of a table, which use the live sources where
// possible. It reads nothing and changes nothing. New sources are first read
// when the issuers are activated.
func (k *Sources) Issuers(tokens []config.Issuer) *Issuers {
	k.mu.Lock()
	defer k.mu.Unlock()
	made := &Issuers{byName: map[string]*Issuer{}, keySources: map[string]*source{}}
	for _, t := range tokens {
		source := made.keySources[t.Keys]
		if source == nil {
			source = k.live[t.Keys].source
		}
		if source == nil {
			source = k.newSource(t.Keys)
		}
		made.keySources[t.Keys] = source
		made.byName[t.Issuer] = &Issuer{
			keySource: source, Audiences: t.Audience, Algorithms: t.Algorithms, Claims: t.Claims, Leeway: t.Leeway,
		}
	}
	return made
}

func (k *Sources) newSource(keys string) *source {
	if !strings.Contains(keys, "://") {
		return newSource(keys, fetchFile(keys, k.readFile), k.now, k.log)
	}
	place, _, _ := strings.Cut(keys, "?") // a query must not be in a log
	return newSource(place, fetchURL(k.client, keys), k.now, k.log)
}

// Reread asks the live source of that place, if any, to read soon.
func (k *Sources) Reread(keys string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if source := k.live[keys].source; source != nil {
		source.requestReading()
	}
}

// Begin starts to read those sources of the issuers that are not read yet,
// before the issuers are activated. It waits until each of them was read once,
// with or without success, or until the context ends. So the keys are there for
// the first tokens.
func (k *Sources) Begin(ctx context.Context, issuers *Issuers) {
	for _, over := range k.begin(issuers) {
		select {
		case <-over:
		case <-ctx.Done():
			return
		}
	}
}

// begin returns a channel for each new source, closed when it was read once.
func (k *Sources) begin(issuers *Issuers) (over []<-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.live == nil {
		k.live = map[string]liveSource{}
	}
	for keys, source := range issuers.keySources {
		if k.live[keys].source != source {
			over = append(over, source.firstReading())
			k.live[keys] = k.read(source)
		}
	}
	return over
}

// read starts reading the source in the background, until it is stopped.
func (k *Sources) read(source *source) liveSource {
	ctx, stop := context.WithCancel(context.Background())
	source.start(ctx)
	k.readers.Go(func() { source.run(ctx) })
	return liveSource{source, stop}
}

// Activate makes the issuers the live ones. Their sources are read from now on,
// and sources that only the old issuers used are not.
func (k *Sources) Activate(issuers *Issuers) {
	k.mu.Lock()
	defer k.mu.Unlock()
	next := map[string]liveSource{}
	for keys, source := range issuers.keySources {
		if have := k.live[keys]; have.source == source {
			next[keys] = have
			continue
		}
		next[keys] = k.read(source)
	}
	for keys, old := range k.live {
		if next[keys].source != old.source {
			old.stop()
		}
	}
	k.live, k.active = next, issuers
}

// States returns the state of each issuer of the live table, sorted by name.
func (k *Sources) States() []IssuerState {
	k.mu.Lock()
	issuers := k.active
	k.mu.Unlock()
	if issuers == nil {
		return nil
	}
	states := make([]IssuerState, 0, len(issuers.byName))
	for _, name := range slices.Sorted(maps.Keys(issuers.byName)) {
		states = append(states, issuers.byName[name].keySource.state(name))
	}
	return states
}

// Close stops all reading, and waits until it has stopped.
func (k *Sources) Close() {
	k.Activate(new(Issuers))
	k.readers.Wait()
}

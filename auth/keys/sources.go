package keys

// This file knows the other issuers of a table, and shares the sources of
// their keys between tables.

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gatehouse/config"
)

// Sources shares the keys of other issuers between tables: a reload finds
// those that it had. Only sources that were adopted are read, in the
// background; nothing here waits for the network but Close, and requests whose
// key is not known, for a moment.
type Sources struct {
	client *http.Client
	now    func() time.Time
	log    *slog.Logger

	readFile func(path string) ([]byte, error) // nil reads files as they are

	readers sync.WaitGroup
	mu      sync.Mutex
	live    map[string]liveSource // by `keys`
	active  *Issuers              // nil before the first
}

// liveSource is a source that is being read.
type liveSource struct {
	*source
	stop context.CancelFunc
}

// SourcesOptions are what key sources depend on.
type SourcesOptions struct {
	Log       *slog.Logger
	Transport http.RoundTripper // nil for one that trusts the system's roots
	Now       func() time.Time
	// ReadFile reads a file of keys; nil reads it as it is at that time.
	ReadFile func(path string) ([]byte, error)
}

// NewSources makes an empty pool.
func NewSources(o SourcesOptions) *Sources {
	if o.Transport == nil {
		o.Transport = newTransport()
	}
	return &Sources{client: newClient(o.Transport), now: o.Now, log: o.Log, readFile: o.ReadFile}
}

// Issuers are the other issuers of one table. A nil one has none.
type Issuers struct {
	byName     map[string]*Issuer
	keySources map[string]*source // by `keys`
}

// Issuer is one entry of `tokens`, with its keys.
type Issuer struct {
	Audiences  []string          // one of them has to be in `aud`; none asks nothing
	Algorithms []string          // of its tokens
	Claims     map[string]string // ours → theirs
	keySource  *source
}

// Issuers makes the issuers of a table, with the live sources where there are
// any. It reads nothing and changes nothing: sources that are new begin to be
// read when the issuers are adopted.
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
		made.byName[t.Issuer] = &Issuer{keySource: source, Audiences: t.Audience, Algorithms: t.Algorithms, Claims: t.Claims}
	}
	return made
}

func (k *Sources) newSource(keys string) *source {
	if !strings.Contains(keys, "://") {
		return newSource(keys, fetchFile(keys, k.readFile), k.now, k.log)
	}
	place, _, _ := strings.Cut(keys, "?") // a query has no place in a log
	return newSource(place, fetchURL(k.client, keys), k.now, k.log)
}

// Reread has the source at that place, if it is live, read soon.
func (k *Sources) Reread(keys string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if source := k.live[keys].source; source != nil {
		source.requestReading()
	}
}

// Begin starts to read those sources of the issuers that are not read yet, before
// the issuers are adopted, and waits until each of them was read once, well or
// not, or the context ends: then the first tokens find the keys there.
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

// read has the source read in the background, until it is stopped.
func (k *Sources) read(source *source) liveSource {
	ctx, stop := context.WithCancel(context.Background())
	source.start(ctx)
	k.readers.Go(func() { source.run(ctx) })
	return liveSource{source, stop}
}

// Activate makes the issuers the live ones: their sources are read from now on,
// and those that only the old ones had no longer.
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

// IssuerState is what is known of the keys of one issuer.
type IssuerState struct {
	Issuer      string
	Keys        int       // that may verify; 0 before they were read
	LastSuccess time.Time // when they were read last; zero before the first time
	Problem     error     // why the last reading failed, nil when it did not
}

// States returns the state of each issuer of the live table, by its name.
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

// Close ends all reading, and waits until it has ended.
func (k *Sources) Close() {
	k.Activate(new(Issuers))
	k.readers.Wait()
}

// Named returns the issuer of that name, nil when there is none.
func (i *Issuers) Named(name string) *Issuer {
	if i == nil {
		return nil
	}
	return i.byName[name]
}

// Find returns the keys that may have signed a token of the issuer. Nothing is
// read because a token's header says so. For a key that the issuer may have made
// just now Find waits a moment, or until the context ends. The error is a
// *NotReadError where the keys cannot be read; any other words why no key fits.
func (i *Issuer) Find(ctx context.Context, algorithm, kid string) ([]jwt.VerificationKey, error) {
	return i.keySource.find(ctx, algorithm, kid)
}

// Version returns which keys the issuer publishes now. Those of a nil issuer are
// our own, which a table keeps for life.
func (i *Issuer) Version() Version {
	if i == nil {
		return Version{}
	}
	return Version{keySource: i.keySource, number: i.keySource.version()}
}

// Version says which keys a token was verified with: which set of another
// issuer's. It is zero for our own keys, which a Verifier keeps for life.
type Version struct {
	keySource *source
	number    int // its number rather than the set: old ones need not stay in memory
}

// Current reports whether the issuer still publishes these keys.
func (o Version) Current() bool {
	return o.keySource == nil || o.keySource.version() == o.number
}

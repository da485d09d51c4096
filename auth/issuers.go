package auth

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
	"gatehouse/internal/httperr"
)

// KeySources shares the keys of other issuers between tables: a reload finds
// those that it had. Only sources that were adopted are read, in the
// background; nothing here waits for the network but Close, and requests whose
// key is not known, for a moment.
type KeySources struct {
	client *http.Client
	now    func() time.Time
	log    *slog.Logger

	readFile func(path string) ([]byte, error) // nil reads files as they are

	readers sync.WaitGroup
	mu      sync.Mutex
	live    map[string]liveSource // by `keys`
	adopted *Issuers              // nil before the first
}

// liveSource is a source that is being read.
type liveSource struct {
	*keySource
	stop context.CancelFunc
}

// KeySourcesOptions are what key sources depend on.
type KeySourcesOptions struct {
	Log       *slog.Logger
	Transport http.RoundTripper // nil for one that trusts the system's roots
	Now       func() time.Time
	// ReadFile reads a file of keys; nil reads it as it is at that time.
	ReadFile func(path string) ([]byte, error)
}

// NewKeySources makes an empty pool.
func NewKeySources(o KeySourcesOptions) *KeySources {
	if o.Transport == nil {
		o.Transport = newKeyTransport()
	}
	return &KeySources{client: newKeyClient(o.Transport), now: o.Now, log: o.Log, readFile: o.ReadFile}
}

// Issuers are the other issuers of one table. A nil one has none.
type Issuers struct {
	byName  map[string]*issuer
	sources map[string]*keySource // by `keys`
}

// issuer is one entry of `tokens`.
type issuer struct {
	source     *keySource
	audiences  []string // one of them has to be in `aud`; none asks nothing
	algorithms []string
	claims     map[string]string // ours → theirs
}

// Issuers makes the issuers of a table, with the live sources where there are
// any. It reads nothing and changes nothing: sources that are new begin to be
// read when the issuers are adopted.
func (k *KeySources) Issuers(tokens []config.Issuer) *Issuers {
	k.mu.Lock()
	defer k.mu.Unlock()
	made := &Issuers{byName: map[string]*issuer{}, sources: map[string]*keySource{}}
	for _, t := range tokens {
		source := made.sources[t.Keys]
		if source == nil {
			source = k.live[t.Keys].keySource
		}
		if source == nil {
			source = k.newSource(t.Keys)
		}
		made.sources[t.Keys] = source
		made.byName[t.Issuer] = &issuer{source: source, audiences: t.Audience, algorithms: t.Algorithms, claims: t.Claims}
	}
	return made
}

func (k *KeySources) newSource(keys string) *keySource {
	if !strings.Contains(keys, "://") {
		return newKeySource(keys, fetchFile(keys, k.readFile), k.now, k.log)
	}
	place, _, _ := strings.Cut(keys, "?") // a query has no place in a log
	return newKeySource(place, fetchURL(k.client, keys), k.now, k.log)
}

// Reread has the source at that place, if it is live, read soon.
func (k *KeySources) Reread(keys string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if source := k.live[keys].keySource; source != nil {
		source.requestReading()
	}
}

// Begin starts to read those sources of the issuers that are not read yet, before
// the issuers are adopted, and waits until each of them was read once, well or
// not, or the context ends: then the first tokens find the keys there.
func (k *KeySources) Begin(ctx context.Context, issuers *Issuers) {
	for _, over := range k.begin(issuers) {
		select {
		case <-over:
		case <-ctx.Done():
			return
		}
	}
}

// begin returns a channel for each new source, closed when it was read once.
func (k *KeySources) begin(issuers *Issuers) (over []<-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.live == nil {
		k.live = map[string]liveSource{}
	}
	for keys, source := range issuers.sources {
		if k.live[keys].keySource != source {
			over = append(over, source.firstReading())
			k.live[keys] = k.read(source)
		}
	}
	return over
}

// read has the source read in the background, until it is stopped.
func (k *KeySources) read(source *keySource) liveSource {
	ctx, stop := context.WithCancel(context.Background())
	source.start(ctx)
	k.readers.Go(func() { source.run(ctx) })
	return liveSource{source, stop}
}

// Adopt makes the issuers the live ones: their sources are read from now on,
// and those that only the old ones had no longer.
func (k *KeySources) Adopt(issuers *Issuers) {
	k.mu.Lock()
	defer k.mu.Unlock()
	next := map[string]liveSource{}
	for keys, source := range issuers.sources {
		if have := k.live[keys]; have.keySource == source {
			next[keys] = have
			continue
		}
		next[keys] = k.read(source)
	}
	for keys, old := range k.live {
		if next[keys].keySource != old.keySource {
			old.stop()
		}
	}
	k.live, k.adopted = next, issuers
}

// IssuerState is what is known of the keys of one issuer.
type IssuerState struct {
	Issuer      string
	Keys        int       // that may verify; 0 before they were read
	LastSuccess time.Time // when they were read last; zero before the first time
	Problem     error     // why the last reading failed, nil when it did not
}

// States returns the state of each issuer of the live table, by its name.
func (k *KeySources) States() []IssuerState {
	k.mu.Lock()
	issuers := k.adopted
	k.mu.Unlock()
	if issuers == nil {
		return nil
	}
	states := make([]IssuerState, 0, len(issuers.byName))
	for _, name := range slices.Sorted(maps.Keys(issuers.byName)) {
		states = append(states, issuers.byName[name].source.state(name))
	}
	return states
}

// Close ends all reading, and waits until it has ended.
func (k *KeySources) Close() {
	k.Adopt(new(Issuers))
	k.readers.Wait()
}

// of returns the issuer that the token names, nil for all others. The token may
// not be verified yet: the name only says whose keys it has to be held against.
func (i *Issuers) of(claims jwt.MapClaims) *issuer {
	if i == nil {
		return nil
	}
	name, _ := claims["iss"].(string)
	return i.byName[name]
}

// version tells which keys the issuer publishes now.
func (i *issuer) version() keyVersion {
	if i == nil { // ours
		return keyVersion{}
	}
	return keyVersion{source: i.source, number: i.source.version()}
}

// keysFor returns the keys of the issuer that may have signed the token.
func (i *issuer) keysFor(ctx context.Context, algorithm, kid string) ([]jwt.VerificationKey, *httperr.Error) {
	if !slices.Contains(i.algorithms, algorithm) {
		return nil, because(refuseAlgorithm, "it is signed with "+algorithm+", its issuer's tokens have to be with "+strings.Join(i.algorithms, ", "))
	}
	return i.source.find(ctx, algorithm, kid)
}

// checkAudience wants one of ours in `aud`, which is text or a list (RFC 7519
// section 4.1.3).
func (i *issuer) checkAudience(claims jwt.MapClaims) *httperr.Error {
	if len(i.audiences) == 0 {
		return nil
	}
	named, err := claims.GetAudience()
	if err != nil {
		return refuseClaims.Because(errAudience)
	}
	for _, audience := range named {
		if slices.Contains(i.audiences, audience) {
			return nil
		}
	}
	return because(refuseAudience, "it is for "+quoted(strings.Join(named, " "))+", not for "+strings.Join(i.audiences, " or "))
}

// translate returns the claims by our names. One of ours that the issuer should
// have under another name, and has not, is absent: what the issuer itself calls
// so is something else.
func (i *issuer) translate(claims jwt.MapClaims) jwt.MapClaims {
	if len(i.claims) == 0 {
		return claims
	}
	ours := maps.Clone(claims)
	for name := range i.claims {
		delete(ours, name)
	}
	for name, theirs := range i.claims {
		if value, present := claims[theirs]; present {
			ours[name] = value
		}
	}
	return ours
}

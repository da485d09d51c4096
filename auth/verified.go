package auth

// This file remembers verified tokens, so that each signature is checked once
// only.

import (
	"strings"
	"sync"
	"time"

	"gatehouse/auth/keys"
	"gatehouse/internal/httperr"
)

// Bounds on what is remembered. A client with many good tokens can make other
// tokens be verified again, and nothing worse.
const (
	verifiedLimit    = 16_384
	verifiedBudget   = 32 << 20 // bytes, by verifiedToken.size
	maxVerifiedBytes = 4 << 10  // longer tokens are verified each time
)

// verifiedTokens holds the tokens that a Verifier has verified, keyed by the
// whole token. It remembers who the token names and for how long, but never
// whether they may pass: the user's state and the rule decide that each time.
// Refusals are not remembered, so strangers cannot fill it.
type verifiedTokens struct {
	limit  int // entries
	budget int // bytes

	mu      sync.RWMutex
	entries map[string]*verifiedToken
	size    int // of all entries
}

// verifiedToken is the content of a good token. It never changes.
type verifiedToken struct {
	identity *Identity
	life     lifetime
	keys     keys.Version
	size     int // approximate bytes in memory
	used     usedBit
}

func newVerifiedTokens() *verifiedTokens {
	return &verifiedTokens{limit: verifiedLimit, budget: verifiedBudget, entries: map[string]*verifiedToken{}}
}

// find returns the identity of a token that was verified before, or why the
// token is no longer good. Both results are nil when the token must be
// verified.
func (t *verifiedTokens) find(token string, now time.Time) (*Identity, *httperr.Error) {
	t.mu.RLock()
	known := t.entries[token]
	t.mu.RUnlock()
	if known == nil {
		return nil, nil
	}
	if !known.keys.Current() {
		t.drop(token, known)
		return nil, nil
	}
	if refusal := known.life.check(now); refusal != nil {
		if refusal == refuseExpired {
			t.drop(token, known)
		}
		return nil, refusal
	}
	known.used.set()
	return known.identity, nil
}

// remember stores a verified token.
func (t *verifiedTokens) remember(token string, good *verifiedToken) {
	if len(token) > maxVerifiedBytes || !good.keys.Current() {
		return
	}
	good.size = sizeOf(token, good.identity)
	token = strings.Clone(token) // a substring of a header keeps the whole header in memory

	t.mu.Lock()
	defer t.mu.Unlock()
	t.remove(token) // another request may have verified it at the same time
	t.evict(good.size)
	t.entries[token] = good
	t.size += good.size
}

// sizeOf returns the approximate size of an entry, with its claims.
func sizeOf(token string, identity *Identity) int {
	const entry, claim, listed = 768, 48, 32 // as measured
	size := 2*len(token) + entry + claim*len(identity.claims)
	for _, value := range identity.claims {
		if values, isList := value.([]string); isList {
			size += listed * len(values)
		}
	}
	if identity.roles != nil {
		size += listed * len(identity.roles.names)
	}
	return size
}

// evict removes entries until the new one fits. As in CachedUsers, it picks an
// entry that was not used recently, out of a few random ones.
func (t *verifiedTokens) evict(size int) {
	for len(t.entries) > 0 && (len(t.entries) >= t.limit || t.size+size > t.budget) {
		var victim string
		seen := 0
		for token, known := range t.entries { // in random order
			victim = token
			if seen++; !known.used.clear() || seen == evictionSample {
				break
			}
		}
		t.remove(victim)
	}
}

// drop removes a token, unless it was verified again meanwhile.
func (t *verifiedTokens) drop(token string, known *verifiedToken) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.entries[token] == known {
		t.remove(token)
	}
}

func (t *verifiedTokens) remove(token string) {
	if known := t.entries[token]; known != nil {
		t.size -= known.size
		delete(t.entries, token)
	}
}

// forget removes all tokens.
func (t *verifiedTokens) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries, t.size = map[string]*verifiedToken{}, 0 // clear would keep the memory
}

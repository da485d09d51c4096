package auth

// This file remembers the tokens that were verified, so that a token costs its
// signature once.

import (
	"encoding/json"
	"maps"
	"strings"
	"sync"
	"time"

	"gatehouse/auth/keys"
	"gatehouse/internal/httperr"
)

// Bounds on what is remembered. Whoever has many good tokens makes others cost
// their signature again, and nothing else.
const (
	verifiedLimit    = 16_384
	verifiedBudget   = 32 << 20 // bytes, by verifiedToken.size
	maxVerifiedBytes = 4 << 10  // longer tokens are verified each time
)

// verifiedTokens are the tokens that a Verifier has found good, by the whole
// token: of two that differ anywhere one says nothing of the other. What is
// remembered is who the token names and for how long, never whether they may
// pass: that is asked of the user's state and of the rule each time. Refusals
// are not remembered, so strangers leave nothing here.
type verifiedTokens struct {
	limit  int // entries
	budget int // bytes

	mu      sync.RWMutex
	entries map[string]*verifiedToken
	size    int // of all entries
}

// verifiedToken is what a good token says. It does not change.
type verifiedToken struct {
	identity *Identity
	life     lifetime
	keys     keys.Version
	size     int // bytes that it takes here, about
	used     usedBit
}

func newVerifiedTokens() *verifiedTokens {
	return &verifiedTokens{limit: verifiedLimit, budget: verifiedBudget, entries: map[string]*verifiedToken{}}
}

// find returns whom a token names that was verified before, or why it is good no
// longer. It gives neither when the token has to be verified.
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

// remember keeps a token that was found good. Nobody else may hold its identity
// yet: the claims that no header can carry are let go.
func (t *verifiedTokens) remember(token string, good *verifiedToken) {
	if len(token) > maxVerifiedBytes || !good.keys.Current() {
		return
	}
	maps.DeleteFunc(good.identity.claims, func(_ string, value any) bool { return !isPlain(value) })
	good.size = sizeOf(token, good.identity)
	token = strings.Clone(token) // a part of a header keeps the whole head in memory

	t.mu.Lock()
	defer t.mu.Unlock()
	t.remove(token) // somebody else may have verified it at the same time
	t.evict(good.size)
	t.entries[token] = good
	t.size += good.size
}

// sizeOf is about what an entry takes, with its claims read out of the token.
func sizeOf(token string, identity *Identity) int {
	const entry, claim = 768, 48 // as measured
	return 2*len(token) + entry + claim*len(identity.claims)
}

// evict evicts until there is room for a newcomer, as CachedUsers do: out of
// a few that chance picks, one that nobody used of late.
func (t *verifiedTokens) evict(size int) {
	for len(t.entries) > 0 && (len(t.entries) >= t.limit || t.size+size > t.budget) {
		var victim string
		seen := 0
		for token, known := range t.entries { // in an order that differs every time
			victim = token
			if seen++; !known.used.clear() || seen == evictionSample {
				break
			}
		}
		t.remove(victim)
	}
}

// drop forgets a token, unless it was verified anew meanwhile.
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

// forget forgets all tokens.
func (t *verifiedTokens) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries, t.size = map[string]*verifiedToken{}, 0 // clear would keep the memory
}

// isPlain tells the claims that Identity.Claim can give.
func isPlain(claim any) bool {
	switch claim.(type) {
	case string, json.Number, bool:
		return true
	}
	return false
}

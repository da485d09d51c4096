package auth

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/internal/httperr"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// clock is a time that a test sets.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// mustVerify returns whom a good token names.
func mustVerify(t testing.TB, verifier *Verifier, token string) *Identity {
	t.Helper()
	identity, refusal := verifier.Verify(t.Context(), token)
	if refusal != nil {
		t.Fatal(refusal)
	}
	return identity
}

// remembered tells how many tokens are, and whether they are counted right.
func remembered(t testing.TB, verifier *Verifier) int {
	t.Helper()
	v := verifier.verified
	v.mu.RLock()
	defer v.mu.RUnlock()
	size := 0
	for token, known := range v.entries {
		size += sizeOf(token, known.identity)
	}
	if size != v.size {
		t.Errorf("remembered tokens count as %d bytes, want %d", v.size, size)
	}
	return len(v.entries)
}

func expectRemembered(t testing.TB, verifier *Verifier, when string, want int) {
	t.Helper()
	if got := remembered(t, verifier); got != want {
		t.Errorf("%s: %d tokens are remembered, want %d", when, got, want)
	}
}

// A token is verified once; another table verifies it again.
func TestVerifiedOnce(t *testing.T) {
	keys := secretKeys(t, secretOfTests)
	token := signed(t, claims(jwt.MapClaims{"name": "Ann", "groups": []string{"a"}, "address": map[string]any{"city": "b"}}))
	verifier := NewVerifier(keys, nil, atNoon)
	first := mustVerify(t, verifier, token)
	for range 3 {
		if again := mustVerify(t, verifier, strings.Clone(token)); again != first {
			t.Errorf("%p, then %p", first, again)
		}
	}
	expectRemembered(t, verifier, "after four requests", 1)
	if len(first.claims) != 6 || first.Claim("name") != "Ann" {
		t.Errorf("claims %v, want those that a header can carry", first.claims)
	}

	reloaded := NewVerifier(keys, nil, atNoon)
	expectRemembered(t, reloaded, "after a reload", 0)
	if again := mustVerify(t, reloaded, token); again == first {
		t.Error("another table knows the identity")
	}
	verifier.verified.forget()
	expectRemembered(t, verifier, "after all was forgotten", 0)
	if again := mustVerify(t, verifier, token); again == first {
		t.Error("what was forgotten is known")
	}
}

// A remembered token is good as long as it says, by the clock of now.
func TestVerifiedTimes(t *testing.T) {
	for name, test := range map[string]struct {
		changes jwt.MapClaims
		at      time.Time
		want    *httperr.Error
		left    int
	}{
		"same time":                  {nil, noon, nil, 1},
		"before exp":                 {nil, noon.Add(time.Hour - 1), nil, 1},
		"at exp":                     {nil, noon.Add(time.Hour), refuseExpired, 0},
		"after exp":                  {nil, noon.Add(2 * time.Hour), refuseExpired, 0},
		"at exp with a fraction":     {jwt.MapClaims{"exp": float64(noon.Unix()) + 0.5}, noon.Add(500 * time.Millisecond), refuseExpired, 0},
		"clock set back":             {nil, noon.Add(-time.Hour), nil, 1},
		"clock set back before iat":  {nil, noon.Add(-time.Hour - clockLeeway - 1), refuseNotYet, 1},
		"clock set back before nbf":  {jwt.MapClaims{"nbf": noon.Unix() - 60}, noon.Add(-time.Minute - clockLeeway - 1), refuseNotYet, 1},
		"iat counts after nbf":       {jwt.MapClaims{"nbf": noon.Unix() - 7200}, noon.Add(-time.Hour - clockLeeway - 1), refuseNotYet, 1},
		"no iat, clock set far back": {jwt.MapClaims{"iat": nil}, noon.AddDate(-50, 0, 0), nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			at := &clock{noon}
			verifier := NewVerifier(secretKeys(t, secretOfTests), nil, at.now)
			token := signed(t, claims(test.changes))
			mustVerify(t, verifier, token)
			at.at = test.at
			for range 2 {
				expectRefusal(t, verifier, token, test.want)
			}
			expectRemembered(t, verifier, "afterwards", test.left)
			if test.want == refuseExpired {
				return
			}
			at.at = noon
			expectRefusal(t, verifier, token, nil)
		})
	}
}

// A remembered token is dropped with its key: whatever the issuer publishes
// anew, its tokens are held against.
func TestVerifiedKeysRotate(t *testing.T) {
	before, after := newNamedKey(t, "before"), newNamedKey(t, "after")
	server := newIssuerServer(t, before)
	synctest.Test(t, func(t *testing.T) {
		gateway := newLiveIssuers(t, nil, listed(server.url))
		token, ours := before.token(t), signed(t, claims(nil))
		identity := func(token string) *Identity {
			t.Helper()
			return mustVerify(t, gateway.Verifier, token)
		}
		identity(token) // may wait for the first reading
		first, ofOurs := identity(token), identity(ours)
		waitReal(defaultFresh) // read again, and nothing new
		if identity(token) != first {
			t.Error("the same keys: verified anew")
		}
		server.publish(jwks(t, before, after))
		waitReal(defaultFresh)
		second := identity(token)
		if second == first || identity(token) != second {
			t.Error("other keys: want the token verified anew, and remembered")
		}
		server.serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		waitReal(defaultFresh)
		if identity(token) != second {
			t.Error("keys that cannot be read: verified anew")
		}
		server.publish(jwks(t, after))
		waitReal(defaultFresh)
		gateway.expect(t, token, refuseKey)
		expectRemembered(t, gateway.Verifier, "the key was taken out of use", 1)
		server.publish(jwks(t, before))
		waitReal(defaultFresh)
		if again := identity(token); again == second {
			t.Error("a key that comes back: remembered from before")
		}
		if identity(ours) != ofOurs {
			t.Error("a token of ours is verified anew")
		}
	})
}

// Keys that change while a token is held against the old ones make nothing of
// what was found.
func TestVerifiedWhileKeysRotate(t *testing.T) {
	key := newNamedKey(t, "a")
	verifier := verifierOf(t, listed(fileWith(t, jwks(t, key))))
	token := key.token(t)
	good, refusal := verifier.verify(t.Context(), token)
	if refusal != nil {
		t.Fatal(refusal)
	}
	source := verifier.issuers.byName[issuerName].keySource
	if err := source.apply(jwks(t, newNamedKey(t, "b"))); err != nil {
		t.Fatal(err)
	}
	verifier.verified.remember(token, good)
	expectRemembered(t, verifier, "keys changed before it was", 0)
	verifier.verified.entries[token] = good // and if they had changed in between
	verifier.verified.size += good.size
	if _, refusal := verifier.verified.find(token, noon); refusal != nil {
		t.Error(refusal)
	}
	expectRemembered(t, verifier, "keys changed after it was", 0)
}

// Only good tokens are remembered: strangers cannot fill anything.
func TestRefusalsAreNotRemembered(t *testing.T) {
	theirs := newNamedKey(t, "a")
	entry := listed(fileWith(t, jwks(t, theirs)))
	entry.Audience = []string{"atenex"}
	verifier := verifierOf(t, entry)
	es256, header := jwt.SigningMethodES256, map[string]any{"kid": "a"}
	good := signed(t, claims(nil))
	for name, test := range map[string]struct {
		token string
		want  *httperr.Error
	}{
		"malformed":        {"a.b.c", refuseMalformed},
		"line break":       {good + "\n", refuseMalformed},
		"carriage return":  {"\r" + good, refuseMalformed},
		"oversize":         {strings.Repeat("x", maxTokenBytes+1), refuseMalformed},
		"forged":           {signedWith(t, jwt.SigningMethodHS256, []byte("another secret, of thirty-two bytes"), claims(nil), nil), refuseSignature},
		"other algorithm":  {signedWith(t, jwt.SigningMethodHS512, []byte(secretOfTests), claims(nil), nil), refuseAlgorithm},
		"expired":          {signed(t, claims(jwt.MapClaims{"exp": noon.Unix()})), refuseExpired},
		"not yet":          {signed(t, claims(jwt.MapClaims{"nbf": noon.Unix() + 60})), refuseNotYet},
		"no exp":           {signed(t, claims(jwt.MapClaims{"exp": nil})), refuseNoExpiry},
		"no sub":           {signed(t, claims(jwt.MapClaims{"sub": nil})), refuseNoSubject},
		"wrong type":       {signed(t, claims(jwt.MapClaims{"email": true})), refuseClaims},
		"another audience": {signedWith(t, es256, theirs.key, issued(jwt.MapClaims{"aud": "other"}), header), refuseAudience},
		"unknown key":      {newNamedKey(t, "b").token(t), refuseKey},
	} {
		for range 2 {
			expectRefusal(t, verifier, test.token, test.want)
		}
		expectRemembered(t, verifier, name, 0)
	}
}

// What is remembered of a token says nothing of one that differs from it.
func TestVerifiedIsTheWholeToken(t *testing.T) {
	verifier := NewVerifier(secretKeys(t, secretOfTests), nil, atNoon)
	token := signed(t, claims(nil))
	mustVerify(t, verifier, token)
	others := []string{nextSpelling(token), token[:len(token)-1], token + "A", " " + token, strings.ToUpper(token)}
	for i := range token {
		with := byte('A')
		if token[i] == with {
			with = 'B'
		}
		others = append(others, token[:i]+string(with)+token[i+1:])
	}
	for _, other := range others {
		if _, refusal := verifier.Verify(t.Context(), other); refusal == nil {
			t.Errorf("%q is accepted after %q", other, token)
		}
	}
	expectRemembered(t, verifier, "after all of them", 1)

	bob := signed(t, claims(jwt.MapClaims{"sub": uuid.NewString()}))
	if mustVerify(t, verifier, bob).UserID == mustVerify(t, verifier, token).UserID {
		t.Error("two users have one identity")
	}
}

// However many good tokens come, so many are kept, and one in use stays.
func TestVerifiedIsBounded(t *testing.T) {
	const flood = 600
	distinct := func(i, padding int) string {
		return signed(t, claims(jwt.MapClaims{"jti": fmt.Sprint(i), "padding": strings.Repeat("x", padding)}))
	}
	for name, test := range map[string]struct {
		limit, budget int
		padding       int
		want          int // entries
	}{
		"entries": {limit: 50, budget: verifiedBudget, want: 50},
		"bytes":   {limit: verifiedLimit, budget: 100 << 10, padding: 1000, want: 20},
	} {
		t.Run(name, func(t *testing.T) {
			verifier := NewVerifier(secretKeys(t, secretOfTests), nil, atNoon)
			verified := verifier.verified
			verified.limit, verified.budget = test.limit, test.budget
			inUse := distinct(flood, 0)
			known, lost := mustVerify(t, verifier, inUse), 0
			for i := range flood {
				mustVerify(t, verifier, distinct(i, test.padding))
				if again := mustVerify(t, verifier, inUse); again != known {
					known = again
					lost++
				}
				if got := len(verified.entries); got > test.limit || verified.size > test.budget {
					t.Fatalf("%d entries of %d, %d bytes of %d", got, test.limit, verified.size, test.budget)
				}
			}
			if got := remembered(t, verifier); got < test.want*3/4 {
				t.Errorf("%d entries are left, want about %d", got, test.want)
			}
			if lost > flood/50 {
				t.Errorf("a token in use was evicted %d times in %d", lost, flood)
			}
		})
	}
	t.Run("long tokens", func(t *testing.T) {
		verifier := NewVerifier(secretKeys(t, secretOfTests), nil, atNoon)
		long := distinct(0, maxVerifiedBytes)
		for range 2 {
			mustVerify(t, verifier, long)
		}
		expectRemembered(t, verifier, "a long token", 0)
	})
}

// Many verify at once, while entries are evicted, expire and lose their keys.
func TestVerifiedAtOnce(t *testing.T) {
	key := newNamedKey(t, "a")
	set := jwks(t, key)
	verifier := verifierOf(t, listed(fileWith(t, set)))
	verifier.verified.limit = 8
	source := verifier.issuers.byName[issuerName].keySource
	var tokens, users []string
	for i := range 16 {
		user := uuid.NewString()
		token := signed(t, claims(jwt.MapClaims{"sub": user}))
		if i%2 == 0 {
			token = signedWith(t, jwt.SigningMethodES256, key.key, issued(jwt.MapClaims{"sub": user}), map[string]any{"kid": "a"})
		}
		tokens, users = append(tokens, token), append(users, user)
	}
	var all sync.WaitGroup
	for start := range 8 {
		all.Go(func() {
			for i := range 200 {
				n := (start + i) % len(tokens)
				identity, refusal := verifier.Verify(t.Context(), tokens[n])
				if refusal != nil || identity.UserID != users[n] {
					t.Errorf("user %s: %+v, %v", users[n], identity, refusal)
				}
			}
		})
	}
	all.Go(func() {
		for i := range 50 {
			// The same keys in other words.
			if err := source.apply([]byte(string(set) + strings.Repeat(" ", i+1))); err != nil {
				t.Error(err)
			}
			if i%10 == 0 {
				verifier.verified.forget()
			}
		}
	})
	all.Wait()
	if got := remembered(t, verifier); got > 8 {
		t.Errorf("%d tokens are remembered, want 8 at most", got)
	}
}

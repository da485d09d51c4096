package auth

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/auth/authtest"
	"gatehouse/auth/keys/keystest"
	"gatehouse/internal/httperr"
	"gatehouse/internal/testkit"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// defaultFresh is how long the keys of an issuer are kept without max-age.
const defaultFresh = 10 * time.Minute

// clock is a clock that the test sets.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// mustVerify returns the identity of a good token.
func mustVerify(t testing.TB, verifier *Verifier, token string) *Identity {
	t.Helper()
	identity, refusal := verifier.Verify(t.Context(), token)
	if refusal != nil {
		t.Fatal(refusal)
	}
	return identity
}

// remembered returns the number of remembered tokens, and checks their sizes.
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

// A token is verified once per table.
func TestVerifiedOnce(t *testing.T) {
	ring := keystest.NewRing(t, authtest.Secret)
	token := authtest.Signed(t, authtest.Claims(jwt.MapClaims{"name": "Ann", "groups": []string{"a"}, "address": map[string]any{"city": "b"}}))
	verifier := NewVerifier(ring, nil, authtest.AtNoon)
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

	reloaded := NewVerifier(ring, nil, authtest.AtNoon)
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

// A remembered token is good until it expires, by the current clock.
func TestVerifiedTimes(t *testing.T) {
	for name, test := range map[string]struct {
		changes jwt.MapClaims
		at      time.Time
		want    *httperr.Error
		left    int
	}{
		"same time":                  {nil, authtest.Noon, nil, 1},
		"before exp":                 {nil, authtest.Noon.Add(time.Hour - 1), nil, 1},
		"at exp":                     {nil, authtest.Noon.Add(time.Hour), refuseExpired, 0},
		"after exp":                  {nil, authtest.Noon.Add(2 * time.Hour), refuseExpired, 0},
		"at exp with a fraction":     {jwt.MapClaims{"exp": float64(authtest.Noon.Unix()) + 0.5}, authtest.Noon.Add(500 * time.Millisecond), refuseExpired, 0},
		"clock set back":             {nil, authtest.Noon.Add(-time.Hour), nil, 1},
		"clock set back before iat":  {nil, authtest.Noon.Add(-time.Hour - clockLeeway - 1), refuseNotYet, 1},
		"clock set back before nbf":  {jwt.MapClaims{"nbf": authtest.Noon.Unix() - 60}, authtest.Noon.Add(-time.Minute - clockLeeway - 1), refuseNotYet, 1},
		"iat counts after nbf":       {jwt.MapClaims{"nbf": authtest.Noon.Unix() - 7200}, authtest.Noon.Add(-time.Hour - clockLeeway - 1), refuseNotYet, 1},
		"no iat, clock set far back": {jwt.MapClaims{"iat": nil}, authtest.Noon.AddDate(-50, 0, 0), nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			at := &clock{authtest.Noon}
			verifier := NewVerifier(keystest.NewRing(t, authtest.Secret), nil, at.now)
			token := authtest.Signed(t, authtest.Claims(test.changes))
			mustVerify(t, verifier, token)
			at.at = test.at
			for range 2 {
				expectRefusal(t, verifier, token, test.want)
			}
			expectRemembered(t, verifier, "afterwards", test.left)
			if test.want == refuseExpired {
				return
			}
			at.at = authtest.Noon
			expectRefusal(t, verifier, token, nil)
		})
	}
}

// A remembered token is dropped with its key, and is then verified with the
// keys that the issuer publishes now.
func TestVerifiedKeysRotate(t *testing.T) {
	before, after := authtest.NewNamedKey(t, "before"), authtest.NewNamedKey(t, "after")
	server := authtest.NewIssuerServer(t, before)
	synctest.Test(t, func(t *testing.T) {
		gateway := newLiveIssuers(t, nil, authtest.Listed(server.URL))
		token, ours := before.Token(t), authtest.Signed(t, authtest.Claims(nil))
		identity := func(token string) *Identity {
			t.Helper()
			return mustVerify(t, gateway.Verifier, token)
		}
		identity(token) // may wait for the first reading
		first, ofOurs := identity(token), identity(ours)
		authtest.Sleep(defaultFresh) // read again, and nothing new
		if identity(token) != first {
			t.Error("the same ring: verified anew")
		}
		server.Publish(authtest.JWKS(t, before, after))
		authtest.Sleep(defaultFresh)
		second := identity(token)
		if second == first || identity(token) != second {
			t.Error("other ring: want the token verified anew, and remembered")
		}
		server.Serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		authtest.Sleep(defaultFresh)
		if identity(token) != second {
			t.Error("keys that cannot be read: verified anew")
		}
		server.Publish(authtest.JWKS(t, after))
		authtest.Sleep(defaultFresh)
		gateway.expect(t, token, refuseKey)
		expectRemembered(t, gateway.Verifier, "the key was taken out of use", 1)
		server.Publish(authtest.JWKS(t, before))
		authtest.Sleep(defaultFresh)
		if again := identity(token); again == second {
			t.Error("a key that comes back: remembered from before")
		}
		if identity(ours) != ofOurs {
			t.Error("a token of ours is verified anew")
		}
	})
}

// When keys change during a verification with the old keys, its result is not
// remembered.
func TestVerifiedWhileKeysRotate(t *testing.T) {
	key := authtest.NewNamedKey(t, "a")
	place, verifier := newPlace(t, authtest.JWKS(t, key))
	token := key.Token(t)
	good, refusal := verifier.verify(t.Context(), token)
	if refusal != nil {
		t.Fatal(refusal)
	}
	place.publish(t, authtest.JWKS(t, authtest.NewNamedKey(t, "b")))
	verifier.verified.remember(token, good)
	expectRemembered(t, verifier, "keys changed before it was", 0)
	verifier.verified.entries[token] = good // and if they had changed in between
	verifier.verified.size += good.size
	if _, refusal := verifier.verified.find(token, authtest.Noon); refusal != nil {
		t.Error(refusal)
	}
	expectRemembered(t, verifier, "keys changed after it was", 0)
}

// Only good tokens are remembered, so strangers cannot fill the memory.
func TestRefusalsAreNotRemembered(t *testing.T) {
	theirs := authtest.NewNamedKey(t, "a")
	entry := authtest.Listed(testkit.TempFile(t, "keys", authtest.JWKS(t, theirs)))
	entry.Audience = []string{"atenex"}
	verifier := verifierOf(t, entry)
	es256, header := jwt.SigningMethodES256, map[string]any{"kid": "a"}
	good := authtest.Signed(t, authtest.Claims(nil))
	for name, test := range map[string]struct {
		token string
		want  *httperr.Error
	}{
		"malformed":        {"a.b.c", refuseMalformed},
		"line break":       {good + "\n", refuseMalformed},
		"carriage return":  {"\r" + good, refuseMalformed},
		"oversize":         {strings.Repeat("x", maxTokenBytes+1), refuseMalformed},
		"forged":           {authtest.SignedWith(t, jwt.SigningMethodHS256, []byte("another secret, of thirty-two bytes"), authtest.Claims(nil), nil), refuseSignature},
		"other algorithm":  {authtest.SignedWith(t, jwt.SigningMethodHS512, []byte(authtest.Secret), authtest.Claims(nil), nil), refuseAlgorithm},
		"expired":          {authtest.Signed(t, authtest.Claims(jwt.MapClaims{"exp": authtest.Noon.Unix()})), refuseExpired},
		"not yet":          {authtest.Signed(t, authtest.Claims(jwt.MapClaims{"nbf": authtest.Noon.Unix() + 60})), refuseNotYet},
		"no exp":           {authtest.Signed(t, authtest.Claims(jwt.MapClaims{"exp": nil})), refuseNoExpiry},
		"no sub":           {authtest.Signed(t, authtest.Claims(jwt.MapClaims{"sub": nil})), refuseNoSubject},
		"wrong type":       {authtest.Signed(t, authtest.Claims(jwt.MapClaims{"email": true})), refuseClaims},
		"another audience": {authtest.SignedWith(t, es256, theirs.Key, authtest.IssuerClaims(jwt.MapClaims{"aud": "other"}), header), refuseAudience},
		"unknown key":      {authtest.NewNamedKey(t, "b").Token(t), refuseKey},
	} {
		for range 2 {
			expectRefusal(t, verifier, test.token, test.want)
		}
		expectRemembered(t, verifier, name, 0)
	}
}

// A remembered token does not affect a token that differs from it.
func TestVerifiedIsTheWholeToken(t *testing.T) {
	verifier := NewVerifier(keystest.NewRing(t, authtest.Secret), nil, authtest.AtNoon)
	token := authtest.Signed(t, authtest.Claims(nil))
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

	bob := authtest.Signed(t, authtest.Claims(jwt.MapClaims{"sub": uuid.NewString()}))
	if mustVerify(t, verifier, bob).UserID == mustVerify(t, verifier, token).UserID {
		t.Error("two users have one identity")
	}
}

// The number of remembered tokens is bounded, and one in use stays.
func TestVerifiedIsBounded(t *testing.T) {
	const flood = 600
	distinct := func(i, padding int) string {
		return authtest.Signed(t, authtest.Claims(jwt.MapClaims{"jti": fmt.Sprint(i), "padding": strings.Repeat("x", padding)}))
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
			verifier := NewVerifier(keystest.NewRing(t, authtest.Secret), nil, authtest.AtNoon)
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
		verifier := NewVerifier(keystest.NewRing(t, authtest.Secret), nil, authtest.AtNoon)
		long := distinct(0, maxVerifiedBytes)
		for range 2 {
			mustVerify(t, verifier, long)
		}
		expectRemembered(t, verifier, "a long token", 0)
	})
}

// Many verifications at once, while entries are evicted, expire and lose their
// keys.
func TestVerifiedAtOnce(t *testing.T) {
	key := authtest.NewNamedKey(t, "a")
	set := authtest.JWKS(t, key)
	place, verifier := newPlace(t, set)
	verifier.verified.limit = 8
	var tokens, users []string
	for i := range 16 {
		user := uuid.NewString()
		token := authtest.Signed(t, authtest.Claims(jwt.MapClaims{"sub": user}))
		if i%2 == 0 {
			token = authtest.SignedWith(t, jwt.SigningMethodES256, key.Key, authtest.IssuerClaims(jwt.MapClaims{"sub": user}), map[string]any{"kid": "a"})
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
			// The same keys in another spelling.
			place.publish(t, []byte(string(set)+strings.Repeat(" ", i+1)))
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

package auth

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/auth/authtest"
	"gatehouse/config"
	"gatehouse/internal/httperr"
	"gatehouse/internal/testkit"

	"github.com/golang-jwt/jwt/v5"
)

// leewayVerifier returns a verifier for an issuer with a leeway, and its key.
func leewayVerifier(t testing.TB, leeway time.Duration) (*Verifier, authtest.NamedKey) {
	t.Helper()
	key := authtest.NewNamedKey(t, "a")
	entry := authtest.Listed(testkit.TempFile(t, "keys", authtest.JWKS(t, key)))
	entry.Leeway = leeway
	return verifierOf(t, entry), key
}

// The tokens of another issuer are accepted for its leeway after exp, and ours
// are not, whether they are remembered or not.
func TestLeeway(t *testing.T) {
	const hour, second = time.Hour, time.Second // the tokens expire an hour after noon
	for name, test := range map[string]struct {
		leeway  time.Duration
		ours    bool
		changes jwt.MapClaims
		at      time.Duration // after noon
		want    *httperr.Error
	}{
		"just before exp":                    {leeway: 30 * second, at: hour - 1},
		"at exp":                             {leeway: 30 * second, at: hour},
		"at the end of the leeway":           {leeway: 30 * second, at: hour + 30*second - 1},
		"after the leeway":                   {leeway: 30 * second, at: hour + 30*second, want: refuseExpired},
		"five minutes":                       {leeway: 5 * time.Minute, at: hour + 5*time.Minute - 1},
		"after five minutes":                 {leeway: 5 * time.Minute, at: hour + 5*time.Minute, want: refuseExpired},
		"none":                               {at: hour, want: refuseExpired},
		"ours, at exp":                       {leeway: 5 * time.Minute, ours: true, at: hour, want: refuseExpired},
		"nbf, within the usual leeway":       {changes: jwt.MapClaims{"nbf": authtest.Noon.Unix() + 30}},
		"nbf, after it":                      {changes: jwt.MapClaims{"nbf": authtest.Noon.Unix() + 31}, want: refuseNotYet},
		"nbf, within a longer leeway":        {leeway: time.Minute, changes: jwt.MapClaims{"nbf": authtest.Noon.Unix() + 60}},
		"iat, after a longer leeway":         {leeway: time.Minute, changes: jwt.MapClaims{"iat": authtest.Noon.Unix() + 61}, want: refuseNotYet},
		"ours, nbf within another's leeway":  {leeway: time.Minute, ours: true, changes: jwt.MapClaims{"nbf": authtest.Noon.Unix() + 31}, want: refuseNotYet},
		"exp that is no number":              {leeway: time.Minute, changes: jwt.MapClaims{"exp": "soon"}, want: refuseNoExpiry},
		"exp far beyond what a clock can be": {leeway: time.Minute, changes: jwt.MapClaims{"exp": 1 << 41}, want: refuseNoExpiry},
	} {
		t.Run(name, func(t *testing.T) {
			verifier, key := leewayVerifier(t, test.leeway)
			at := &clock{authtest.Noon}
			verifier.now = at.now
			token := authtest.SignedWith(t, jwt.SigningMethodES256, key.Key, authtest.IssuerClaims(test.changes), map[string]any{"kid": "a"})
			if test.ours {
				token = authtest.Signed(t, authtest.Claims(test.changes))
			}
			if test.changes == nil { // remember it
				mustVerify(t, verifier, token)
			}
			at.at = authtest.Noon.Add(test.at)
			expectRefusal(t, verifier, token, test.want)
			verifier.verified.forget()
			expectRefusal(t, verifier, token, test.want)
		})
	}
}

// A stream ends when its token is no longer accepted, with the leeway of the
// issuer.
func TestLeewayOfStreams(t *testing.T) {
	const leeway = 2 * time.Minute
	verifier, key := leewayVerifier(t, leeway)
	token := key.Token(t)
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		verifier.now = func() time.Time { return authtest.Noon.Add(time.Since(began)) }
		gate := NewGate(verifier, nil)
		who := mustVerify(t, verifier, token)
		revocable, release := gate.WithRevocation(t.Context(), who, Rule{Policy: config.PolicyStrict})
		defer release()
		<-revocable.Done()
		if cause := context.Cause(revocable); !errors.Is(cause, refuseExpired) || time.Since(began) != time.Hour+leeway {
			t.Errorf("ended after %s because of %v", time.Since(began), cause)
		}
	})
}

// The leeway does not help a token that was revoked.
func TestNoLeewayAfterRevocation(t *testing.T) {
	verifier, key := leewayVerifier(t, 5*time.Minute)
	header := http.Header{"Authorization": {"Bearer " + key.Token(t)}}
	state := UserState{Active: true, CompanyID: &authtest.Acme}
	verifier.now = func() time.Time { return authtest.Noon.Add(time.Hour + time.Minute) }
	for name, test := range map[string]struct {
		change func(*UserState)
		want   answer
	}{
		"as before": {func(*UserState) {}, passes},
		"revoked":   {func(u *UserState) { u.ValidAfter = authtest.Noon.Add(time.Hour) }, revoked},
		"disabled":  {func(u *UserState) { u.Active = false }, inactive},
	} {
		now := state
		test.change(&now)
		if _, refusal := NewGate(verifier, oneUser(now)).Decide(t.Context(), header, Rule{Policy: config.PolicyStrict}); answerOf(t, refusal) != test.want {
			t.Errorf("%s: got %+v, want %+v", name, answerOf(t, refusal), test.want)
		}
	}
}

// A revocation holds for a token that was seen before, also when the clock of its
// issuer is ahead.
func TestRevocationWithAClockAhead(t *testing.T) {
	verifier, key := leewayVerifier(t, 5*time.Minute)
	at := &clock{authtest.Noon}
	verifier.now = at.now
	token := authtest.SignedWith(t, jwt.SigningMethodES256, key.Key, authtest.IssuerClaims(jwt.MapClaims{"iat": authtest.Noon.Unix() + 25}), map[string]any{"kid": "a"})
	header := http.Header{"Authorization": {"Bearer " + token}}
	state := UserState{Active: true, CompanyID: &authtest.Acme}
	rule := Rule{Policy: config.PolicyStrict}
	who, refusal := NewGate(verifier, oneUser(state)).Decide(t.Context(), header, rule)
	if refusal != nil {
		t.Fatal(refusal)
	}
	state.ValidAfter = authtest.Noon.Add(10 * time.Second)
	for _, later := range []time.Duration{11 * time.Second, 26 * time.Second, time.Minute} {
		at.at = authtest.Noon.Add(later)
		gate := NewGate(verifier, oneUser(state))
		if _, refusal := gate.Decide(t.Context(), header, rule); answerOf(t, refusal) != revoked {
			t.Errorf("after %v: %+v", later, answerOf(t, refusal))
		}
		if refusal := gate.Recheck(t.Context(), who, rule); answerOf(t, refusal) != revoked {
			t.Errorf("a stream after %v: %+v", later, answerOf(t, refusal))
		}
	}
	// A token that was issued after the revocation is good.
	later := authtest.SignedWith(t, jwt.SigningMethodES256, key.Key, authtest.IssuerClaims(jwt.MapClaims{"iat": authtest.Noon.Unix() + 30}), map[string]any{"kid": "a"})
	if _, refusal := NewGate(verifier, oneUser(state)).Decide(t.Context(), http.Header{"Authorization": {"Bearer " + later}}, rule); refusal != nil {
		t.Error(refusal)
	}
}

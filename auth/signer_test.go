package auth

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/auth/authtest"
	"gatehouse/auth/keys/keystest"
	"gatehouse/config"
	"gatehouse/store"
)

// TestTokenFor tests tokens with revocations before the token was made, and
// after its row was read.
func TestTokenFor(t *testing.T) {
	ring := keystest.NewRing(t, authtest.Secret)
	at := func(d time.Duration) *time.Time {
		moment := authtest.Noon.Add(d)
		return &moment
	}
	for _, test := range []struct {
		name   string
		inRow  *time.Time // as read at noon
		now    *time.Time // when the token is shown
		issued time.Duration
		void   bool
	}{
		{"never", nil, nil, 0, false},
		{"yesterday", at(-24 * time.Hour), at(-24 * time.Hour), 0, false},
		{"a second before", at(-time.Second), at(-time.Second), 0, false},
		{"in the same second", at(0), at(0), time.Second, false},
		{"by a clock that goes ahead", at(2500 * time.Millisecond), at(2500 * time.Millisecond), 3 * time.Second, false},
		{"in the same second, since the row was read", nil, at(time.Millisecond), 0, true},
		{"later, since the row was read", at(-time.Hour), at(5 * time.Second), 0, true},
		{"twice in a second", at(0), at(time.Second), time.Second, true},
	} {
		user := store.User{ID: uuid.New(), Email: "ann@example.com", CompanyID: &authtest.Acme, TokensValidAfter: test.inRow}
		token, err := NewSigner(ring, time.Hour, authtest.AtNoon).TokenFor(user, authtest.Noon)
		if err != nil {
			t.Fatal(err)
		}
		user.TokensValidAfter, user.Active = test.now, true
		gate := NewGate(NewVerifier(ring, nil, authtest.AtNoon), oneUser(stateOf(user)))
		who, refusal := gate.Decide(t.Context(), http.Header{"Authorization": {"Bearer " + token}}, Rule{Policy: config.PolicyStrict})
		if (refusal == refuseRevoked) != test.void || !test.void && refusal != nil {
			t.Errorf("%s: %v", test.name, refusal)
		}
		if !who.IssuedAt.Equal(authtest.Noon.Add(test.issued)) || who.ExpiresAt.Sub(who.IssuedAt) != time.Hour {
			t.Errorf("%s: issued at %s until %s", test.name, who.IssuedAt, who.ExpiresAt)
		}
	}
}

// TestTokenLifetime requires that the time between reading the row and signing
// is not part of the token's life.
func TestTokenLifetime(t *testing.T) {
	ring := keystest.NewRing(t, authtest.Secret)
	for _, took := range []time.Duration{0, 700 * time.Millisecond, 5 * time.Second} {
		for _, ttl := range []time.Duration{time.Minute, time.Hour, 90*time.Second + 400*time.Millisecond} {
			readAt := authtest.Noon.Add(600 * time.Millisecond)
			signer := NewSigner(ring, ttl, func() time.Time { return readAt.Add(took) })
			token, err := signer.TokenFor(store.User{ID: uuid.New(), Email: "ann@example.com"}, readAt)
			if err != nil {
				t.Fatal(err)
			}
			who, refusal := NewVerifier(ring, nil, authtest.AtNoon).Verify(t.Context(), token)
			if refusal != nil {
				t.Fatal(refusal)
			}
			if life := who.ExpiresAt.Sub(who.IssuedAt); life != ttl.Truncate(time.Second) {
				t.Errorf("a ttl of %v and a login of %v: the token lives for %v", ttl, took, life)
			}
		}
	}
}

package auth

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/auth/authtest"
	"gatehouse/auth/keys/keystest"
	"gatehouse/config"
	"gatehouse/internal/httperr"
)

// passedIdentity returns a gate with cached users, and the identity of a caller
// who passed.
func passedIdentity(t *testing.T) (*Gate, *CachedUsers, *rows, *Identity) {
	t.Helper()
	c, asked := newCached(0)
	c.Connected()
	began := time.Now()
	now := func() time.Time { return authtest.Noon.Add(time.Since(began)) }
	gate := NewGate(NewVerifier(keystest.NewRing(t, authtest.Secret), nil, now), c)
	header := http.Header{"Authorization": {"Bearer " + authtest.Signed(t, authtest.Claims(nil))}}
	who, refusal := gate.Decide(t.Context(), header, strict)
	if refusal != nil {
		t.Fatal(refusal)
	}
	return gate, c, asked, who
}

var strict = Rule{Policy: config.PolicyStrict}

// without returns the state of a member with a change.
func without(change func(*UserState)) UserState {
	state := member
	change(&state)
	return state
}

var outs = map[string]struct {
	state UserState
	rule  Rule
	want  *httperr.Error
}{
	"disabled":       {without(func(u *UserState) { u.Active = false }), strict, refuseInactive},
	"moved":          {without(func(u *UserState) { u.CompanyID = &authtest.Globex }), strict, refuseMoved},
	"without a role": {without(func(u *UserState) { u.Role = "guest" }), Rule{Policy: config.PolicyStrict, Roles: []string{"user"}}, refuseRole},
	"logged out":     {without(func(u *UserState) { u.ValidAfter = authtest.Noon }), strict, refuseRevoked},
}

// TestRecheck requires the decision that Decide would make now.
func TestRecheck(t *testing.T) {
	for name, out := range outs {
		synctest.Test(t, func(t *testing.T) {
			gate, c, asked, who := passedIdentity(t)
			if refusal := gate.Recheck(t.Context(), who, out.rule); refusal != nil {
				t.Errorf("%s: refused before: %v", name, refusal)
			}
			asked.set(ann, out.state)
			c.Changed(ann)
			if refusal := gate.Recheck(t.Context(), who, out.rule); refusal != out.want {
				t.Errorf("%s: %v, want %v", name, refusal, out.want)
			}
			if refusal := gate.Recheck(t.Context(), nil, Rule{Policy: config.PolicyNone}); refusal != nil {
				t.Errorf("%s: nobody is asked for: %v", name, refusal)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		gate, c, asked, who := passedIdentity(t)
		delete(asked.states, ann)
		c.Changed(ann)
		if refusal := gate.Recheck(t.Context(), who, strict); refusal != refuseUnknownUser {
			t.Errorf("deleted: %v", refusal)
		}
		time.Sleep(time.Hour)
		if refusal := gate.Recheck(t.Context(), who, strict); refusal != refuseExpired {
			t.Errorf("an hour later: %v", refusal)
		}
	})
}

// TestRevocation requires that an open stream ends when its caller would no
// longer pass.
func TestRevocation(t *testing.T) {
	for name, out := range outs {
		synctest.Test(t, func(t *testing.T) {
			gate, c, asked, who := passedIdentity(t)
			revocable, release := gate.WithRevocation(t.Context(), who, out.rule)
			defer release()
			c.Changed(ann) // in nothing that matters
			c.AllChanged()
			synctest.Wait()
			if revocable.Err() != nil {
				t.Fatalf("%s: ended before: %v", name, context.Cause(revocable))
			}
			asked.set(ann, out.state)
			c.Changed(ann)
			synctest.Wait()
			if cause := context.Cause(revocable); cause != out.want { //nolint:errorlint // the refusal itself is the cause
				t.Errorf("%s: ended because of %v, want %v", name, cause, out.want)
			}
		})
	}
}

// TestRevocationBeforeTheWatch changes the user after the decision and before
// the watch.
func TestRevocationBeforeTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate, c, asked, who := passedIdentity(t)
		asked.set(ann, outs["disabled"].state)
		c.Changed(ann)
		revocable, release := gate.WithRevocation(t.Context(), who, strict)
		defer release()
		synctest.Wait()
		if cause := context.Cause(revocable); !errors.Is(cause, refuseInactive) {
			t.Errorf("ended because of %v", cause)
		}
	})
}

func TestRevocationByExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate, _, _, who := passedIdentity(t)
		began := time.Now()
		revocable, release := gate.WithRevocation(t.Context(), who, strict)
		defer release()
		<-revocable.Done()
		if cause := context.Cause(revocable); !errors.Is(cause, refuseExpired) || time.Since(began) != time.Hour {
			t.Errorf("ended after %s because of %v", time.Since(began), cause)
		}
	})
}

// TestRevocationReleased requires that a released watch is gone.
func TestRevocationReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate, c, _, who := passedIdentity(t)
		revocable, release := gate.WithRevocation(t.Context(), who, strict)
		synctest.Wait()
		release()
		if !errors.Is(context.Cause(revocable), context.Canceled) {
			t.Errorf("ended because of %v", context.Cause(revocable))
		}
		if len(c.watchers) > 0 {
			t.Error("the user is still watched")
		}
		c.Changed(ann)
		same, release := gate.WithRevocation(t.Context(), nil, Rule{Policy: config.PolicyNone})
		release()
		if same != t.Context() {
			t.Error("nobody is revocable")
		}
		// A gate without users, or with users that report no changes.
		for _, other := range []*Gate{NewGate(gate.tokens, nil), NewGate(gate.tokens, oneUser(member))} {
			revocable, release := other.WithRevocation(t.Context(), who, strict)
			synctest.Wait()
			if revocable.Err() != nil {
				t.Error(context.Cause(revocable))
			}
			release()
		}
	})
}

// TestRevocationWithoutFeed requires that open streams are checked at intervals
// while the feed is lost, and end when the state is unknown.
func TestRevocationWithoutFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate, c, asked, who := passedIdentity(t)
		revocable, release := gate.WithRevocation(t.Context(), who, strict)
		defer release()
		c.Lost(errAway)
		time.Sleep(time.Minute)
		if revocable.Err() != nil {
			t.Errorf("ended with the store there: %v", context.Cause(revocable))
		}
		asked.fail(errAway)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if cause := context.Cause(revocable); !errors.Is(cause, errAway) {
			t.Errorf("ended because of %v", cause)
		}
		c.Connected() // ends the timer
	})
}

package auth

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/config"
)

// passed returns a gate before cached users, and somebody who passed it.
func passed(t *testing.T) (*Gate, *CachedUsers, *rows, *Identity) {
	t.Helper()
	c, asked := newCached(0)
	c.Connected()
	began := time.Now()
	now := func() time.Time { return noon.Add(time.Since(began)) }
	gate := NewGate(NewVerifier(secretKeys(t, secretOfTests), nil, now), c)
	header := http.Header{"Authorization": {"Bearer " + signed(t, claims(nil))}}
	who, refusal := gate.Decide(t.Context(), header, strict)
	if refusal != nil {
		t.Fatal(refusal)
	}
	return gate, c, asked, who
}

var strict = Rule{Policy: config.PolicyStrict}

// without is the state of a member with a change.
func without(change func(*UserState)) UserState {
	state := member
	change(&state)
	return state
}

var outs = map[string]struct {
	state UserState
	rule  Rule
	want  *Refusal
}{
	"disabled":       {without(func(u *UserState) { u.Active = false }), strict, refuseInactive},
	"moved":          {without(func(u *UserState) { u.CompanyID = &globex }), strict, refuseMoved},
	"without a role": {without(func(u *UserState) { u.Role = "guest" }), Rule{Policy: config.PolicyStrict, Roles: []string{"user"}}, refuseRole},
	"logged out":     {without(func(u *UserState) { u.ValidAfter = noon }), strict, refuseRevoked},
}

// TestRecheck decides as Decide would now, of somebody who passed.
func TestRecheck(t *testing.T) {
	for name, out := range outs {
		synctest.Test(t, func(t *testing.T) {
			gate, c, asked, who := passed(t)
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
		gate, c, asked, who := passed(t)
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

// TestHold ends what somebody holds open when that somebody would not pass any
// longer.
func TestHold(t *testing.T) {
	for name, out := range outs {
		synctest.Test(t, func(t *testing.T) {
			gate, c, asked, who := passed(t)
			held, release := gate.Hold(t.Context(), who, out.rule)
			defer release()
			c.Changed(ann) // in nothing that matters
			c.AllChanged()
			synctest.Wait()
			if held.Err() != nil {
				t.Fatalf("%s: ended before: %v", name, context.Cause(held))
			}
			asked.set(ann, out.state)
			c.Changed(ann)
			synctest.Wait()
			if cause := context.Cause(held); cause != out.want { //nolint:errorlint // the refusal itself is the cause
				t.Errorf("%s: ended because of %v, want %v", name, cause, out.want)
			}
		})
	}
}

// TestHoldEarlierChange: the user changed after the decision, before anybody
// watched.
func TestHoldEarlierChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate, c, asked, who := passed(t)
		asked.set(ann, outs["disabled"].state)
		c.Changed(ann)
		held, release := gate.Hold(t.Context(), who, strict)
		defer release()
		synctest.Wait()
		if cause := context.Cause(held); !errors.Is(cause, refuseInactive) {
			t.Errorf("ended because of %v", cause)
		}
	})
}

func TestHoldExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate, _, _, who := passed(t)
		began := time.Now()
		held, release := gate.Hold(t.Context(), who, strict)
		defer release()
		<-held.Done()
		if cause := context.Cause(held); !errors.Is(cause, refuseExpired) || time.Since(began) != time.Hour {
			t.Errorf("ended after %s because of %v", time.Since(began), cause)
		}
	})
}

// TestHoldReleases leaves nothing behind.
func TestHoldReleases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate, c, _, who := passed(t)
		held, release := gate.Hold(t.Context(), who, strict)
		synctest.Wait()
		release()
		if !errors.Is(context.Cause(held), context.Canceled) {
			t.Errorf("ended because of %v", context.Cause(held))
		}
		if len(c.watchers) > 0 {
			t.Error("the user is still watched")
		}
		c.Changed(ann)
		same, release := gate.Hold(t.Context(), nil, Rule{Policy: config.PolicyNone})
		release()
		if same != t.Context() {
			t.Error("nobody is held")
		}
		// A gate without users, or with some that nobody watches.
		for _, other := range []*Gate{NewGate(gate.tokens, nil), NewGate(gate.tokens, oneUser(member))} {
			held, release := other.Hold(t.Context(), who, strict)
			synctest.Wait()
			if held.Err() != nil {
				t.Error(context.Cause(held))
			}
			release()
		}
	})
}

// TestHoldWithoutNews: while nobody tells of changes, those who hold something
// open are looked at now and then, and what cannot be known ends it.
func TestHoldWithoutNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate, c, asked, who := passed(t)
		held, release := gate.Hold(t.Context(), who, strict)
		defer release()
		c.Lost(errAway)
		time.Sleep(time.Minute)
		if held.Err() != nil {
			t.Errorf("ended with the store there: %v", context.Cause(held))
		}
		asked.fail(errAway)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if cause := context.Cause(held); !errors.Is(cause, errAway) {
			t.Errorf("ended because of %v", cause)
		}
		c.Connected() // ends the timer
	})
}

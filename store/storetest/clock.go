package storetest

// This file has the contract about rows of a clock that was ahead: they must
// not last until the right clock has caught up.

import (
	"testing"
	"time"

	"gatehouse/store"
)

const year = 365 * 24 * time.Hour

func testBoundAttempts(t *testing.T, s store.Attempts) {
	const clearAfter, wait = 2 * time.Hour, time.Minute
	ann, bob := tally("ann"), tally("bob")
	for range 4 {
		for next := morning.Add(year); attempt(t, s, ann, next) > 0; {
			next = standing(t, s, "ann").Next
		}
	}
	for range 3 {
		attempt(t, s, bob, morning)
	}
	for address, at := range map[string]time.Time{"ahead": morning.Add(year), "a little": morning.Add(time.Second)} {
		if err := s.RememberAddress(t.Context(), "ann", address, at, 10); err != nil {
			t.Fatal(err)
		}
	}
	before := standing(t, s, "bob")

	if err := s.BoundAttempts(t.Context(), morning, clearAfter, wait); err != nil {
		t.Fatal(err)
	}
	if got, want := standing(t, s, "ann"), (store.Standing{Clear: morning.Add(wait), Next: morning.Add(wait)}); got != want {
		t.Errorf("what was written ahead stands at %+v, want %+v", got, want)
	}
	if got := standing(t, s, "bob"); got != before {
		t.Errorf("what was right is changed from %+v to %+v", before, got)
	}
	if got := attempt(t, s, ann, morning.Add(wait)); got != 0 {
		t.Errorf("after the longest wait there is one of %s more", got)
	}
	for address, want := range map[string]time.Time{"ahead": morning, "a little": morning.Add(time.Second)} {
		if seen, err := s.AddressSeen(t.Context(), "ann", address); err != nil || !seen.Equal(want) {
			t.Errorf("address %s was seen %s, %v; want %s", address, seen, err, want)
		}
	}
}

func testBoundTokens(t *testing.T, s store.Store) {
	for _, find := range []func(store.User) (store.User, error){
		func(u store.User) (store.User, error) { return s.UserByID(t.Context(), u.ID) },
		func(u store.User) (store.User, error) { return s.UserByEmail(t.Context(), u.Email) },
	} {
		ahead := time.Now().Add(year)
		user, err := s.AddUser(t.Context(), store.User{Email: "ann@example.com", TokensValidAfter: &ahead, Active: true})
		if err != nil {
			t.Fatal(err)
		}
		found, err := find(user)
		if err != nil || found.TokensValidAfter == nil || time.Until(*found.TokensValidAfter) > 0 {
			t.Errorf("tokens are good after %v, %v; want now", found.TokensValidAfter, err)
		}
		wantStored(t, s, found)
		// Tokens made before are still revoked.
		if found.TokensValidAfter.Before(user.CreatedAt) {
			t.Errorf("tokens are good after %v, before the user was there", found.TokensValidAfter)
		}
		if err := s.DeleteUser(t.Context(), user.ID); err != nil {
			t.Fatal(err)
		}

		soon := time.Now().Add(time.Minute).UTC().Truncate(time.Microsecond) // as clocks may differ
		user, err = s.AddUser(t.Context(), store.User{Email: "ann@example.com", TokensValidAfter: &soon})
		if err != nil {
			t.Fatal(err)
		}
		if found, err := find(user); err != nil || !found.TokensValidAfter.Equal(soon) {
			t.Errorf("tokens are good after %v, %v; want %v", found.TokensValidAfter, err, soon)
		}
		if err := s.DeleteUser(t.Context(), user.ID); err != nil {
			t.Fatal(err)
		}
	}
}

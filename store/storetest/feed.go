package storetest

// This file has the contract of a store's feed of changes, and a follower for
// tests that records its calls.

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/internal/testkit"
	"gatehouse/store"
)

// Told is one call of a follower's method.
type Told struct {
	What string    // connected, changed, all or lost
	ID   uuid.UUID // of a change
	Err  error     // of a loss
}

// Listener follows a store and records the calls.
type Listener struct {
	told chan Told
	stop func()
}

// Listen follows the store until the test ends.
func Listen(t testing.TB, s store.Store) *Listener {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &Listener{told: make(chan Told, 10_000)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Follow(ctx, l)
	}()
	l.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(l.stop)
	return l
}

// Connected implements store.Follower.
func (l *Listener) Connected() { l.told <- Told{What: "connected"} }

// Changed implements store.Follower.
func (l *Listener) Changed(id uuid.UUID) { l.told <- Told{What: "changed", ID: id} }

// AllChanged implements store.Follower.
func (l *Listener) AllChanged() { l.told <- Told{What: "all"} }

// Lost implements store.Follower.
func (l *Listener) Lost(cause error) { l.told <- Told{What: "lost", Err: cause} }

// Next waits for the next call and returns it.
func (l *Listener) Next(t testing.TB) Told {
	t.Helper()
	return testkit.Receive(t, "what the feed tells", l.told)
}

// Await skips calls until the wanted one.
func (l *Listener) Await(t testing.TB, what string) {
	t.Helper()
	for told := l.Next(t); told.What != what; {
		told = l.Next(t)
	}
}

// AwaitChange requires that the next call is a change of that user, or of all.
func (l *Listener) AwaitChange(t testing.TB, after string, id uuid.UUID) {
	t.Helper()
	if told := l.Next(t); told.What != "all" && (told.What != "changed" || told.ID != id) {
		t.Errorf("after %s: told %+v, want a change of %s", after, told, id)
	}
}

func testFollow(t *testing.T, s store.Store) {
	bob := add(t, s, "bob@example.com")
	l := Listen(t, s)
	if told := l.Next(t); told.What != "connected" {
		t.Fatalf("told %+v first, want that it is connected", told)
	}
	ann := add(t, s, "ann@example.com")
	l.AwaitChange(t, "adding", ann.ID)

	company, role, hash, no := uuid.New(), "admin", "$2b$12$new", false
	companyID := &company
	for after, change := range map[string]store.Change{
		"a company":    {CompanyID: &companyID},
		"a role":       {Role: &role},
		"a password":   {HashedPassword: &hash},
		"disabling":    {Active: &no},
		"a revocation": {RevokeTokens: true},
	} {
		if _, err := s.UpdateUser(t.Context(), ann.ID, change); err != nil {
			t.Fatal(err)
		}
		l.AwaitChange(t, after, ann.ID)
	}

	// A change that does not matter to requests is not reported. The next
	// report proves this.
	if err := s.RecordLogin(t.Context(), ann.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.UpdateUser(t.Context(), ann.ID, store.Change{Role: &role}); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteUser(t.Context(), bob.ID); err != nil {
		t.Fatal(err)
	}
	l.AwaitChange(t, "deleting", bob.ID)
}

func testFollowEnds(t *testing.T, s store.Store) {
	l := Listen(t, s)
	l.Await(t, "connected")
	l.stop()
	if told := l.Next(t); told.What != "lost" || !errors.Is(told.Err, context.Canceled) {
		t.Errorf("told %+v last, want that it is lost because the context ended", told)
	}
	if len(l.told) > 0 {
		t.Errorf("told more after the end: %+v", l.Next(t))
	}
}

// testRevoke checks when tokens are revoked, according to the row.
func testRevoke(t *testing.T, s store.Store) {
	before := time.Now().Truncate(time.Microsecond)
	user := add(t, s, "ann@example.com")
	if user.TokensValidAfter != nil {
		t.Errorf("a new user's tokens are valid after %s", user.TokensValidAfter)
	}
	hash := "$2b$12$new"
	last := before.Add(-time.Second)
	for i, change := range []store.Change{
		{HashedPassword: &hash}, {RevokeTokens: true}, {HashedPassword: &hash}, {RevokeTokens: true},
	} {
		changed, err := s.UpdateUser(t.Context(), user.ID, change)
		if err != nil {
			t.Fatal(err)
		}
		wantStored(t, s, changed)
		// Tokens count seconds: two revocations in the same second must have
		// different times.
		if at := changed.TokensValidAfter; at == nil || at.Unix() <= last.Unix() || at.After(time.Now().Add(time.Duration(i)*time.Second)) {
			t.Fatalf("change %d: tokens valid after %v, following %v", i, at, last)
		}
		last = *changed.TokensValidAfter
	}
	role := "admin"
	if changed, err := s.UpdateUser(t.Context(), user.ID, store.Change{Role: &role}); err != nil || !changed.TokensValidAfter.Equal(last) {
		t.Errorf("after another change tokens are valid after %v, %v; want %v", changed.TokensValidAfter, err, last)
	}
	imported, err := s.AddUser(t.Context(), store.User{Email: "bob@example.com", TokensValidAfter: &last})
	if err != nil || !imported.TokensValidAfter.Equal(last) {
		t.Errorf("imported tokens are valid after %v, %v; want %v", imported.TokensValidAfter, err, last)
	}
	wantStored(t, s, imported)
}

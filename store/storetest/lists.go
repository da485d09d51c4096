package storetest

// This file has the contract about lists of ids, and about a healthy store.

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse/store"
)

func testUsersByID(t *testing.T, s store.Store) {
	const many = 300
	var want []store.User
	ids := []uuid.UUID{uuid.New()}
	for i := range many {
		user := add(t, s, fmt.Sprintf("user%d@example.com", i))
		if i%3 > 0 {
			want = append(want, user)
			ids = append(ids, user.ID, uuid.New())
		}
	}
	byEmail := func(a, b store.User) int { return cmp.Compare(a.Email, b.Email) }
	got, err := s.UsersByID(t.Context(), ids)
	slices.SortFunc(got, byEmail)
	slices.SortFunc(want, byEmail)
	if err != nil || !gocmp.Equal(want, got) {
		t.Errorf("%d of %d users, %v (-want +got):\n%s", len(got), len(want), err, gocmp.Diff(want, got))
	}
	// The same id twice is one user.
	if got, err := s.UsersByID(t.Context(), []uuid.UUID{want[0].ID, want[0].ID}); err != nil || len(got) != 1 {
		t.Errorf("one id twice: %d users, %v", len(got), err)
	}
	for _, none := range [][]uuid.UUID{nil, {}, {uuid.New()}} {
		if got, err := s.UsersByID(t.Context(), none); err != nil || len(got) > 0 {
			t.Errorf("ids of nobody: %d users, %v", len(got), err)
		}
	}
	// A clock that was ahead is corrected here, too.
	year := time.Now().AddDate(1, 0, 0)
	ahead, err := s.AddUser(t.Context(), store.User{Email: "ahead@example.com", TokensValidAfter: &year})
	if err != nil {
		t.Fatal(err)
	}
	got, err = s.UsersByID(t.Context(), []uuid.UUID{ahead.ID})
	if err != nil || len(got) != 1 || got[0].TokensValidAfter.After(time.Now().Add(time.Hour)) {
		t.Errorf("a clock that was ahead: %+v, %v", got, err)
	}
}

// testCheckWritable requires that a healthy store passes, whichever users it
// has.
func testCheckWritable(t *testing.T, s store.Store) {
	nobody := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	user, err := s.AddUser(t.Context(), store.User{ID: uuid.New(), Email: "ann@example.com", LastLogin: &nobody})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := s.CheckWritable(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.PruneAttempts(t.Context(), time.Now(), time.Now(), 10); err != nil {
			t.Error(err)
		}
	}
	wantStored(t, s, user)
	if _, err := s.UserByID(t.Context(), uuid.Nil); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the check left a user: %v", err)
	}
}

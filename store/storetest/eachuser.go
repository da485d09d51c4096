package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/store"
)

// This file has the contract of EachUser, which visits all users.

func testEachUser(t *testing.T, s store.Store) {
	visited := func() (emails []string) {
		t.Helper()
		err := s.EachUser(t.Context(), func(user store.User) error {
			wantStored(t, s, user)
			emails = append(emails, user.Email)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		return emails
	}
	if emails := visited(); len(emails) != 0 {
		t.Errorf("an empty store has %q", emails)
	}
	// A locale would ignore the punctuation and sort ä beside a.
	want := []string{"a-z@example.com", "a@example.com", "a_b@example.com", "ab@example.com", "b@example.com", "ä@example.com"}
	for _, i := range []int{3, 0, 5, 1, 4, 2} {
		add(t, s, strings.ToUpper(want[i]))
	}
	if diff := cmp.Diff(want, visited()); diff != "" {
		t.Errorf("order differs (-want +got):\n%s", diff)
	}
}

func testEachUserStops(t *testing.T, s store.Store) {
	for _, name := range []string{"a", "b", "c"} {
		add(t, s, name+"@example.com")
	}
	enough, visits := errors.New("enough"), 0
	err := s.EachUser(t.Context(), func(store.User) error {
		if visits++; visits == 2 {
			return enough
		}
		return nil
	})
	if err != enough { //nolint:errorlint // the contract is the error itself, not one around it
		t.Errorf("error %v, want visit's own", err)
	}
	if visits != 2 {
		t.Errorf("%d visits, want 2", visits)
	}
}

func testEachUserMayAsk(t *testing.T, s store.Store) {
	for _, name := range []string{"a", "b", "c"} {
		add(t, s, name+"@example.com")
	}
	role := "visited"
	err := s.EachUser(t.Context(), func(user store.User) error {
		_, err := s.UpdateUser(t.Context(), user.ID, store.Change{Role: &role})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		if user, err := s.UserByEmail(t.Context(), name+"@example.com"); err != nil || user.Role != role {
			t.Errorf("role of %s is %q (%v), want %q", name, user.Role, err, role)
		}
	}
}

func testManyUsers(t *testing.T, s store.Store) {
	const users = 1000
	var want []string
	for i := range users {
		want = append(want, add(t, s, fmt.Sprintf("user%04d@example.com", (i*7)%users)).Email)
	}
	slices.Sort(want)
	var got []string
	err := s.EachUser(t.Context(), func(user store.User) error {
		got = append(got, user.Email)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("users differ (-want +got):\n%s", diff)
	}
}

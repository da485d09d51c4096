package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"gatehouse/store"
)

// This file has the contract of simultaneous changes.

func testConcurrentAdd(t *testing.T, s store.Store) {
	const tries = 20
	errs := make([]error, tries)
	var group sync.WaitGroup
	for i := range tries {
		group.Go(func() {
			email := "ann@example.com"
			if i%2 == 0 {
				email = "Ann@Example.com"
			}
			_, errs[i] = s.AddUser(t.Context(), store.User{Email: email})
		})
	}
	group.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, store.ErrEmailTaken) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d users got the e-mail, want 1", won)
	}
}

func testConcurrentWrites(t *testing.T, s store.Store) {
	const workers, rounds = 8, 10
	var group sync.WaitGroup
	for worker := range workers {
		user := add(t, s, fmt.Sprintf("user%d@example.com", worker))
		group.Go(func() {
			for round := range rounds {
				role := fmt.Sprintf("role%d", round)
				_, updateErr := s.UpdateUser(t.Context(), user.ID, store.Change{Role: &role})
				loginErr := s.RecordLogin(t.Context(), user.ID, time.Now())
				eachErr := s.EachUser(t.Context(), func(store.User) error { return nil })
				got, readErr := s.UserByID(t.Context(), user.ID)
				if err := errors.Join(updateErr, loginErr, eachErr, readErr); err != nil {
					t.Error(err)
				}
				if got.Role != role {
					t.Errorf("role reads %q after %q was written", got.Role, role)
				}
			}
		})
	}
	group.Wait()
}

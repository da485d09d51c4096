package storetest

// This file has the contract about renewing hashes.

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/store"
)

func testRenewHash(t *testing.T, s store.Store) {
	for _, revoked := range []bool{false, true} {
		email := "never@example.com"
		if revoked {
			email = "revoked@example.com"
		}
		user := add(t, s, email)
		if revoked {
			var err error
			if user, err = s.UpdateUser(t.Context(), user.ID, store.Change{RevokeTokens: true}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.RenewHash(t.Context(), user.ID, user.HashedPassword, "renewed"); err != nil {
			t.Fatal(err)
		}
		user.HashedPassword = "renewed"
		wantStored(t, s, user) // nothing else has changed
		if err := s.RenewHash(t.Context(), user.ID, "another", "wrong"); err != nil {
			t.Fatal(err)
		}
		wantStored(t, s, user)
	}
	wantError(t, "renew the hash of nobody", s.RenewHash(t.Context(), uuid.New(), "", "x"), store.ErrNotFound)
	testRenewHashRaces(t, s)
}

// When a new password and a renewed hash of the old one race, the new password
// wins, and the tokens that it revoked stay revoked.
func testRenewHashRaces(t *testing.T, s store.Store) {
	for range 10 {
		user := add(t, s, "racer@example.com")
		fresh := "hash of a new password"
		var group sync.WaitGroup
		group.Go(func() {
			if err := s.RenewHash(t.Context(), user.ID, user.HashedPassword, "renewed"); err != nil {
				t.Error(err)
			}
		})
		group.Go(func() {
			if _, err := s.UpdateUser(t.Context(), user.ID, store.Change{HashedPassword: &fresh}); err != nil {
				t.Error(err)
			}
		})
		group.Wait()
		after, err := s.UserByID(t.Context(), user.ID)
		if err != nil || after.HashedPassword != fresh || after.TokensValidAfter == nil || after.TokensValidAfter.Before(user.CreatedAt.Truncate(time.Millisecond)) {
			t.Errorf("after the race: %+v, %v", after, err)
		}
		if err := s.DeleteUser(t.Context(), user.ID); err != nil {
			t.Fatal(err)
		}
	}
}

package account

import (
	"context"
	"testing"

	"gatehouse/auth"

	"github.com/google/uuid"
	"golang.org/x/crypto/bcrypt"
)

// This file holds what the tests of this package share.

// countedPasswords use the cheapest bcrypt, and count the comparisons.
func countedPasswords(t testing.TB) (passwords *Passwords, comparisons *int) {
	t.Helper()
	passwords, err := NewPasswords(bcrypt.MinCost, nil)
	if err != nil {
		t.Fatal(err)
	}
	comparisons = new(int)
	compare := passwords.compare
	passwords.compare = func(hash, password []byte) error {
		*comparisons++
		return compare(hash, password)
	}
	return passwords, comparisons
}

// oneUser is the state of every user.
type oneUser auth.UserState

// UserState implements auth.UserStates.
func (u oneUser) UserState(context.Context, uuid.UUID) (auth.UserState, error) {
	return auth.UserState(u), nil
}

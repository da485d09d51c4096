package auth

import (
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// This file holds what the tests of this package share.

// countedPasswords are as cheap as bcrypt gets, and count the comparisons.
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

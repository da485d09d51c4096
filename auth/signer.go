package auth

// This file makes the gateway's own tokens.

import (
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"gatehouse/auth/keys"
	"gatehouse/store"
)

// Signer makes tokens. It is immutable and safe for concurrent use.
type Signer struct {
	ring keys.Ring
	ttl  time.Duration
	now  func() time.Time
}

// NewSigner signs with the first of the keys; its tokens live for ttl.
func NewSigner(ring keys.Ring, ttl time.Duration, now func() time.Time) *Signer {
	return &Signer{ring: ring, ttl: ttl, now: now}
}

// TokenFor makes a token for a user whose row was read at that time or later.
// What has made tokens void since then makes this one void, too: it says that
// it was issued when the row was read; or in the second from which on tokens
// are good again, which is at most one ahead. It is a whole number because that
// is what most readers of a NumericDate expect. Its ttl counts from there, not
// from when the signature is made: a login takes time in between.
func (s *Signer) TokenFor(user store.User, readAt time.Time) (string, error) {
	issued := readAt
	if at := user.TokensValidAfter; at != nil && issued.Before(validFrom(*at)) {
		issued = validFrom(*at)
	}
	return s.sign(user.ID, user.Email, user.CompanyID, issued)
}

// Token makes a token for a user: sub, iat, exp, email and, for a user with a
// company, company_id. It does not know whether tokens of the user were made
// void a moment ago, and then makes one that is, too; TokenFor does.
func (s *Signer) Token(userID uuid.UUID, email string, companyID *uuid.UUID) (string, error) {
	return s.sign(userID, email, companyID, s.now())
}

func (s *Signer) sign(userID uuid.UUID, email string, companyID *uuid.UUID, issued time.Time) (string, error) {
	issued = issued.Truncate(time.Second) // one reading of the clock for both times, so that exp − iat is the ttl
	claims := jwt.MapClaims{
		"sub":   userID.String(),
		"iat":   issued.Unix(),
		"exp":   issued.Add(s.ttl).Unix(),
		"email": email,
	}
	if companyID != nil {
		claims["company_id"] = companyID.String()
	}
	return s.ring.Sign(claims)
}

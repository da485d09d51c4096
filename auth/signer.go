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

// NewSigner returns a signer that uses the first of the keys. Its tokens live
// for ttl.
func NewSigner(ring keys.Ring, ttl time.Duration, now func() time.Time) *Signer {
	return &Signer{ring: ring, ttl: ttl, now: now}
}

// TokenFor returns a token for a user whose row was read at readAt or later. A
// revocation after that time also revokes this token, because the token's iat
// is readAt. When the user's tokens were revoked in that very second, iat is
// the next second, from which tokens are good again. iat is a whole number, as
// most readers of a NumericDate expect. The ttl counts from iat, not from the
// time of signing: a login takes time in between.
func (s *Signer) TokenFor(user store.User, readAt time.Time) (string, error) {
	issued := readAt
	if at := user.TokensValidAfter; at != nil && issued.Before(validFrom(*at)) {
		issued = validFrom(*at)
	}
	return s.sign(user.ID, user.Email, user.CompanyID, issued)
}

// Token returns a token for a user: sub, iat, exp, email and, for a user with a
// company, company_id. It does not check when tokens of the user were last
// revoked, so the new token may be revoked, too; see TokenFor.
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

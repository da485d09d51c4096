package auth

// This file makes the gateway's own tokens.

import (
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// Signer makes tokens. It is immutable and safe for concurrent use.
type Signer struct {
	keys Keys
	ttl  time.Duration
	now  func() time.Time
}

// NewSigner signs with the first of the keys; its tokens live for ttl.
func NewSigner(keys Keys, ttl time.Duration, now func() time.Time) *Signer {
	return &Signer{keys: keys, ttl: ttl, now: now}
}

// Token makes a token for a user: sub, iat, exp, email and, for a user with a
// company, company_id.
func (s *Signer) Token(userID uuid.UUID, email string, companyID *uuid.UUID) (string, error) {
	now := s.now()
	claims := jwt.MapClaims{
		"sub":   userID.String(),
		"iat":   now.Unix(),
		"exp":   now.Add(s.ttl).Unix(),
		"email": email,
	}
	if companyID != nil {
		claims["company_id"] = companyID.String()
	}
	token := jwt.NewWithClaims(jwt.GetSigningMethod(s.keys.Algorithm), claims)
	token.Header["kid"] = s.keys.ids[0]
	signed, err := token.SignedString(s.keys.sign)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed, nil
}

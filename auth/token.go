package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// Bounds on a token.
const (
	maxTokenBytes = 8 << 10 // longer ones are refused unread
	clockLeeway   = 30 * time.Second
)

// Verifier checks tokens and says what they claim. It is immutable and safe
// for concurrent use.
type Verifier struct {
	keys   Keys
	parser *jwt.Parser
	now    func() time.Time
}

// NewVerifier accepts tokens signed with one of the keys.
func NewVerifier(keys Keys, now func() time.Time) *Verifier {
	return &Verifier{
		keys: keys,
		now:  now,
		parser: jwt.NewParser(
			jwt.WithStrictDecoding(),
			jwt.WithJSONNumber(),
			jwt.WithoutClaimsValidation(), // checkTimes does, with fixed answers
		),
	}
}

// Verify checks signature, algorithm, times and the form of the claims that
// make an identity. Nothing is fetched, whatever the token's header says.
func (v *Verifier) Verify(token string) (*Identity, *Refusal) {
	// Go's base64 skips line breaks, and a token has one spelling.
	if len(token) > maxTokenBytes || strings.ContainsAny(token, "\r\n") {
		return nil, refuseMalformed
	}
	claims := jwt.MapClaims{}
	_, err := v.parser.ParseWithClaims(token, claims, v.keyFor)
	switch {
	case err == nil:
	case errors.Is(err, errCritical), errors.Is(err, jwt.ErrTokenMalformed):
		return nil, refuseMalformed
	case errors.Is(err, jwt.ErrTokenUnverifiable): // keyFor said no, or nobody knows the algorithm
		return nil, refuseAlgorithm
	default:
		return nil, refuseSignature
	}
	if refusal := v.checkTimes(claims); refusal != nil {
		return nil, refusal
	}
	return identify(claims)
}

// Why keyFor gives no key.
var (
	errCritical  = errors.New("token has critical header extensions")
	errAlgorithm = errors.New("token has another algorithm")
)

// keyFor gives the keys that may have signed the token. The algorithm is the
// keys', never the token's choice (RFC 8725 section 3.1).
func (v *Verifier) keyFor(token *jwt.Token) (any, error) {
	// RFC 7515 section 4.1.11: extensions we do not understand must be refused,
	// and golang-jwt does not look.
	if _, critical := token.Header["crit"]; critical {
		return nil, errCritical
	}
	if token.Method.Alg() != v.keys.Algorithm {
		return nil, errAlgorithm
	}
	return jwt.VerificationKeySet{Keys: v.keys.verify}, nil
}

// checkTimes wants an expiry ahead, and no beginning ahead by more than the
// leeway. An expiry gets no leeway, as in the original.
func (v *Verifier) checkTimes(claims jwt.MapClaims) *Refusal {
	now := v.now()
	expiry, present, ok := numericDate(claims["exp"])
	if !present || !ok {
		return refuseNoExpiry
	}
	if !now.Before(expiry) {
		return refuseExpired
	}
	for _, name := range []string{"nbf", "iat"} {
		begin, present, ok := numericDate(claims[name])
		if present && !ok {
			return refuseClaims
		}
		if present && begin.After(now.Add(clockLeeway)) {
			return refuseNotYet
		}
	}
	return nil
}

// numericDate reads a NumericDate (RFC 7519 section 2), seconds since 1970,
// fractions allowed.
func numericDate(claim any) (at time.Time, present, ok bool) {
	if claim == nil {
		return time.Time{}, false, false
	}
	number, isNumber := claim.(json.Number)
	if !isNumber {
		return time.Time{}, true, false
	}
	seconds, err := number.Float64()
	if err != nil || math.Abs(seconds) > 1<<40 { // some 34,000 years: time.Unix is exact within
		return time.Time{}, true, false
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*float64(time.Second))), true, true
}

// identify reads the claims that make an identity. A claim that a header will
// carry must be one that a header can carry.
func identify(claims jwt.MapClaims) (*Identity, *Refusal) {
	identity := &Identity{claims: claims}
	for _, claim := range []struct {
		name string
		into *string
	}{
		{"sub", &identity.UserID},
		{"company_id", &identity.CompanyID},
		{"email", &identity.Email},
		{"role", &identity.Role},
	} {
		switch value := claims[claim.name].(type) {
		case nil:
		case string:
			if !fitsHeader(value) {
				return nil, refuseClaims
			}
			*claim.into = value
		default:
			return nil, refuseClaims
		}
	}
	if identity.UserID == "" {
		return nil, refuseNoSubject
	}
	return identity, nil
}

// fitsHeader tells whether the text can be a field value as it is (RFC 9110
// section 5.5): no control characters, no space at either end.
func fitsHeader(text string) bool {
	return strings.Trim(text, " \t") == text &&
		!strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}

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
	signed, err := jwt.NewWithClaims(jwt.GetSigningMethod(s.keys.Algorithm), claims).SignedString(s.keys.sign)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed, nil
}

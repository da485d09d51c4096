package auth

// This file holds a token against the keys that may have signed it.

import (
	"context"
	"errors"
	"strings"
	"time"

	"gatehouse/auth/keys"
	"gatehouse/internal/httperr"

	"github.com/golang-jwt/jwt/v5"
)

// Bounds on a token.
const (
	maxTokenBytes = 8 << 10 // longer ones are refused unread
	clockLeeway   = 30 * time.Second
)

// Verifier checks tokens and says what they claim. It is safe for concurrent
// use. Its keys and issuers are those of one table, for life; what it remembers
// only saves work.
type Verifier struct {
	ring     keys.Ring
	issuers  *keys.Issuers
	parser   *jwt.Parser
	now      func() time.Time
	verified *verifiedTokens
}

// NewVerifier accepts tokens signed with one of the keys, and those of other
// issuers, if there are any. A token that names one of the issuers has to be
// signed by it; all others by us.
func NewVerifier(ring keys.Ring, issuers *keys.Issuers, now func() time.Time) *Verifier {
	return &Verifier{
		ring:     ring,
		issuers:  issuers,
		now:      now,
		verified: newVerifiedTokens(),
		parser: jwt.NewParser(
			jwt.WithStrictDecoding(),
			jwt.WithJSONNumber(),
			jwt.WithoutClaimsValidation(), // checkTimes does, with fixed answers
		),
	}
}

// Verify checks signature, algorithm, audience, times and the form of the
// claims that make an identity. Nothing is fetched because a token's header
// says so; for a key that its issuer may have made just now, Verify waits a
// moment, or until the context ends. Of a token that was good before only the
// keys and the times are looked at again.
func (v *Verifier) Verify(ctx context.Context, token string) (*Identity, *httperr.Error) {
	if len(token) > maxTokenBytes {
		return nil, refuseTooLong
	}
	// Go's base64 skips line breaks, and a token has one spelling.
	if strings.Contains(token, "\r") || strings.Contains(token, "\n") {
		return nil, refuseLineBreak
	}
	if identity, refusal := v.verified.find(token, v.now()); identity != nil || refusal != nil {
		return identity, refusal
	}
	good, refusal := v.verify(ctx, token)
	if refusal != nil {
		return nil, refusal
	}
	v.verified.remember(token, good)
	return good.identity, nil
}

// verify is Verify for a token that is not remembered.
func (v *Verifier) verify(ctx context.Context, token string) (*verifiedToken, *httperr.Error) {
	claims := jwt.MapClaims{}
	var from keys.Version
	parsed, err := v.parser.ParseWithClaims(token, claims, func(parsed *jwt.Token) (any, error) {
		issuer := v.issuerOf(claims)
		from = issuer.Version() // before its keys are asked for: they may be others a moment later
		found, refusal := v.keysFor(ctx, parsed, issuer)
		if refusal != nil {
			return nil, refusal
		}
		return jwt.VerificationKeySet{Keys: found}, nil
	})
	if err != nil {
		return nil, v.refusalFor(err, token, parsed, claims)
	}
	if !v.hasOneReading(parsed, claims) {
		return nil, refuseRepeated
	}
	life, refusal := checkTimes(claims, v.now())
	if refusal != nil {
		return nil, refusal
	}
	if issuer := v.issuerOf(claims); issuer != nil {
		if refusal := checkAudience(issuer, claims); refusal != nil {
			return nil, refusal
		}
		claims = translate(issuer, claims)
	}
	identity, refusal := identify(claims)
	if refusal != nil {
		return nil, refusal
	}
	return &verifiedToken{identity: identity, life: life, keys: from}, nil
}

// refusalFor is the answer to a token that the parser did not take, as far as
// it came with it.
func (v *Verifier) refusalFor(err error, token string, parsed *jwt.Token, claims jwt.MapClaims) *httperr.Error {
	var refusal *httperr.Error
	switch {
	case errors.As(err, &refusal): // keysFor's
		return refusal
	case errors.Is(err, jwt.ErrTokenMalformed):
		return refuseMalformed.Because(whyMalformed(token))
	case errors.Is(err, jwt.ErrTokenUnverifiable): // nobody knows the algorithm
		return because(refuseAlgorithm, "its `alg` is "+algorithmOf(parsed))
	case v.issuerOf(claims) == nil:
		return because(refuseSignature, unknownIssuer(claims))
	default:
		return refuseSignature
	}
}

// keysFor returns the keys that may have signed the token: the issuer's, ours
// when there is none. The algorithm is the keys', never the token's choice
// (RFC 8725 section 3.1).
func (v *Verifier) keysFor(ctx context.Context, token *jwt.Token, from *keys.Issuer) ([]jwt.VerificationKey, *httperr.Error) {
	// RFC 7515 section 4.1.11: extensions we do not understand must be refused,
	// and golang-jwt does not look. What a token says of where its key is (`jwk`,
	// `jku`, `x5c`, `x5u`) is not looked at: the keys are those that we know.
	if _, present := token.Header["crit"]; present {
		return nil, refuseCritical
	}
	kid, isText := token.Header["kid"].(string)
	if !isText && token.Header["kid"] != nil {
		return nil, refuseKeyID
	}
	algorithm := token.Method.Alg()
	if from != nil {
		return issuersKeys(ctx, from, algorithm, kid)
	}
	found := v.ring.Verifying(algorithm, kid)
	if len(found) == 0 {
		claims, _ := token.Claims.(jwt.MapClaims)
		return nil, because(refuseAlgorithm, "it is signed with "+algorithm+", the gateway's own keys are for "+v.ring.Algorithms(), unknownIssuer(claims))
	}
	return found, nil
}

// hasOneReading reports whether header and claims are one JSON object each, with
// no name twice: encoding/json takes the last value, other readers the first
// (RFC 8725 section 2.4).
func (v *Verifier) hasOneReading(token *jwt.Token, claims jwt.MapClaims) bool {
	header, rest, _ := strings.Cut(token.Raw, ".")
	payload, _, _ := strings.Cut(rest, ".")
	return v.countMembers(header) == len(token.Header) && v.countMembers(payload) == len(claims)
}

func (v *Verifier) countMembers(part string) int {
	object, err := v.parser.DecodeSegment(part)
	if err != nil { // it could be decoded a moment ago
		return -1
	}
	return countMembers(object)
}

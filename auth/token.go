package auth

// This file verifies a token with the keys that may have signed it.

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
	maxTokenBytes = 8 << 10 // longer tokens are refused unread
	clockLeeway   = 30 * time.Second
)

// Verifier checks tokens and returns their claims. It is safe for concurrent
// use. Its keys and issuers are those of one table and never change. Its memory
// of verified tokens only saves work.
type Verifier struct {
	ring     keys.Ring
	issuers  *keys.Issuers
	kept     *KeptClaims
	parser   *jwt.Parser
	now      func() time.Time
	verified *verifiedTokens
}

// NewVerifier returns a verifier that accepts tokens signed with one of the
// keys, and those of other issuers, if any. An issuer must have signed a token
// that names it. We must have signed all other tokens.
func NewVerifier(ring keys.Ring, issuers *keys.Issuers, now func() time.Time) *Verifier {
	return &Verifier{
		ring:     ring,
		issuers:  issuers,
		now:      now,
		verified: newVerifiedTokens(),
		parser: jwt.NewParser(
			jwt.WithStrictDecoding(),
			jwt.WithJSONNumber(),
			jwt.WithoutClaimsValidation(), // checkTimes validates them, with fixed answers
		),
	}
}

// Keeping makes the verifier's identities keep these claims, and returns it.
// Without it they keep each top-level claim that a header can carry. It must be
// called before the first Verify.
func (v *Verifier) Keeping(claims *KeptClaims) *Verifier {
	v.kept = claims
	return v
}

// Verify checks the signature, algorithm, audience, times and form of the
// claims that make an identity. A token's header never causes a fetch from a
// place that it names. For an unknown key, which its issuer may have just made,
// Verify waits a moment, or until the context ends. For a token that was
// verified before, it checks only the keys and the times again.
func (v *Verifier) Verify(ctx context.Context, token string) (*Identity, *httperr.Error) {
	if len(token) > maxTokenBytes {
		return nil, refuseTooLong
	}
	// A token has one spelling only, but Go's base64 skips line breaks.
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
		from = issuer.Version() // before the keys are read: they may change a moment later
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
	issuer := v.issuerOf(claims)
	life, refusal := checkTimes(claims, v.now(), leewaysOf(issuer))
	if refusal != nil {
		return nil, refusal
	}
	if issuer != nil {
		if refusal := checkAudience(issuer, claims); refusal != nil {
			return nil, refusal
		}
		claims = translate(issuer, claims)
	}
	identity, refusal := identify(claims)
	if refusal != nil {
		return nil, refusal
	}
	if now := v.now(); issuer != nil && identity.IssuedAt.After(now) {
		// The issuer's clock is ahead. The token was issued before now, and a revocation
		// from now on must revoke it.
		identity.IssuedAt = now
	}
	identity.claims, identity.roles = v.kept.of(claims), v.kept.rolesOf(identity.roles)
	identity.ExpiresAt = life.expiry
	return &verifiedToken{identity: identity, life: life, keys: from}, nil
}

// refusalFor returns the answer to a token that the parser refused. parsed and
// claims hold the parts that could be read.
func (v *Verifier) refusalFor(err error, token string, parsed *jwt.Token, claims jwt.MapClaims) *httperr.Error {
	var refusal *httperr.Error
	switch {
	case errors.As(err, &refusal): // from keysFor
		return refusal
	case errors.Is(err, jwt.ErrTokenMalformed):
		return refuseMalformed.Because(whyMalformed(token))
	case errors.Is(err, jwt.ErrTokenUnverifiable): // an unknown algorithm
		return because(refuseAlgorithm, "its `alg` is "+algorithmOf(parsed))
	case v.issuerOf(claims) == nil:
		return because(refuseSignature, unknownIssuer(claims))
	default:
		return refuseSignature
	}
}

// keysFor returns the keys that may have signed the token: those of the issuer,
// or ours without one. The keys determine the algorithm; the token never does
// (RFC 8725 section 3.1).
func (v *Verifier) keysFor(ctx context.Context, token *jwt.Token, from *keys.Issuer) ([]jwt.VerificationKey, *httperr.Error) {
	// RFC 7515 section 4.1.11: unknown critical extensions must be refused, and
	// golang-jwt does not check them. The fields of a token that say where its
	// key is (`jwk`, `jku`, `x5c`, `x5u`) are ignored: only known keys are
	// used.
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

// hasOneReading reports whether header and claims are one JSON object each,
// without a repeated name. encoding/json uses the last value of a repeated
// name, other readers the first (RFC 8725 section 2.4).
func (v *Verifier) hasOneReading(token *jwt.Token, claims jwt.MapClaims) bool {
	header, rest, _ := strings.Cut(token.Raw, ".")
	payload, _, _ := strings.Cut(rest, ".")
	return v.countMembers(header) == len(token.Header) && v.countMembers(payload) == len(claims)
}

func (v *Verifier) countMembers(part string) int {
	object, err := v.parser.DecodeSegment(part)
	if err != nil { // it was decoded a moment ago
		return -1
	}
	return countMembers(object)
}

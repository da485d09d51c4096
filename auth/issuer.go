package auth

// This file checks a token against the other issuer that it names: which keys
// may have signed it, for which audience it is, and the names of its claims.

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"gatehouse/auth/keys"
	"gatehouse/internal/httperr"
)

// issuerOf returns the issuer that the token names, or nil. The token may be
// unverified: the name only selects the keys to verify it with.
func (v *Verifier) issuerOf(claims jwt.MapClaims) *keys.Issuer {
	name, isText := claims["iss"].(string)
	if !isText {
		return nil
	}
	return v.issuers.Named(name)
}

// issuersKeys returns the keys of the issuer that may have signed the token.
func issuersKeys(ctx context.Context, from *keys.Issuer, algorithm, kid string) ([]jwt.VerificationKey, *httperr.Error) {
	if !slices.Contains(from.Algorithms, algorithm) {
		return nil, because(refuseAlgorithm, "it is signed with "+algorithm+", its issuer's tokens have to be with "+strings.Join(from.Algorithms, ", "))
	}
	found, err := from.Find(ctx, algorithm, kid)
	if err == nil {
		return found, nil
	}
	if notRead, ok := errors.AsType[*keys.NotReadError](err); ok {
		return nil, refuseIssuer.Because(notRead.Cause)
	}
	return nil, refuseKey.Because(err)
}

// checkAudience requires one of our audiences in `aud`, which is text or a list
// (RFC 7519 section 4.1.3).
func checkAudience(from *keys.Issuer, claims jwt.MapClaims) *httperr.Error {
	if len(from.Audiences) == 0 {
		return nil
	}
	named, err := claims.GetAudience()
	if err != nil {
		return refuseClaims.Because(errAudience)
	}
	for _, audience := range named {
		if slices.Contains(from.Audiences, audience) {
			return nil
		}
	}
	return because(refuseAudience, "it is for "+httperr.Quote(strings.Join(named, " "))+", not for "+strings.Join(from.Audiences, " or "))
}

// translate returns the claims under our names. The issuer's name may be the
// path of a claim inside others, such as realm_access.roles. When the issuer has
// another name for one of our claims and the token lacks it, our claim is
// absent. A claim of the issuer that has our name means something else.
func translate(from *keys.Issuer, claims jwt.MapClaims) jwt.MapClaims {
	if len(from.Claims) == 0 {
		return claims
	}
	ours := maps.Clone(claims)
	for name := range from.Claims {
		delete(ours, name)
	}
	for name, theirs := range from.Claims {
		if value := findClaim(claims, theirs); value != nil {
			ours[name] = value
		}
	}
	return ours
}

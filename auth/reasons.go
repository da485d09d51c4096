package auth

// This file says why a token was refused, for the log and for `explain`, which
// print it beside the public sentence. Parts of a token are repeated only
// within bounds and quoted, and never the whole token.

import (
	"errors"
	"fmt"
	"strings"

	"gatehouse/internal/httperr"

	"github.com/golang-jwt/jwt/v5"
)

var (
	errScheme     = errors.New("the scheme of its Authorization header is not Bearer")
	errEmptyToken = errors.New("its Authorization header has nothing after Bearer")
	errTooLong    = fmt.Errorf("it is longer than %d KiB", maxTokenBytes>>10)
	errLineBreak  = errors.New("it holds a line break")
	errCritical   = errors.New("its header names critical extensions (`crit`), and the gateway knows none")
	errKeyID      = errors.New("its `kid` is not text")
	errRepeated   = errors.New("a name appears twice in its header or claims, or other text follows them")
	errEncrypted  = errors.New("it has five parts: an encrypted token (JWE), which the gateway cannot read")
	errEncoding   = errors.New("its parts are not two JSON objects and a signature, in base64url")
	errNoExpiry   = errors.New("`exp` is missing")
	errAudience   = errors.New("`aud` is neither text nor a list of texts")
	errBeyondTime = errors.New("is not a number of seconds since 1970 (milliseconds?)")
)

// Refusals whose reason is the same for every token.
var (
	refuseTooLong   = refuseMalformed.Because(errTooLong)
	refuseLineBreak = refuseMalformed.Because(errLineBreak)
	refuseCritical  = refuseMalformed.Because(errCritical)
	refuseKeyID     = refuseMalformed.Because(errKeyID)
	refuseRepeated  = refuseMalformed.Because(errRepeated)

	refuseScheme     = refuseNoToken.Because(errScheme)
	refuseEmptyToken = refuseNoToken.Because(errEmptyToken)
)

// whyMalformed returns an error that says why a text is not a token.
func whyMalformed(token string) error {
	switch parts := strings.Count(token, ".") + 1; parts {
	case 3:
		return errEncoding
	case 5:
		return errEncrypted
	default:
		return fmt.Errorf("it has %d parts between dots, not three", parts)
	}
}

// algorithmOf returns the quoted `alg` of an unverified token.
func algorithmOf(token *jwt.Token) string {
	if token == nil {
		return "nothing"
	}
	switch algorithm := token.Header["alg"].(type) {
	case string:
		return httperr.Quote(algorithm)
	case nil:
		return "nothing"
	}
	return "no text"
}

// unknownIssuer returns a text that says that the token names an issuer that
// the table does not have, so that the gateway's own keys were tried. It
// returns "" when the token names none.
func unknownIssuer(claims jwt.MapClaims) string {
	switch name := claims["iss"].(type) {
	case nil:
		return ""
	case string:
		return "its `iss` " + httperr.Quote(name) + " is none of `tokens`, so that it was held against the gateway's own keys"
	}
	return "its `iss` is not text, so that it was held against the gateway's own keys"
}

// because returns the refusal with those causes that are not "", joined.
func because(r *httperr.Error, causes ...string) *httperr.Error {
	var said []string
	for _, cause := range causes {
		if cause != "" {
			said = append(said, cause)
		}
	}
	if len(said) == 0 {
		return r
	}
	return r.Because(errors.New(strings.Join(said, "; ")))
}

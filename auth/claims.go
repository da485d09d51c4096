package auth

// This file reads the claims of a token whose signature is good.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"time"

	"gatehouse/auth/keys"
	"gatehouse/internal/httperr"

	"github.com/golang-jwt/jwt/v5"
)

// lifetime is when a token is accepted: from the later of nbf and iat until exp.
// Both include the leeway of the token's issuer. begin is zero when the token
// has neither nbf nor iat.
type lifetime struct{ begin, expiry time.Time }

// check requires an expiry in the future, and a beginning in the past.
func (l lifetime) check(now time.Time) *httperr.Error {
	if !now.Before(l.expiry) {
		return refuseExpired
	}
	if l.begin.After(now) {
		return refuseNotYet
	}
	return nil
}

// leeways are how much the clock of the maker of a token may differ from ours.
type leeways struct{ begin, expiry time.Duration }

// leewaysOf returns the leeways for tokens of an issuer, or for ours with nil.
// Our own tokens get none at their end, as in the original gateway.
func leewaysOf(issuer *keys.Issuer) leeways {
	if issuer == nil {
		return leeways{begin: clockLeeway}
	}
	return leeways{begin: max(clockLeeway, issuer.Leeway), expiry: issuer.Leeway}
}

// checkTimes reads the times of a token and checks them.
func checkTimes(claims jwt.MapClaims, now time.Time, leeway leeways) (lifetime, *httperr.Error) {
	expiry, present, ok := numericDate(claims["exp"])
	if !present {
		return lifetime{}, refuseNoExpiry.Because(errNoExpiry)
	}
	if !ok {
		return lifetime{}, refuseNoExpiry.Because(fmt.Errorf("`exp` %w", errBeyondTime))
	}
	life := lifetime{expiry: expiry.Add(leeway.expiry)}
	for _, name := range []string{"nbf", "iat"} {
		// Report problems of the times that could be read first.
		if refusal := life.check(now); refusal != nil {
			return lifetime{}, refusal
		}
		begin, present, ok := numericDate(claims[name])
		if present && !ok {
			return lifetime{}, refuseClaims.Because(fmt.Errorf("`%s` %w", name, errBeyondTime))
		}
		if begin = begin.Add(-leeway.begin); present && begin.After(life.begin) {
			life.begin = begin
		}
	}
	return life, life.check(now)
}

// numericDate reads a NumericDate (RFC 7519 section 2): seconds since 1970,
// with an optional fraction.
func numericDate(claim any) (at time.Time, present, ok bool) {
	if claim == nil {
		return time.Time{}, false, false
	}
	number, isNumber := claim.(json.Number)
	if !isNumber {
		return time.Time{}, true, false
	}
	seconds, err := number.Float64()
	if err != nil || math.Abs(seconds) > 1<<40 { // about 34,000 years: time.Unix is exact within
		return time.Time{}, true, false
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*float64(time.Second))), true, true
}

// identify returns the identity that the claims describe. A number is read as
// its text, digit by digit, because some issuers number their users. A claim
// that a header will carry must be a valid field value. A list of roles gives
// each of them; a role of any other type is ignored.
func identify(claims jwt.MapClaims) (*Identity, *httperr.Error) {
	identity := &Identity{claims: claims, latest: new(atomic.Pointer[Identity])}
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
				return nil, because(refuseClaims, "`"+claim.name+"` holds what no header can carry: a control character, or a space at an end")
			}
			*claim.into = value
		case json.Number: // as the token writes it: a float would round numbers above 2^53
			*claim.into = value.String()
		default:
			if list, isList := value.([]any); isList && claim.name == "role" {
				identity.roles = rolesIn(list)
			} else if claim.name != "role" {
				return nil, because(refuseClaims, "`"+claim.name+"` is neither text nor a number")
			}
		}
	}
	if identity.UserID == "" {
		return nil, refuseNoSubject
	}
	identity.user, identity.company = parseClaimedID(identity.UserID), parseClaimedID(identity.CompanyID)
	// checkTimes has checked the form.
	identity.IssuedAt, _, _ = numericDate(claims["iat"])
	return identity, nil
}

// rolesIn returns the roles of a list. Backends get them in one header, joined
// by commas. So a role that contains a comma, which they would read as two, is
// dropped, and so is one that no header can carry.
func rolesIn(list []any) *roleList {
	var roles roleList
	for _, entry := range list {
		if role := claimText(entry); role != "" && !strings.Contains(role, ",") {
			roles.names = append(roles.names, role)
		}
	}
	roles.joined = strings.Join(roles.names, ",")
	return &roles
}

// fitsHeader reports whether the text can be a field value unchanged (RFC 9110
// section 5.5): without control characters, and without space at either end.
func fitsHeader(text string) bool {
	return strings.Trim(text, " \t") == text &&
		!strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// countMembers returns the number of members of a valid JSON object. A name
// that appears twice counts twice. The result is -1 when the text is not an
// object, or continues after it.
func countMembers(object []byte) int {
	members, depth, inText := 0, 0, false
	for i := 0; i < len(object); i++ {
		switch c := object[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == ':' && depth == 1:
			members++
		case c == '{', c == '[':
			depth++
		case c == '}', c == ']':
			if depth--; depth == 0 {
				if len(bytes.TrimSpace(object[i+1:])) > 0 {
					return -1
				}
				return members
			}
		}
	}
	return -1
}

package auth

import (
	"net/http"
	"time"

	"gatehouse/auth/keys"
	"gatehouse/internal/httperr"
)

// Result is the result of a decision, as a metric label. The set is closed.
type Result string

// The results of a decision.
const (
	ResultAllowed      Result = "allowed"
	ResultAmbiguous    Result = "ambiguous"
	ResultNoToken      Result = "no_token"
	ResultInvalidToken Result = "invalid_token"
	ResultExpired      Result = "expired"
	ResultUnknownUser  Result = "unknown_user"
	ResultInactive     Result = "inactive"
	ResultRevoked      Result = "revoked"
	ResultNoCompany    Result = "no_company"
	ResultMoved        Result = "company_moved"
	ResultRole         Result = "role"
	ResultClaim        Result = "claim"
	ResultUnavailable  Result = "unavailable"
	// ResultAddress is decided before the Gate is asked, by allow_from and deny_from.
	ResultAddress Result = "address"
	// ResultPassword and ResultThrottled are those of routes with `basic`.
	ResultPassword  Result = "wrong_password"
	ResultThrottled Result = "throttled"
)

// The challenges of RFC 6750 section 3.
const (
	challengeNone         = `Bearer`
	challengeInvalid      = `Bearer error="invalid_token"`
	challengeExpired      = `Bearer error="invalid_token", error_description="The token has expired"`
	challengeInsufficient = `Bearer error="insufficient_scope"`
)

// All refusals of the Gate. The sentences are those of the original gateways. A
// 401 never contains the error of a library.
var (
	refuseTwoTokens = &httperr.Error{
		Status: http.StatusBadRequest, AuthResult: string(ResultAmbiguous),
		Detail: "More than one Authorization header.",
	}
	refuseNoToken = &httperr.Error{
		Status: http.StatusUnauthorized, Challenge: challengeNone, AuthResult: string(ResultNoToken),
		Detail: "Not authenticated",
	}
	refuseMalformed = invalidToken("Token validation failed: malformed token.")
	refuseSignature = invalidToken("Token validation failed: signature is invalid.")
	refuseAlgorithm = invalidToken("Token validation failed: algorithm is not accepted.")
	refuseKey       = invalidToken("Token validation failed: signing key is not known.")
	refuseAudience  = invalidToken("Token validation failed: audience is not accepted.")
	refuseNoExpiry  = invalidToken("Token validation failed: 'exp' claim is missing or invalid.")
	refuseNotYet    = invalidToken("Token validation failed: token is not valid yet.")
	refuseClaims    = invalidToken("Token validation failed: a claim has the wrong type.")
	refuseExpired   = &httperr.Error{
		Status: http.StatusUnauthorized, Challenge: challengeExpired, AuthResult: string(ResultExpired),
		Detail: "Token has expired.",
	}
	refuseNoSubject   = invalidToken("Token missing 'sub' (user ID) claim.")
	refuseBadSubject  = invalidToken("Invalid user ID format in token.")
	refuseBadCompany  = invalidToken("Invalid company ID format in token.")
	refuseUnknownUser = &httperr.Error{
		Status: http.StatusUnauthorized, Challenge: challengeInvalid, AuthResult: string(ResultUnknownUser),
		Detail: "User associated with token not found.",
	}
	refuseInactive = &httperr.Error{
		Status: http.StatusUnauthorized, Challenge: challengeInvalid, AuthResult: string(ResultInactive),
		Detail: "User associated with token is inactive.",
	}
	refuseRevoked = &httperr.Error{
		Status: http.StatusUnauthorized, Challenge: challengeInvalid, AuthResult: string(ResultRevoked),
		Detail: "Token has been revoked.",
	}
	refuseMoved = &httperr.Error{
		Status: http.StatusForbidden, Challenge: challengeInsufficient, AuthResult: string(ResultMoved),
		Detail: "The company in the token is no longer the user's company.",
	}
	refuseNoCompany = &httperr.Error{
		Status: http.StatusForbidden, Challenge: challengeInsufficient, AuthResult: string(ResultNoCompany),
		Detail: "User authenticated, but required company association is missing or invalid in token.",
	}
	refuseRole = &httperr.Error{
		Status: http.StatusForbidden, Challenge: challengeInsufficient, AuthResult: string(ResultRole),
		Detail: "The user's role does not allow this.",
	}
	refuseClaim = &httperr.Error{
		Status: http.StatusForbidden, Challenge: challengeInsufficient, AuthResult: string(ResultClaim),
		Detail: "The claims of the token do not allow this.",
	}
	// StoreUnavailable is also the endpoints' answer when the store fails.
	StoreUnavailable = &httperr.Error{
		Status: http.StatusServiceUnavailable, RetryAfter: time.Second, AuthResult: string(ResultUnavailable), Reason: httperr.ReasonStore,
		Detail: "The user database cannot be reached.",
	}
	refuseIssuer = &httperr.Error{
		Status: http.StatusServiceUnavailable, RetryAfter: keys.ReadInterval, AuthResult: string(ResultUnavailable), Reason: httperr.ReasonKeys,
		Detail: "The keys of the token's issuer cannot be read.",
	}
)

func invalidToken(detail string) *httperr.Error {
	return &httperr.Error{
		Status: http.StatusUnauthorized, Challenge: challengeInvalid, AuthResult: string(ResultInvalidToken),
		Detail: detail,
	}
}

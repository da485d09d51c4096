package auth

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Refusal is a request answered by the gateway with an error: a public
// sentence for the client and, apart from it, a private cause for the log.
// The shared ones below are never written to; Because makes a copy.
type Refusal struct {
	Status     int           // 4xx or 5xx
	Detail     string        // the sentence in the body; fixed, never a library's text
	Challenge  string        // WWW-Authenticate (RFC 6750 section 3), "" for none
	Allow      string        // Allow (RFC 9110 section 10.2.1), "" for none
	RetryAfter time.Duration // Retry-After, rounded up to seconds; 0 for none
	Problems   []Problem     // what the body lists instead of Detail, for a 422
	Result     Result        // the label in gatehouse_auth_decisions_total, "" when the Gate did not refuse
	Cause      error         // for the log only; nil when the detail says it all
}

// Error returns the detail and the cause, for logs. It is not what clients see.
func (r *Refusal) Error() string {
	if r.Cause == nil {
		return r.Detail
	}
	return r.Detail + " " + r.Cause.Error()
}

// Unwrap returns the private cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// Because is the same refusal with a private cause.
func (r *Refusal) Because(cause error) *Refusal {
	with := *r
	with.Cause = cause
	return &with
}

// Body is the JSON object of every error that the gateway makes.
type Body struct {
	Detail    any    `json:"detail"` // a sentence; for 422 a list of validation errors
	RequestID string `json:"request_id,omitempty"`
}

// WriteTo answers with the refusal. The request id is taken from the
// X-Request-ID that the response already carries.
func (r *Refusal) WriteTo(w http.ResponseWriter) {
	header := w.Header()
	if r.Challenge != "" {
		header.Set("WWW-Authenticate", r.Challenge)
	}
	if r.Allow != "" {
		header.Set("Allow", r.Allow)
	}
	if r.RetryAfter > 0 {
		seconds := (r.RetryAfter + time.Second - 1) / time.Second
		header.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	body := Body{Detail: r.Detail, RequestID: header.Get("X-Request-ID")}
	if len(r.Problems) > 0 {
		body.Detail = r.Problems
	}
	WriteJSON(w, r.Status, body)
}

// WriteJSON answers with one JSON value. An error of the client's connection
// is nobody's to handle here.
func WriteJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil { // only a programming error gets here: values are our own
		status, body = http.StatusInternalServerError, []byte(`{"detail":"Internal Server Error"}`)
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// Result names how a decision came out, as a metric label. The set is closed.
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
	ResultUnavailable  Result = "unavailable"
)

// The challenges of RFC 6750 section 3.
const (
	challengeNone         = `Bearer`
	challengeInvalid      = `Bearer error="invalid_token"`
	challengeExpired      = `Bearer error="invalid_token", error_description="The token has expired"`
	challengeInsufficient = `Bearer error="insufficient_scope"`
)

// Every refusal of the Gate. The sentences are those of the gateways that
// Gatehouse replaces; a 401 never says what a library thought.
var (
	refuseTwoTokens = &Refusal{
		Status: http.StatusBadRequest, Result: ResultAmbiguous,
		Detail: "More than one Authorization header.",
	}
	refuseNoToken = &Refusal{
		Status: http.StatusUnauthorized, Challenge: challengeNone, Result: ResultNoToken,
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
	refuseExpired   = &Refusal{
		Status: http.StatusUnauthorized, Challenge: challengeExpired, Result: ResultExpired,
		Detail: "Token has expired.",
	}
	refuseNoSubject   = invalidToken("Token missing 'sub' (user ID) claim.")
	refuseBadSubject  = invalidToken("Invalid user ID format in token.")
	refuseBadCompany  = invalidToken("Invalid company ID format in token.")
	refuseUnknownUser = &Refusal{
		Status: http.StatusUnauthorized, Challenge: challengeInvalid, Result: ResultUnknownUser,
		Detail: "User associated with token not found.",
	}
	refuseInactive = &Refusal{
		Status: http.StatusUnauthorized, Challenge: challengeInvalid, Result: ResultInactive,
		Detail: "User associated with token is inactive.",
	}
	refuseRevoked = &Refusal{
		Status: http.StatusUnauthorized, Challenge: challengeInvalid, Result: ResultRevoked,
		Detail: "Token has been revoked.",
	}
	refuseMoved = &Refusal{
		Status: http.StatusForbidden, Challenge: challengeInsufficient, Result: ResultMoved,
		Detail: "The company in the token is no longer the user's company.",
	}
	refuseNoCompany = &Refusal{
		Status: http.StatusForbidden, Challenge: challengeInsufficient, Result: ResultNoCompany,
		Detail: "User authenticated, but required company association is missing or invalid in token.",
	}
	refuseRole = &Refusal{
		Status: http.StatusForbidden, Challenge: challengeInsufficient, Result: ResultRole,
		Detail: "The user's role does not allow this.",
	}
	refuseUnavailable = &Refusal{
		Status: http.StatusServiceUnavailable, RetryAfter: time.Second, Result: ResultUnavailable,
		Detail: "The user database cannot be reached.",
	}
	refuseIssuer = &Refusal{
		Status: http.StatusServiceUnavailable, RetryAfter: readPause, Result: ResultUnavailable,
		Detail: "The keys of the token's issuer cannot be read.",
	}
)

func invalidToken(detail string) *Refusal {
	return &Refusal{
		Status: http.StatusUnauthorized, Challenge: challengeInvalid, Result: ResultInvalidToken,
		Detail: detail,
	}
}

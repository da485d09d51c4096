package auth

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Identity is who passed the Gate. It is immutable.
type Identity struct {
	UserID    string // the claim `sub`, never empty
	CompanyID string // the claim `company_id`, "" without one
	Email     string // the claim `email`, "" without one
	Role      string // the user's role now; with `users: off` the claim `role`

	IssuedAt  time.Time // the claim `iat`, zero without one
	ExpiresAt time.Time // the claim `exp`

	claims map[string]any
}

// UserUUID is the user's id where there are built-in users: the Gate has
// checked that it is one.
func (id *Identity) UserUUID() uuid.UUID {
	parsed, _ := uuid.Parse(id.UserID)
	return parsed
}

// Claim gives a claim as a header value: text, a number or a boolean as
// written. It is "" for a claim that is absent or has no such form.
func (id *Identity) Claim(name string) string {
	switch name {
	case "sub":
		return id.UserID
	case "company_id":
		return id.CompanyID
	case "email":
		return id.Email
	case "role":
		return id.Role
	}
	switch value := id.claims[name].(type) {
	case string:
		if fitsHeader(value) {
			return value
		}
	case json.Number:
		return value.String()
	case bool:
		return strconv.FormatBool(value)
	}
	return ""
}

// hasRole tells whether the identity has one of the roles; no roles ask nothing.
func (id *Identity) hasRole(roles []string) bool {
	return len(roles) == 0 || slices.Contains(roles, id.Role)
}

// Decision is what was decided about one request. A handler that asks the Gate
// by itself, as the users endpoints do, leaves it where the access log looks.
type Decision struct {
	Identity *Identity // nil when nobody was asked for
	Refusal  *Refusal  // nil when the request passed
}

type decisionKey struct{}

// WithDecision gives the context a place for a handler's decision.
func WithDecision(ctx context.Context, decision *Decision) context.Context {
	return context.WithValue(ctx, decisionKey{}, decision)
}

// decided leaves the decision where WithDecision made room for it, if it did.
func decided(ctx context.Context, identity *Identity, refusal *Refusal) {
	if decision, ok := ctx.Value(decisionKey{}).(*Decision); ok {
		decision.Identity, decision.Refusal = identity, refusal
	}
}

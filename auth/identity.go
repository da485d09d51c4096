package auth

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"gatehouse/store"
)

// Identity is who passed the Gate. It is immutable.
type Identity struct {
	UserID    string // the claim `sub`, never empty
	CompanyID string // the claim `company_id`, "" without one
	Email     string // the claim `email`, "" without one
	Role      string // the user's role now; with `users: off` the claim `role`

	IssuedAt  time.Time // the claim `iat`, zero without one
	ExpiresAt time.Time // the claim `exp`

	claims        map[string]any
	user, company claimedID                 // UserID and CompanyID, read once
	latest        *atomic.Pointer[Identity] // holds what `as` made last, nil before
}

// IdentityOf is who a user is whose row was read just now.
func IdentityOf(user store.User) *Identity {
	who := &Identity{Email: user.Email, Role: user.Role, user: claimedUUID(user.ID), latest: new(atomic.Pointer[Identity])}
	if user.CompanyID != nil {
		who.company = claimedUUID(*user.CompanyID)
	}
	who.UserID, who.CompanyID = who.user.canonical, who.company.canonical
	return who
}

// UserUUID is the user's id where there are built-in users: the Gate has
// checked that it is one.
func (id *Identity) UserUUID() uuid.UUID { return id.user.id }

// withRole is the identity with the role that the user has now and one spelling of
// each id, the canonical one, for the backends. Our own tokens claim no role, so
// requests with one token share what was made for the first of them, until the
// role changes.
func (id *Identity) withRole(role string) *Identity {
	if id.Role == role && id.UserID == id.user.canonical && id.CompanyID == id.company.canonical {
		return id
	}
	if latest := id.latest.Load(); latest != nil && latest.Role == role {
		return latest
	}
	now := *id
	now.UserID, now.CompanyID, now.Role = id.user.canonical, id.company.canonical, role
	id.latest.Store(&now)
	return &now
}

// Claim returns a claim as a header value: text, a number or a boolean as
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

// claimedID is what a claim says that should be a UUID: the zero value when it
// is none, which only built-in users mind.
type claimedID struct {
	id        uuid.UUID
	canonical string // its one spelling
}

func claimedUUID(id uuid.UUID) claimedID { return claimedID{id, id.String()} }

func (c claimedID) isUUID() bool { return c.canonical != "" }

// parseClaimedID reads a claim. One that is spelled as it should be is not held twice.
func parseClaimedID(claim string) claimedID {
	id, err := ParseUUID(claim)
	if err != nil {
		return claimedID{}
	}
	read := claimedUUID(id)
	if read.canonical == claim {
		read.canonical = claim
	}
	return read
}

var errNotUUID = errors.New("not a UUID")

// ParseUUID parses the 36-character form and the 32 hexadecimal digits that
// Python's uuid.UUID takes too, not the braces and URNs of uuid.Parse.
func ParseUUID(text string) (uuid.UUID, error) {
	if len(text) != 36 && len(text) != 32 {
		return uuid.UUID{}, errNotUUID
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.UUID{}, errNotUUID
	}
	return id, nil
}

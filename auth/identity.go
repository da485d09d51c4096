package auth

import (
	"errors"
	"slices"
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
	ExpiresAt time.Time // when the token is no longer accepted: the claim `exp`, and the leeway of its issuer

	claims        map[string]any            // what KeptClaims keeps of the token
	user, company claimedID                 // UserID and CompanyID, parsed once
	latest        *atomic.Pointer[Identity] // holds the last result of withRole, nil before
}

// IdentityOf returns the identity of a user whose row was just read.
func IdentityOf(user store.User) *Identity {
	who := &Identity{Email: user.Email, Role: user.Role, user: claimedUUID(user.ID), latest: new(atomic.Pointer[Identity])}
	if user.CompanyID != nil {
		who.company = claimedUUID(*user.CompanyID)
	}
	who.UserID, who.CompanyID = who.user.canonical, who.company.canonical
	return who
}

// UserUUID returns the user's id. It is only for built-in users, whose id the
// Gate has checked.
func (id *Identity) UserUUID() uuid.UUID { return id.user.id }

// withRole returns the identity with the user's current role, and with both ids
// in their canonical spelling for the backends. Our own tokens have no role
// claim. So all requests with one token share the identity made for the first,
// until the role changes.
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
// written. It returns "" for a claim that is absent, of another type, or text
// that no header can carry. A name with dots may be the path of a claim inside
// others, such as realm_access.id; a claim with exactly that name counts first.
//
// An identity keeps only the claims that its table uses: see KeptClaims.
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
	return claimText(findClaim(id.claims, name))
}

// hasRole reports whether the identity has one of the roles. An empty list
// allows every role.
func (id *Identity) hasRole(roles []string) bool {
	return len(roles) == 0 || slices.Contains(roles, id.Role)
}

// claimedID is a claim that should be a UUID. It is the zero value when the
// claim is not one, which matters only for built-in users.
type claimedID struct {
	id        uuid.UUID
	canonical string // the canonical spelling
}

func claimedUUID(id uuid.UUID) claimedID { return claimedID{id, id.String()} }

func (c claimedID) isUUID() bool { return c.canonical != "" }

// parseClaimedID parses a claim. A claim in canonical spelling is stored once
// only.
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

// ParseUUID parses the 36-character form and the form of 32 hexadecimal digits,
// which Python's uuid.UUID also accepts. It refuses the braces and URNs that
// uuid.Parse accepts.
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

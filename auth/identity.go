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
	Role      string // the user's role now; with `users: off` the claim `role`; "" when that is a list

	IssuedAt  time.Time // the claim `iat`, zero without one; when the token was first seen, if another issuer's clock is ahead
	ExpiresAt time.Time // when the token is no longer accepted: the claim `exp`, and the leeway of its issuer

	claims        map[string]any            // what KeptClaims keeps of the token
	roles         *roleList                 // the roles of a token that has a list of them, else nil
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
	if id.roles == nil && id.Role == role && id.UserID == id.user.canonical && id.CompanyID == id.company.canonical {
		return id
	}
	if latest := id.latest.Load(); latest != nil && latest.Role == role {
		return latest
	}
	now := *id
	now.UserID, now.CompanyID, now.Role, now.roles = id.user.canonical, id.company.canonical, role, nil
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
	if text, own := id.ownClaim(name); own {
		return text
	}
	return claimText(findClaim(id.claims, name))
}

// ownClaim returns one of the claims that every identity has. own is false for
// the name of another claim.
func (id *Identity) ownClaim(name string) (text string, own bool) {
	switch name {
	case "sub":
		return id.UserID, true
	case "company_id":
		return id.CompanyID, true
	case "email":
		return id.Email, true
	case "role":
		if id.roles != nil {
			return id.roles.joined, true
		}
		return id.Role, true
	}
	return "", false
}

// hasRole reports whether the identity has one of the roles. An empty list
// allows every role.
func (id *Identity) hasRole(roles []string) bool {
	switch {
	case len(roles) == 0:
		return true
	case id.roles == nil:
		return slices.Contains(roles, id.Role)
	}
	return slices.ContainsFunc(id.roles.names, func(role string) bool { return slices.Contains(roles, role) })
}

// roleList is the claim `role` of a token that has a list of roles.
type roleList struct {
	names  []string // those that the table lists; see KeptClaims
	joined string   // all of them, joined by commas, for a header
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

package auth

import (
	"context"
	"time"

	"github.com/google/uuid"

	"gatehouse/internal/httperr"
	"gatehouse/store"
)

// UserState is what the Gate checks about a user on every request.
type UserState struct {
	Active    bool
	CompanyID *uuid.UUID // nil without a company
	Role      string
	// ValidAfter is when the user's tokens were last revoked, or zero when they
	// never were. See revokes.
	ValidAfter time.Time
}

// revokes reports whether a token that was issued at that time is revoked. The
// time is zero for a token that does not state it.
func (s UserState) revokes(issued time.Time) bool {
	return !s.ValidAfter.IsZero() && issued.Before(validFrom(s.ValidAfter))
}

// validFrom returns the issue time of the first good token after a revocation,
// which is the next whole second. A token states the second of its issue, and
// one of the same second may be older than the revocation. Signer.TokenFor
// therefore writes the next second into newer tokens, so that nobody has to
// wait.
func validFrom(validAfter time.Time) time.Time {
	return validAfter.Truncate(time.Second).Add(time.Second)
}

// UserStates returns the current state of a user. It is the only interface
// between requests and users: every strict or initial request uses it.
type UserStates interface {
	// UserState returns store.ErrNotFound for an unknown user. Any other error
	// means that the state is unknown, and the request is refused with 503.
	UserState(ctx context.Context, id uuid.UUID) (UserState, error)
}

// UserLister is a UserStates that also answers for many users in one query.
type UserLister interface {
	UserStates
	// ListUserStates returns the states of those users that exist.
	ListUserStates(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]UserState, error)
}

// StoredUsers asks the store each time.
type StoredUsers struct {
	Store store.Store
}

// UserState implements UserStates.
func (s StoredUsers) UserState(ctx context.Context, id uuid.UUID) (UserState, error) {
	user, err := s.Store.UserByID(ctx, id)
	if err != nil {
		return UserState{}, err
	}
	return stateOf(user), nil
}

// ListUserStates implements UserLister.
func (s StoredUsers) ListUserStates(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]UserState, error) {
	users, err := s.Store.UsersByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	states := make(map[uuid.UUID]UserState, len(users))
	for _, user := range users {
		states[user.ID] = stateOf(user)
	}
	return states, nil
}

var _ UserLister = StoredUsers{}

func stateOf(user store.User) UserState {
	state := UserState{Active: user.Active, CompanyID: user.CompanyID, Role: user.Role}
	if user.TokensValidAfter != nil {
		state.ValidAfter = *user.TokensValidAfter
	}
	return state
}

// equal reports whether the two states make no difference to any request.
func (s UserState) equal(other UserState) bool {
	sameCompany := s.CompanyID == other.CompanyID ||
		s.CompanyID != nil && other.CompanyID != nil && *s.CompanyID == *other.CompanyID
	return sameCompany && s.Active == other.Active && s.Role == other.Role && s.ValidAfter.Equal(other.ValidAfter)
}

// CheckCurrent checks a token that passed against a row that was read later. It
// returns why the Gate would refuse the token now, or nil.
func CheckCurrent(who *Identity, user store.User) *httperr.Error {
	if !user.Active {
		return refuseInactive
	}
	return CheckRevoked(who, user)
}

// CheckRevoked is CheckCurrent for a user who is known to be active.
func CheckRevoked(who *Identity, user store.User) *httperr.Error {
	if stateOf(user).revokes(who.IssuedAt) {
		return refuseRevoked
	}
	return nil
}

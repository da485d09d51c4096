package auth

import (
	"context"

	"github.com/google/uuid"

	"gatehouse/store"
)

// UserState is what the Gate must know of a user on every request.
type UserState struct {
	Active    bool
	CompanyID *uuid.UUID // nil without a company
	Role      string
}

// UserStates tells the state of a user as it is now. It is the one seam
// between requests and users: every strict or initial request asks here.
type UserStates interface {
	// UserState returns store.ErrNotFound for an unknown user. Any other error
	// means that nobody knows, and the request is refused with 503.
	UserState(ctx context.Context, id uuid.UUID) (UserState, error)
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
	return UserState{Active: user.Active, CompanyID: user.CompanyID, Role: user.Role}, nil
}

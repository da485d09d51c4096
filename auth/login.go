package auth

// This file logs users in.

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"gatehouse/store"
)

// LoginMetrics counts attempts to log in by their result.
type LoginMetrics interface {
	Login(result string)
}

// The results of an attempt to log in. The client is never told the three in
// the middle apart.
const (
	LoginSuccess       = "success"
	LoginUnknownUser   = "unknown_user"
	LoginInactive      = "inactive"
	LoginWrongPassword = "wrong_password"
	LoginInvalid       = "invalid"     // the body is not a login
	LoginUnavailable   = "unavailable" // nobody could tell
)

type noMetrics struct{}

func (noMetrics) Login(string) {}

// recordPatience is how long a login may wait for last_login to be written.
const recordPatience = 2 * time.Second

// loginAnswer has the fields of the original, in its order.
type loginAnswer struct {
	AccessToken string     `json:"access_token"`
	TokenType   string     `json:"token_type"`
	UserID      uuid.UUID  `json:"user_id"`
	Email       string     `json:"email"`
	FullName    *string    `json:"full_name"`
	Role        string     `json:"role"`
	CompanyID   *uuid.UUID `json:"company_id"`
}

func (u *Users) login(ctx context.Context, _ *Identity, sent body) (any, *Refusal) {
	answer, result, refusal := u.attemptLogin(ctx, sent)
	u.Metrics.Login(result)
	return answer, refusal
}

// attemptLogin does the same work whether the e-mail is known or not, since
// the time taken must not tell.
func (u *Users) attemptLogin(ctx context.Context, sent body) (answer any, result string, refusal *Refusal) {
	email, password, refusal := readLogin(sent)
	if refusal != nil {
		return nil, LoginInvalid, refusal
	}
	user, err := u.Store.UserByEmail(ctx, email)
	unknown := errors.Is(err, store.ErrNotFound)
	if err != nil && !unknown {
		return nil, LoginUnavailable, refuseUnavailable.Because(err)
	}
	hash := "" // nobody's
	if !unknown && user.Active {
		hash = user.HashedPassword
	}
	right, err := u.Passwords.Compare(ctx, hash, password)
	switch {
	case err != nil:
		return nil, LoginUnavailable, refuseUnavailable.Because(err)
	case unknown:
		return nil, LoginUnknownUser, refuseLogin
	case !user.Active:
		return nil, LoginInactive, refuseLogin
	case !right:
		return nil, LoginWrongPassword, refuseLogin
	}
	return u.welcome(ctx, user)
}

func readLogin(sent body) (email, password string, refusal *Refusal) {
	form, refusal := sent.form()
	if refusal != nil {
		return "", "", refusal
	}
	email, password = form.email("email"), form.password("password")
	return email, password, form.refusal()
}

// welcome gives a token to a user who has shown the password.
func (u *Users) welcome(ctx context.Context, user store.User) (answer any, result string, refusal *Refusal) {
	if gone := u.recordLogin(ctx, user.ID); gone {
		return nil, LoginUnknownUser, refuseLogin
	}
	token, err := u.Signer.Token(user.ID, user.Email, user.CompanyID)
	if err != nil {
		return nil, LoginUnavailable, refuseInternal.Because(err)
	}
	who := &Identity{UserID: user.ID.String(), Email: user.Email, Role: user.Role}
	if user.CompanyID != nil {
		who.CompanyID = user.CompanyID.String()
	}
	decided(ctx, who, nil)
	return loginAnswer{
		AccessToken: token,
		TokenType:   "bearer",
		UserID:      user.ID,
		Email:       user.Email,
		FullName:    user.FullName,
		Role:        user.Role,
		CompanyID:   user.CompanyID,
	}, LoginSuccess, nil
}

// recordLogin writes last_login, and tells whether the user is gone by now.
// Any other trouble does not stop the login: the password was right, and a
// database that can be read but not written, as during a failover, should not
// keep everybody out for a note that only people look at.
func (u *Users) recordLogin(ctx context.Context, id uuid.UUID) (gone bool) {
	recording, cancel := context.WithTimeout(ctx, recordPatience)
	defer cancel()
	err := u.Store.RecordLogin(recording, id, u.Now())
	if err == nil {
		return false
	}
	if errors.Is(err, store.ErrNotFound) {
		return true
	}
	u.Log.WarnContext(ctx, "last_login is not written", "user_id", id.String(), "error", err)
	return false
}

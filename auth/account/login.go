package account

// This file serves the login.

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"gatehouse/auth"
	"gatehouse/internal/httperr"
	"gatehouse/store"
)

// LoginMetrics counts attempts to log in by their result.
type LoginMetrics interface {
	Login(result string)
}

// The results of an attempt to log in. The client gets the same answer for an
// unknown user, an inactive user and a wrong password.
const (
	LoginSuccess       = "success"
	LoginUnknownUser   = "unknown_user"
	LoginInactive      = "inactive"
	LoginWrongPassword = "wrong_password"
	LoginInvalid       = "invalid"     // the body is not a login
	LoginThrottled     = "throttled"   // too many attempts failed before
	LoginOverloaded    = "overloaded"  // too many attempts at the same time
	LoginUnavailable   = "unavailable" // the store could not be asked
)

type discardMetrics struct{}

func (discardMetrics) Login(string) {}

// recordTimeout is how long a login may wait for last_login to be written.
const recordTimeout = 2 * time.Second

// loginAnswer has the fields of the original gateway's answer, in its order.
type loginAnswer struct {
	AccessToken string     `json:"access_token"`
	TokenType   string     `json:"token_type"`
	UserID      uuid.UUID  `json:"user_id"`
	Email       string     `json:"email"`
	FullName    *string    `json:"full_name"`
	Role        string     `json:"role"`
	CompanyID   *uuid.UUID `json:"company_id"`
}

func (h *Handler) login(ctx context.Context, _ *auth.Identity, sent body) (any, *httperr.Error) {
	answer, result, refusal := h.attemptLogin(ctx, sent)
	h.Metrics.Login(result)
	return answer, refusal
}

// attemptLogin runs an attempt through its steps: a place in the queue, the
// throttle, a slot for bcrypt, the throttle once more (which now counts), and
// the password. It does the same work whether or not the e-mail is known,
// because the time must not show the difference.
func (h *Handler) attemptLogin(ctx context.Context, sent body) (answer any, result string, refusal *httperr.Error) {
	email, password, refusal := readLogin(sent)
	if refusal != nil {
		return nil, LoginInvalid, refusal
	}
	attempt := h.throttle.loginAttempt(email, auth.ClientOf(ctx))
	slot, refusal := acquireHashSlot(ctx, h.Passwords, attempt)
	if refusal != nil {
		return nil, resultOf(refusal), refusal
	}
	began := h.Now()
	user, result, refusal := h.comparePassword(ctx, slot, email, password)
	if refusal != nil {
		return nil, result, refusal
	}
	clearFailures(ctx, h.Log, attempt)
	return h.completeLogin(ctx, user, began)
}

// comparePassword returns the user when the password is right. It releases the
// slot.
func (h *Handler) comparePassword(ctx context.Context, slot *hashSlot, email, password string) (store.User, string, *httperr.Error) {
	defer slot.release()
	user, err := h.Store.UserByEmail(ctx, email)
	unknown := errors.Is(err, store.ErrNotFound)
	if err != nil && !unknown {
		return user, LoginUnavailable, auth.StoreUnavailable.Because(err)
	}
	hash := "" // matches no password
	if !unknown && user.Active {
		hash = user.HashedPassword
	}
	right := h.Passwords.compareNow(hash, password)
	switch {
	case unknown:
		return user, LoginUnknownUser, refuseLogin
	case !user.Active:
		return user, LoginInactive, refuseLogin
	case !right:
		return user, LoginWrongPassword, refuseLogin
	}
	h.renewHash(ctx, user, password)
	return user, LoginSuccess, nil
}

// renewHash stores a hash of the current cost for a user whose hash is cheaper,
// when the password is known (issue 10). The caller has a slot. When others
// wait for a slot, a later login does the work. The user's tokens stay valid,
// because the password is the same. An error does not stop the login.
func (h *Handler) renewHash(ctx context.Context, user store.User, password string) {
	if !h.Passwords.outdated(user.HashedPassword) || h.Passwords.limiter.hasWaiters() {
		return
	}
	renewed, err := h.Passwords.hashNow(password)
	if err == nil {
		err = h.Store.RenewHash(ctx, user.ID, user.HashedPassword, renewed)
	}
	if err != nil {
		h.Log.WarnContext(ctx, "the hash of a password cannot be renewed", "user_id", user.ID.String(), "error", err)
	}
}

// resultOf returns the result of an attempt that was refused before it was
// made.
func resultOf(refusal *httperr.Error) string {
	switch {
	case refusal.Status == http.StatusTooManyRequests:
		return LoginThrottled
	case errors.Is(refusal, ErrBusy):
		return LoginOverloaded
	}
	return LoginUnavailable
}

func readLogin(sent body) (email, password string, refusal *httperr.Error) {
	form, refusal := sent.form()
	if refusal != nil {
		return "", "", refusal
	}
	email, password = form.email("email"), form.password("password")
	return email, password, form.refusal()
}

// completeLogin returns a token for a user whose password was right. The token
// follows the row that was read at readAt or later.
func (h *Handler) completeLogin(ctx context.Context, user store.User, readAt time.Time) (answer any, result string, refusal *httperr.Error) {
	if deleted := h.recordLogin(ctx, user.ID); deleted {
		return nil, LoginUnknownUser, refuseLogin
	}
	token, err := h.Signer.TokenFor(user, readAt)
	if err != nil {
		return nil, LoginUnavailable, httperr.Internal.Because(err)
	}
	auth.RecordDecision(ctx, auth.IdentityOf(user), nil)
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

// recordLogin writes last_login and reports whether the user was deleted
// meanwhile. Any other error does not stop the login: the password was right,
// and only people read last_login.
func (h *Handler) recordLogin(ctx context.Context, id uuid.UUID) (deleted bool) {
	recording, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	err := h.Store.RecordLogin(recording, id, h.Now())
	if err == nil {
		return false
	}
	if errors.Is(err, store.ErrNotFound) {
		return true
	}
	h.Log.WarnContext(ctx, "last_login cannot be written", "user_id", id.String(), "error", err)
	return false
}

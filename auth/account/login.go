package account

// This file logs users in.

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

// The results of an attempt to log in. The client is never told the three in
// the middle apart.
const (
	LoginSuccess       = "success"
	LoginUnknownUser   = "unknown_user"
	LoginInactive      = "inactive"
	LoginWrongPassword = "wrong_password"
	LoginInvalid       = "invalid"     // the body is not a login
	LoginThrottled     = "throttled"   // too many have failed before
	LoginOverloaded    = "overloaded"  // too many at the same time
	LoginUnavailable   = "unavailable" // nobody could tell
)

type discardMetrics struct{}

func (discardMetrics) Login(string) {}

// recordTimeout is how long a login may wait for last_login to be written.
const recordTimeout = 2 * time.Second

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

func (h *Handler) login(ctx context.Context, _ *auth.Identity, sent body) (any, *httperr.Error) {
	answer, result, refusal := h.attemptLogin(ctx, sent)
	h.Metrics.Login(result)
	return answer, refusal
}

// attemptLogin takes an attempt through its hops: a place in the line, the
// throttle, a slot for bcrypt, the throttle once more, now counting, and then the
// password. It does the same work whether the e-mail is known or not, since the
// time taken must not tell.
func (h *Handler) attemptLogin(ctx context.Context, sent body) (answer any, result string, refusal *httperr.Error) {
	email, password, refusal := readLogin(sent)
	if refusal != nil {
		return nil, LoginInvalid, refusal
	}
	attempt := h.throttle.loginAttempt(email, auth.ClientOf(ctx))
	slot, refusal := h.acquireHashSlot(ctx, attempt)
	if refusal != nil {
		return nil, resultOf(refusal), refusal
	}
	began := h.Now()
	user, result, refusal := h.comparePassword(ctx, slot, email, password)
	if refusal != nil {
		return nil, result, refusal
	}
	h.clearFailures(ctx, attempt)
	return h.completeLogin(ctx, user, began)
}

// comparePassword finds the user whose password it is. It releases the slot.
func (h *Handler) comparePassword(ctx context.Context, slot *hashSlot, email, password string) (store.User, string, *httperr.Error) {
	defer slot.release()
	user, err := h.Store.UserByEmail(ctx, email)
	unknown := errors.Is(err, store.ErrNotFound)
	if err != nil && !unknown {
		return user, LoginUnavailable, auth.StoreUnavailable.Because(err)
	}
	hash := "" // nobody's
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

// renewHash stores a hash of today's cost for a user whose hash is cheaper, once
// the password is known (issue 10). The caller has a slot. The work is left for
// the next login when others wait for theirs. The user's tokens stay good, since
// the password is the same. Trouble does not stop the login.
func (h *Handler) renewHash(ctx context.Context, user store.User, password string) {
	if !h.Passwords.outdated(user.HashedPassword) || h.Passwords.limiter.hasWaiters() {
		return
	}
	renewed, err := h.Passwords.hashNow(password)
	if err == nil {
		err = h.Store.RenewHash(ctx, user.ID, user.HashedPassword, renewed)
	}
	if err != nil {
		h.Log.WarnContext(ctx, "hash of a password is not renewed", "user_id", user.ID.String(), "error", err)
	}
}

// resultOf names how an attempt came out that was never made.
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

// completeLogin returns a token for a user who has shown the password, of the row that
// was read since then.
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

// recordLogin writes last_login, and tells whether the user is gone by now.
// Any other trouble does not stop the login: the password was right, and this
// is a note that only people look at.
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
	h.Log.WarnContext(ctx, "last_login is not written", "user_id", id.String(), "error", err)
	return false
}

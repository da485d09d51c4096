package account

// This file lets an attempt at a password pass the throttle, the counters and
// the limit on hashing.

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"gatehouse/auth"
	"gatehouse/internal/httperr"
	"gatehouse/store"
)

// acquireHashSlot waits until the attempt may run bcrypt. A refused attempt
// costs no bcrypt. When too many attempts wait already, it costs almost
// nothing. The caller must call release on the slot.
func acquireHashSlot(ctx context.Context, passwords *Passwords, attempt *attempt) (*hashSlot, *httperr.Error) {
	slot, err := passwords.limiter.enter()
	if err != nil {
		return nil, refuseNoSlot(err)
	}
	acquired := false
	defer func() {
		if !acquired {
			slot.release()
		}
	}()
	if refusal := refuseThrottled(attempt.check(ctx)); refusal != nil {
		return nil, refusal
	}
	if err := slot.acquire(ctx); err != nil {
		return nil, refuseNoSlot(err)
	}
	// Count here, not earlier: an attempt that still waits has not failed yet.
	// Many people behind one address may log in at nine, and must not be taken
	// for one attacker.
	if refusal := refuseThrottled(attempt.count(ctx)); refusal != nil {
		return nil, refusal
	}
	acquired = true
	return slot, nil
}

// clearFailures undoes the count of a successful attempt, even when the client
// has disconnected. An error is only logged, since the password was right.
func clearFailures(ctx context.Context, log *slog.Logger, attempt *attempt) {
	forgiving, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if err := attempt.forgive(forgiving); err != nil {
		log.WarnContext(ctx, "the count of a successful login cannot be undone", "error", err)
	}
}

// replacePassword returns the hash of the new password when the old password is
// right. Both computations use one slot.
func (h *Handler) replacePassword(ctx context.Context, user store.User, oldPassword, newPassword string) (hash string, refusal *httperr.Error) {
	attempt := h.throttle.passwordAttempt(user.ID)
	slot, refusal := acquireHashSlot(ctx, h.Passwords, attempt)
	if refusal != nil {
		return "", refusal
	}
	defer slot.release()
	if !h.Passwords.compareNow(user.HashedPassword, oldPassword) {
		return "", refusePassword
	}
	clearFailures(ctx, h.Log, attempt)
	hash, err := h.Passwords.hashNow(newPassword)
	if err != nil { // not the user's mistake: the form has checked the password
		return "", httperr.Internal.Because(err)
	}
	return hash, nil
}

// refuseThrottled returns the answer to an attempt that has to wait, or to one
// whose wait the store could not return. It returns nil when there is no wait.
func refuseThrottled(wait time.Duration, err error) *httperr.Error {
	switch {
	case err != nil:
		return auth.StoreUnavailable.Because(err)
	case wait > 0:
		return refuseWait(wait)
	}
	return nil
}

// refuseNoSlot returns the answer to an attempt that got no slot.
func refuseNoSlot(err error) *httperr.Error {
	if errors.Is(err, ErrBusy) {
		return refuseBusy.Because(err)
	}
	return auth.StoreUnavailable.Because(err)
}

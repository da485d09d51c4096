package account

// This file takes an attempt at a password past the throttle, the counters and
// the limit on hashing.

import (
	"context"
	"errors"
	"time"

	"gatehouse/auth"
	"gatehouse/internal/httperr"
	"gatehouse/store"
)

// acquireHashSlot waits until the attempt may run bcrypt. A refused attempt costs
// no bcrypt, and next to nothing when too many wait already. The caller calls
// release on the slot.
func (h *Handler) acquireHashSlot(ctx context.Context, attempt *attempt) (*hashSlot, *httperr.Error) {
	slot, err := h.Passwords.limiter.enter()
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
	// Counted here and not before, since who waits has not failed yet: people
	// behind one address, all logging in at nine, would be taken for a guesser.
	if refusal := refuseThrottled(attempt.count(ctx)); refusal != nil {
		return nil, refusal
	}
	acquired = true
	return slot, nil
}

// clearFailures undoes the count of a successful attempt, also when the client
// has left. An error is logged only: the password was right.
func (h *Handler) clearFailures(ctx context.Context, attempt *attempt) {
	forgiving, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if err := attempt.forgive(forgiving); err != nil {
		h.Log.WarnContext(ctx, "login attempts are not forgiven", "error", err)
	}
}

// replacePassword returns the hash of the new password to who knows the old one,
// both in one slot.
func (h *Handler) replacePassword(ctx context.Context, user store.User, oldPassword, newPassword string) (hash string, refusal *httperr.Error) {
	attempt := h.throttle.passwordAttempt(user.ID)
	slot, refusal := h.acquireHashSlot(ctx, attempt)
	if refusal != nil {
		return "", refusal
	}
	defer slot.release()
	if !h.Passwords.compareNow(user.HashedPassword, oldPassword) {
		return "", refusePassword
	}
	h.clearFailures(ctx, attempt)
	hash, err := h.Passwords.hashNow(newPassword)
	if err != nil { // not the password's fault: the form has checked it
		return "", httperr.Internal.Because(err)
	}
	return hash, nil
}

// refuseThrottled returns the answer to an attempt that has to wait, or whose wait
// the store cannot tell; nil when there is no wait.
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

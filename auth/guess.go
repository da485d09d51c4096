package auth

// This file is how the endpoints let somebody guess at a password: throttled,
// counted, and in turn.

import (
	"context"
	"errors"
	"time"

	"gatehouse/store"
)

// takeTurn lets a guess through to bcrypt. Whoever is refused costs none of it,
// and next to nothing when too many are there already. The caller ends the turn
// with leave.
func (u *Users) takeTurn(ctx context.Context, guess *guess) (*turn, *Refusal) {
	turn, err := u.Passwords.turns.join()
	if err != nil {
		return nil, refuseTurn(err)
	}
	taken := false
	defer func() {
		if !taken {
			turn.leave()
		}
	}()
	if refusal := refuseGuess(guess.check(ctx)); refusal != nil {
		return nil, refusal
	}
	if err := turn.begin(ctx); err != nil {
		return nil, refuseTurn(err)
	}
	// Counted here and not before, since who waits has not failed yet: people
	// behind one address, all logging in at nine, would be taken for a guesser.
	if refusal := refuseGuess(guess.count(ctx)); refusal != nil {
		return nil, refusal
	}
	taken = true
	return turn, nil
}

// wasRight forgives a guess, also when nobody waits for the answer any more.
// That it could not be written does not undo that it was right.
func (u *Users) wasRight(ctx context.Context, guess *guess) {
	forgiving, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordPatience)
	defer cancel()
	if err := guess.forgive(forgiving); err != nil {
		u.Log.WarnContext(ctx, "login attempts are not forgiven", "error", err)
	}
}

// replacePassword gives the hash of the new password to who knows the old one,
// both in one turn.
func (u *Users) replacePassword(ctx context.Context, user store.User, old, fresh string) (hash string, refusal *Refusal) {
	guess := u.throttle.oldPassword(user.ID)
	turn, refusal := u.takeTurn(ctx, guess)
	if refusal != nil {
		return "", refusal
	}
	defer turn.leave()
	if !u.Passwords.compareNow(user.HashedPassword, old) {
		return "", refusePassword
	}
	u.wasRight(ctx, guess)
	hash, err := u.Passwords.hashNow(fresh)
	if err != nil { // not the password's fault: the form has checked it
		return "", refuseInternal.Because(err)
	}
	return hash, nil
}

// refuseGuess answers to a wait, or to a store that cannot tell it.
func refuseGuess(wait time.Duration, err error) *Refusal {
	switch {
	case err != nil:
		return refuseUnavailable.Because(err)
	case wait > 0:
		return refuseWait(wait)
	}
	return nil
}

// refuseTurn answers to who got no turn.
func refuseTurn(err error) *Refusal {
	if errors.Is(err, ErrBusy) {
		return refuseBusy.Because(err)
	}
	return refuseUnavailable.Because(err)
}

package account

// This file compares passwords that are not those of users, such as the ones in
// a file. The throttle, the queue and the slots are those of logins.

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"gatehouse/internal/httperr"
	"gatehouse/store"
)

// Guard bounds attempts at passwords. It is safe for concurrent use.
type Guard struct {
	passwords *Passwords
	throttle  *throttle
	log       *slog.Logger
}

// NewGuard returns a Guard that counts attempts in attempts.
func NewGuard(passwords *Passwords, attempts store.Attempts, now func() time.Time, log *slog.Logger) *Guard {
	return &Guard{passwords: passwords, throttle: &throttle{attempts: attempts, now: now, log: log}, log: log}
}

// Comparison is one attempt at a password.
type Comparison struct {
	Account  string     // under which failures are counted; not an e-mail
	Client   netip.Addr // invalid when the listener has no addresses
	Hash     string     // of the right password; "" for an account that does not exist
	Password string
	// Cost is the highest cost of the hashes that an attempt may be about. The work
	// of a comparison is that of a hash of this cost, whatever the cost of Hash.
	Cost int
}

// Compare reports whether the password is right. It returns a refusal when the attempt
// must not be made: 429 after too many failures, 503 when too many others wait or when
// nothing can be counted.
func (g *Guard) Compare(ctx context.Context, c Comparison) (right bool, refusal *httperr.Error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	attempt := g.throttle.accountAttempt(c.Account, c.Client)
	slot, refusal := acquireHashSlot(ctx, g.passwords, attempt)
	if refusal != nil {
		return false, refusal
	}
	defer slot.release()
	if !g.passwords.compareAtLeast(c.Cost, c.Hash, c.Password) {
		return false, nil
	}
	clearFailures(ctx, g.log, attempt)
	return true, nil
}

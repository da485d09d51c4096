package account

// This file slows down the guessing of passwords, for all gateways on one store.
//
// A login is counted before its password is compared, and forgiven when that was
// right. It is counted up to three times:
//
//	pair     this account from this address: 5 free, then waits of 1s, 2s, … 15m
//	address  this address, whatever the account: 20 free, then the same waits
//	account  this account, whatever the address: never waits by itself. Beyond
//	         50 each pair has one try, and the next after 15m
//
// Nobody can be locked out from another address: a pair waits for what was tried
// from its own address alone. And an address that an account was logged in from
// is known to it: there only the pair counts. So neither many addresses that
// guess at one account, nor a stranger on the same address who guesses at
// others, keep its owner away.
//
// All of it is as true of an e-mail that nobody has, which is not told from one
// that somebody has; only that no address is ever known to it. (So on an address
// that is throttled, who is known there is still asked for the password. Only
// people who share that address with its owner can see it.)
//
// What is counted leaks away: one per 15 minutes of a pair, per 5 minutes of an
// address or an account. That, the slots for bcrypt, without which nothing is
// counted, and maxTallies bound the rows. What a clock wrote that was ahead is
// cut to what the right one could have written last.

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"gatehouse/store"
)

const (
	longestWait   = 15 * time.Minute // the longest wait
	pairLeak      = longestWait      // who is patient guesses four times an hour
	addressLeak   = 5 * time.Minute
	maxPairWeight = 40 // attempts that count at most
	longestClear  = maxPairWeight * pairLeak

	pairFree     = 5
	addressFree  = 20
	accountLimit = 50 // of addresses that are not known

	// knownFor is how long an address stays known after the last login.
	knownFor = 90 * 24 * time.Hour
	// renewKnownAfter is how old the note of an address may grow before a login
	// renews it.
	renewKnownAfter = 24 * time.Hour
	// maxKnown is how many addresses are known to an account.
	maxKnown = 20

	// maxTallies is how many are kept by the pruning once a minute.
	maxTallies    = 100_000
	pruneInterval = time.Minute
)

// throttle decides when the next attempt at a password may be made.
type throttle struct {
	attempts  store.Attempts
	now       func() time.Time
	log       *slog.Logger
	nextPrune atomic.Int64 // seconds since 1970
}

// attempt is one attempt at a password, made or not.
type attempt struct {
	throttle *throttle
	account  string // key; "" where only the pair counts
	address  string // key; "" without an address
	pair     string // key

	counts []store.Tally // what it is counted under; set by check
	seen   time.Time     // when the address was last known
}

// loginAttempt is an attempt at the password that goes with an e-mail. The client's
// address may be invalid, where the listener has none.
func (t *throttle) loginAttempt(email string, client netip.Addr) *attempt {
	account := store.EmailForm(email) // as the store compares them
	network := networkOf(client)
	a := &attempt{throttle: t, account: tallyKey("account", account), pair: tallyKey("pair", account, network)}
	if network != "" {
		a.address = tallyKey("address", network)
	}
	return a
}

// passwordAttempt is an attempt by somebody who has the user's token. Wherever it is
// made, it counts for the user: the token says who that is.
func (t *throttle) passwordAttempt(user uuid.UUID) *attempt {
	return &attempt{throttle: t, pair: tallyKey("user", user.String())}
}

// networkOf is what one client has: an IPv4 address, or the 64 bits in front of
// the interface's own in IPv6 (RFC 4291 section 2.5.1), of which it can take any.
func networkOf(client netip.Addr) string {
	client = client.Unmap().WithZone("")
	switch {
	case !client.IsValid():
		return ""
	case client.Is6():
		prefix, _ := client.Prefix(64) // of an IPv6 address there is one
		return prefix.String()
	}
	return client.String()
}

// tallyKey is 22 characters, whatever it is made from.
func tallyKey(kind string, parts ...string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + strings.Join(parts, "\x00")))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// check returns how long the attempt has to wait; it counts nothing.
func (a *attempt) check(ctx context.Context) (wait time.Duration, err error) {
	standings, now, err := a.read(ctx)
	if err == nil && a.clockWasAhead(standings, now) {
		if err = a.throttle.boundToNow(ctx, now); err == nil {
			standings, now, err = a.read(ctx)
		}
	}
	if err != nil {
		return 0, err
	}
	for _, standing := range standings {
		wait = max(wait, standing.Next.Sub(now))
	}
	if last := len(a.counts) - 1; last > 0 && standings[last].Weight(a.counts[last], now) > accountLimit {
		a.counts[0].Free, a.counts[0].First = 0, longestWait
	}
	return wait, nil
}

// read finds out what the attempt is counted under, and how these tallies stand.
func (a *attempt) read(ctx context.Context) (standings []store.Standing, now time.Time, err error) {
	t, now := a.throttle, a.throttle.now()
	if a.account != "" && a.address != "" {
		if a.seen, err = t.attempts.AddressSeen(ctx, a.account, a.address); err != nil {
			return nil, now, err
		}
	}
	pair := store.Tally{
		Key: a.pair, Free: pairFree, First: time.Second, Longest: longestWait, Leak: pairLeak, Most: maxPairWeight,
	}
	address := store.Tally{
		Key: a.address, Free: addressFree, First: time.Second, Longest: longestWait, Leak: addressLeak, Most: 60,
	}
	account := store.Tally{ // never waits
		Key: a.account, Free: 2 * accountLimit, First: time.Microsecond, Longest: time.Microsecond, Leak: addressLeak, Most: 2 * accountLimit,
	}
	a.counts = []store.Tally{pair}
	if a.account != "" && !a.known(now) {
		if a.address != "" {
			a.counts = append(a.counts, address)
		}
		a.counts = append(a.counts, account)
	}
	keys := make([]string, len(a.counts))
	for i, tally := range a.counts {
		keys[i] = tally.Key
	}
	standings, err = t.attempts.Standings(ctx, keys...)
	return standings, now, err
}

// clockWasAhead reports whether any of it was written by a clock that was ahead. A year
// ahead would keep an account locked for a year (issue 10).
func (a *attempt) clockWasAhead(standings []store.Standing, now time.Time) bool {
	for _, standing := range standings {
		if standing.Next.Sub(now) > longestWait || standing.Clear.Sub(now) > longestClear {
			return true
		}
	}
	return a.seen.Sub(now) > longestWait
}

// boundToNow shortens all that was written by a clock that was ahead.
func (t *throttle) boundToNow(ctx context.Context, now time.Time) error {
	return t.attempts.BoundAttempts(ctx, now, longestClear, longestWait)
}

// known reports whether the account was logged in from the address.
func (a *attempt) known(now time.Time) bool { return now.Sub(a.seen) < knownFor }

// count counts the attempt, which check has let pass. A wait says that it may not
// be made after all: others were quicker.
func (a *attempt) count(ctx context.Context) (wait time.Duration, err error) {
	a.throttle.prunePeriodically(ctx)
	for _, tally := range a.counts {
		if wait, err := a.throttle.attempts.CountAttempt(ctx, tally, a.throttle.now()); err != nil || wait > 0 {
			return wait, err
		}
	}
	return 0, nil
}

// forgive undoes what was counted: the password was right. Only the pair
// starts anew; others may have guessed from the same address, or at the same
// account. From now on the address is known.
func (a *attempt) forgive(ctx context.Context) error {
	t, now := a.throttle, a.throttle.now()
	errs := []error{t.attempts.ClearAttempts(ctx, a.pair)}
	for _, tally := range a.counts[1:] {
		errs = append(errs, t.attempts.ForgiveAttempt(ctx, tally, now))
	}
	if a.address != "" && now.Sub(a.seen) > renewKnownAfter {
		errs = append(errs, t.attempts.RememberAddress(ctx, a.account, a.address, now, maxKnown))
	}
	return errors.Join(errs...)
}

// prunePeriodically removes the rows that count for nothing any more. One that
// fails is tried again a minute later.
func (t *throttle) prunePeriodically(ctx context.Context) {
	now, due := t.now(), t.nextPrune.Load()
	soon := now.Unix() < due && due <= now.Add(pruneInterval).Unix() // unless the clock was ahead
	if soon || !t.nextPrune.CompareAndSwap(due, now.Add(pruneInterval).Unix()) {
		return
	}
	// Rows of a clock that was ahead would be kept, and push out all others.
	err := t.boundToNow(ctx, now)
	if err == nil {
		err = t.attempts.PruneAttempts(ctx, now, now.Add(-knownFor), maxTallies)
	}
	if err != nil {
		t.log.WarnContext(ctx, "login attempts are not pruned", "error", err)
	}
}

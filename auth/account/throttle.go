package account

// This file slows down the guessing of passwords, across all gateways on one
// store.
//
// A login is counted before its password is compared. The count is undone when
// the password was right. A login has up to three counters:
//
//	pair     this account from this address: 5 free, then waits of 1s, 2s, … 15m
//	address  this address, any account: 20 free, then the same waits
//	account  this account, any address: no wait of its own. Beyond 50,
//	         each pair has one try, and the next after 15m
//
// An attacker on another address cannot lock out a user: a pair waits only for
// attempts from its own address. An address from which the account has logged
// in is known to the account, and only the pair counts there. So the owner can
// still log in while many addresses guess at the account, or while a stranger
// on the same address guesses at other accounts.
//
// An e-mail that no user has is treated the same way, so answers do not show
// whether it exists. There is one difference: no address is ever known to it.
// On a throttled address, an account that is known there may still try its
// password, and others may not. Only people who share that address with the
// owner can observe this.
//
// Counts decrease over time: by one per 15 minutes for a pair, and by one per 5
// minutes for an address or an account. Three things bound the rows: this
// decrease, the slots for bcrypt (nothing is counted without one), and
// maxTallies. A row that was written by a clock that was ahead is cut to the
// latest time that the right clock could have written.

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
	pairLeak      = longestWait      // an attacker gets four guesses an hour
	addressLeak   = 5 * time.Minute
	maxPairWeight = 40 // attempts that count at most
	longestClear  = maxPairWeight * pairLeak

	pairFree     = 5
	addressFree  = 20
	accountLimit = 50 // attempts from addresses that are not known

	// knownFor is how long an address stays known after its last login.
	knownFor = 90 * 24 * time.Hour
	// renewKnownAfter is the age at which a login renews the entry of a known
	// address.
	renewKnownAfter = 24 * time.Hour
	// maxKnown is how many known addresses an account has at most.
	maxKnown = 20

	// maxTallies is how many rows remain after the pruning, which runs once a
	// minute.
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

// attempt is one attempt at a password, made or not yet made.
type attempt struct {
	throttle *throttle
	account  string // key; "" where only the pair counts
	address  string // key; "" without an address
	pair     string // key

	counts []store.Tally // the counters of the attempt; set by check
	seen   time.Time     // when the address was last known to the account
}

// loginAttempt returns an attempt at the password of an e-mail. The client's
// address may be invalid, when the listener has none.
func (t *throttle) loginAttempt(email string, client netip.Addr) *attempt {
	return t.accountAttempt(store.EmailForm(email), client) // in the form in which the store compares them
}

// accountAttempt returns an attempt at the password of any account.
func (t *throttle) accountAttempt(account string, client netip.Addr) *attempt {
	network := networkOf(client)
	a := &attempt{throttle: t, account: tallyKey("account", account), pair: tallyKey("pair", account, network)}
	if network != "" {
		a.address = tallyKey("address", network)
	}
	return a
}

// passwordAttempt returns an attempt by a caller who has the user's token. It
// counts for the user from any address, because the token says who the user is.
func (t *throttle) passwordAttempt(user uuid.UUID) *attempt {
	return &attempt{throttle: t, pair: tallyKey("user", user.String())}
}

// networkOf returns the network of one client: an IPv4 address, or the first 64
// bits of an IPv6 address. A client may use any interface identifier in the
// other 64 (RFC 4291 section 2.5.1).
func networkOf(client netip.Addr) string {
	client = client.Unmap().WithZone("")
	switch {
	case !client.IsValid():
		return ""
	case client.Is6():
		prefix, _ := client.Prefix(64) // never fails for an IPv6 address
		return prefix.String()
	}
	return client.String()
}

// tallyKey returns a key of 22 characters for any parts.
func tallyKey(kind string, parts ...string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + strings.Join(parts, "\x00")))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// check returns how long the attempt has to wait. It counts nothing.
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

// read reads the counters of the attempt from the store.
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
	account := store.Tally{ // no wait of its own
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

// clockWasAhead reports whether a standing was written by a clock that was
// ahead. A clock one year ahead would lock an account for a year (issue 10).
func (a *attempt) clockWasAhead(standings []store.Standing, now time.Time) bool {
	for _, standing := range standings {
		if standing.Next.Sub(now) > longestWait || standing.Clear.Sub(now) > longestClear {
			return true
		}
	}
	return a.seen.Sub(now) > longestWait
}

// boundToNow shortens all rows that were written by a clock that was ahead.
func (t *throttle) boundToNow(ctx context.Context, now time.Time) error {
	return t.attempts.BoundAttempts(ctx, now, longestClear, longestWait)
}

// known reports whether the account has logged in from the address.
func (a *attempt) known(now time.Time) bool { return now.Sub(a.seen) < knownFor }

// count counts the attempt, which check has let pass. A wait above zero means
// that other attempts were faster, and this one must not be made.
func (a *attempt) count(ctx context.Context) (wait time.Duration, err error) {
	a.throttle.prunePeriodically(ctx)
	for _, tally := range a.counts {
		if wait, err := a.throttle.attempts.CountAttempt(ctx, tally, a.throttle.now()); err != nil || wait > 0 {
			return wait, err
		}
	}
	return 0, nil
}

// forgive undoes the count, because the password was right. Only the pair
// starts again at zero: others may have guessed from the same address, or at
// the same account. From now on the address is known to the account.
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

// prunePeriodically removes the rows that no longer count. When it fails, it
// runs again a minute later.
func (t *throttle) prunePeriodically(ctx context.Context) {
	now, due := t.now(), t.nextPrune.Load()
	soon := now.Unix() < due && due <= now.Add(pruneInterval).Unix() // unless the clock was ahead
	if soon || !t.nextPrune.CompareAndSwap(due, now.Add(pruneInterval).Unix()) {
		return
	}
	// Rows that a clock ahead wrote would stay, and push out all others.
	err := t.boundToNow(ctx, now)
	if err == nil {
		err = t.attempts.PruneAttempts(ctx, now, now.Add(-knownFor), maxTallies)
	}
	if err != nil {
		t.log.WarnContext(ctx, "old login attempts cannot be removed", "error", err)
	}
}

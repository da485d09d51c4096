package auth

// This file slows the guessing of passwords down, for all gateways on one store.
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
// address or an account. That, the turns at bcrypt, without which nothing is
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
	guessLongest = 15 * time.Minute // the longest wait
	pairLeak     = guessLongest     // who is patient guesses four times an hour
	wideLeak     = 5 * time.Minute
	pairMost     = 40 // attempts that count at most
	longestClear = pairMost * pairLeak

	pairFree     = 5
	addressFree  = 20
	accountLimit = 50 // of addresses that are not known

	// knownFor is how long an address stays known after the last login.
	knownFor = 90 * 24 * time.Hour
	// knownAgain is how old the note of an address may grow before a login
	// renews it.
	knownAgain = 24 * time.Hour
	// maxKnown is how many addresses are known to an account.
	maxKnown = 20

	// maxTallies is how many are kept by the pruning once a minute.
	maxTallies    = 100_000
	pruneInterval = time.Minute
)

// throttle decides how soon one may guess again.
type throttle struct {
	attempts store.Attempts
	now      func() time.Time
	log      *slog.Logger
	pruneAt  atomic.Int64 // seconds since 1970
}

// guess is one attempt at a password, made or not.
type guess struct {
	throttle *throttle
	account  string // key; "" where only the pair counts
	address  string // key; "" without an address
	pair     string // key

	counts []store.Tally // what it is counted under; set by check
	seen   time.Time     // when the address was last known
}

// login is a guess at the password that goes with an e-mail. The client's
// address may be invalid, where the listener has none.
func (t *throttle) login(email string, client netip.Addr) *guess {
	account := store.EmailForm(email) // as the store compares them
	network := networkOf(client)
	g := &guess{throttle: t, account: key("account", account), pair: key("pair", account, network)}
	if network != "" {
		g.address = key("address", network)
	}
	return g
}

// oldPassword is a guess by somebody who has the user's token. Wherever it is
// made, it counts for the user: the token says who that is.
func (t *throttle) oldPassword(user uuid.UUID) *guess {
	return &guess{throttle: t, pair: key("user", user.String())}
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

// key is 22 characters, whatever it is made from.
func key(kind string, parts ...string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + strings.Join(parts, "\x00")))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// check tells how long the guess has to wait; it counts nothing.
func (g *guess) check(ctx context.Context) (wait time.Duration, err error) {
	standings, now, err := g.read(ctx)
	if err == nil && g.ahead(standings, now) {
		if err = g.throttle.bound(ctx, now); err == nil {
			standings, now, err = g.read(ctx)
		}
	}
	if err != nil {
		return 0, err
	}
	for _, standing := range standings {
		wait = max(wait, standing.Next.Sub(now))
	}
	if last := len(g.counts) - 1; last > 0 && standings[last].Weight(g.counts[last], now) > accountLimit {
		g.counts[0].Free, g.counts[0].First = 0, guessLongest
	}
	return wait, nil
}

// read finds out what the guess is counted under, and how these tallies stand.
func (g *guess) read(ctx context.Context) (standings []store.Standing, now time.Time, err error) {
	t, now := g.throttle, g.throttle.now()
	if g.account != "" && g.address != "" {
		if g.seen, err = t.attempts.AddressSeen(ctx, g.account, g.address); err != nil {
			return nil, now, err
		}
	}
	pair := store.Tally{
		Key: g.pair, Free: pairFree, First: time.Second, Longest: guessLongest, Leak: pairLeak, Most: pairMost,
	}
	address := store.Tally{
		Key: g.address, Free: addressFree, First: time.Second, Longest: guessLongest, Leak: wideLeak, Most: 60,
	}
	account := store.Tally{ // never waits
		Key: g.account, Free: 2 * accountLimit, First: time.Microsecond, Longest: time.Microsecond, Leak: wideLeak, Most: 2 * accountLimit,
	}
	g.counts = []store.Tally{pair}
	if g.account != "" && !g.known(now) {
		if g.address != "" {
			g.counts = append(g.counts, address)
		}
		g.counts = append(g.counts, account)
	}
	keys := make([]string, len(g.counts))
	for i, tally := range g.counts {
		keys[i] = tally.Key
	}
	standings, err = t.attempts.Standings(ctx, keys...)
	return standings, now, err
}

// ahead reports whether any of it was written by a clock that was ahead. A year
// ahead would keep an account locked for a year (issue 10).
func (g *guess) ahead(standings []store.Standing, now time.Time) bool {
	for _, standing := range standings {
		if standing.Next.Sub(now) > guessLongest || standing.Clear.Sub(now) > longestClear {
			return true
		}
	}
	return g.seen.Sub(now) > guessLongest
}

// bound shortens all that was written by a clock that was ahead.
func (t *throttle) bound(ctx context.Context, now time.Time) error {
	return t.attempts.BoundAttempts(ctx, now, longestClear, guessLongest)
}

// known reports whether the account was logged in from the address.
func (g *guess) known(now time.Time) bool { return now.Sub(g.seen) < knownFor }

// count counts the guess, which check has let pass. A wait says that it may not
// be made after all: others were quicker.
func (g *guess) count(ctx context.Context) (wait time.Duration, err error) {
	g.throttle.pruneNowAndThen(ctx)
	for _, tally := range g.counts {
		if wait, err := g.throttle.attempts.CountAttempt(ctx, tally, g.throttle.now()); err != nil || wait > 0 {
			return wait, err
		}
	}
	return 0, nil
}

// forgive takes back what was counted: the guess was right. Only the pair
// starts anew; others may have guessed from the same address, or at the same
// account. From now on the address is known.
func (g *guess) forgive(ctx context.Context) error {
	t, now := g.throttle, g.throttle.now()
	errs := []error{t.attempts.ClearAttempts(ctx, g.pair)}
	for _, tally := range g.counts[1:] {
		errs = append(errs, t.attempts.ForgiveAttempt(ctx, tally, now))
	}
	if g.address != "" && now.Sub(g.seen) > knownAgain {
		errs = append(errs, t.attempts.RememberAddress(ctx, g.account, g.address, now, maxKnown))
	}
	return errors.Join(errs...)
}

// pruneNowAndThen removes the rows that count for nothing any more. One that
// fails is tried again a minute later.
func (t *throttle) pruneNowAndThen(ctx context.Context) {
	now, due := t.now(), t.pruneAt.Load()
	soon := now.Unix() < due && due <= now.Add(pruneInterval).Unix() // unless the clock was ahead
	if soon || !t.pruneAt.CompareAndSwap(due, now.Add(pruneInterval).Unix()) {
		return
	}
	// Rows of a clock that was ahead would be kept, and push out all others.
	err := t.bound(ctx, now)
	if err == nil {
		err = t.attempts.PruneAttempts(ctx, now, now.Add(-knownFor), maxTallies)
	}
	if err != nil {
		t.log.WarnContext(ctx, "login attempts are not pruned", "error", err)
	}
}

type clientKey struct{}

// WithClient tells the handlers the client's address, which behind a trusted
// proxy is not the peer's.
func WithClient(ctx context.Context, client netip.Addr) context.Context {
	return context.WithValue(ctx, clientKey{}, client)
}

// clientOf is the zero Addr when nobody has told.
func clientOf(ctx context.Context) netip.Addr {
	client, _ := ctx.Value(clientKey{}).(netip.Addr)
	return client
}

package store

// This file counts attempts at what may be tried only so often, the same for
// both databases. It knows tallies and keys; what they stand for, and how
// strict each is, is the caller's.

import (
	"context"
	"fmt"
	"time"
)

// Attempts counts attempts for every gateway on the database. Methods are safe
// for concurrent use. The time is the caller's: gateways whose clocks differ by
// a second wait a second more or less.
type Attempts interface {
	// Standings gives what is counted under each key, in their order. It only
	// reads.
	Standings(ctx context.Context, keys ...string) ([]Standing, error)
	// CountAttempt counts one attempt in one statement, before it is made, so
	// that of any number of attempts at the same time only those pass that
	// may. A wait says that it was not counted and may not be made: try again
	// after it.
	CountAttempt(ctx context.Context, tally Tally, now time.Time) (wait time.Duration, err error)
	// ForgiveAttempt takes an attempt back that was counted, and the wait that
	// followed from it.
	ForgiveAttempt(ctx context.Context, tally Tally, now time.Time) error
	// ClearAttempts forgets all that is counted under the key.
	ClearAttempts(ctx context.Context, key string) error

	// AddressSeen tells when the account was last used from the address; the
	// zero time for never, or not that we remember.
	AddressSeen(ctx context.Context, account, address string) (time.Time, error)
	// RememberAddress notes that it was, now, and forgets all but the latest
	// `most` addresses of the account.
	RememberAddress(ctx context.Context, account, address string, now time.Time, most int) error

	// PruneAttempts removes what no longer counts for anything: tallies that
	// are clear, and addresses not seen since then. Of the tallies it keeps the
	// `most` that take longest to clear.
	PruneAttempts(ctx context.Context, now, seenSince time.Time, most int) error
	// BoundAttempts shortens what was written by a clock that was ahead: a tally
	// that is clear later than longestClear from now, or next later than
	// longestWait, is both after longestWait; an address that was seen later
	// than that was seen now.
	BoundAttempts(ctx context.Context, now time.Time, longestClear, longestWait time.Duration) error
}

// Tally says how attempts under one key are counted. An attempt weighs 1; the
// weight leaks away over time. Up to Free no attempt has to wait for the one
// before; then the waits double.
type Tally struct {
	Key     string        // a hash: its length is that of a row
	Free    int           // how many weigh nothing in waiting
	First   time.Duration // the wait after one more than Free
	Longest time.Duration // no wait is longer
	Leak    time.Duration // how long one attempt takes to weigh nothing
	Most    int           // the weight stays below it, and so the time until all has leaked
}

// Standing is what is counted under one key.
type Standing struct {
	Clear time.Time // when all will have leaked away; in the past when nothing is counted
	Next  time.Time // before then no attempt is counted
}

// Weight is how many attempts count at that time, begun ones included.
func (s Standing) Weight(tally Tally, now time.Time) int {
	if !s.Clear.After(now) {
		return 0
	}
	return int((s.Clear.Sub(now) + tally.Leak - 1) / tally.Leak)
}

// The statement of CountAttempt. $1 is the key, $2 now, $3 Leak, $4 Free, $5
// First, $6 Longest, $7 the most that clear_at may lie ahead. The condition is
// held against the row as it is when the statement has it to itself.
var countAttempt = fmt.Sprintf(`
	INSERT INTO login_attempts (key, clear_at, next_at)
	VALUES (CAST($1 AS text), CAST($2 AS bigint) + CAST($3 AS bigint), CAST($2 AS bigint) + %[1]s)
	ON CONFLICT (key) DO UPDATE SET
		clear_at = CASE WHEN %[2]s + CAST($3 AS bigint) > CAST($7 AS bigint) THEN CAST($2 AS bigint) + CAST($7 AS bigint)
			ELSE CAST($2 AS bigint) + %[2]s + CAST($3 AS bigint) END,
		next_at = CAST($2 AS bigint) + %[3]s
	WHERE login_attempts.next_at <= CAST($2 AS bigint)
	RETURNING next_at`, waitAfter("1"), leftWeight, waitAfter(newWeight))

const (
	// leftWeight is what is left of earlier attempts, as the time it takes to leak.
	leftWeight = `(CASE WHEN login_attempts.clear_at > CAST($2 AS bigint) THEN login_attempts.clear_at - CAST($2 AS bigint) ELSE 0 END)`
	// newWeight counts them and the new one, rounded up.
	newWeight = `((` + leftWeight + ` + CAST($3 AS bigint) - 1) / CAST($3 AS bigint) + 1)`

	selectStanding = `SELECT clear_at, next_at FROM login_attempts WHERE key = $1`

	forgiveAttempt = `UPDATE login_attempts SET clear_at = clear_at - CAST($2 AS bigint),
		next_at = CASE WHEN next_at > CAST($3 AS bigint) THEN CAST($3 AS bigint) ELSE next_at END
		WHERE key = $1 RETURNING clear_at`

	clearAttempts = `DELETE FROM login_attempts WHERE key = $1 RETURNING clear_at`

	selectAddress = `SELECT seen_at FROM login_addresses WHERE account = $1 AND address = $2`

	upsertAddress = `INSERT INTO login_addresses (account, address, seen_at) VALUES ($1, $2, $3)
		ON CONFLICT (account, address) DO UPDATE SET seen_at = excluded.seen_at RETURNING seen_at`

	trimAddresses = `DELETE FROM login_addresses WHERE account = $1 AND address NOT IN (
		SELECT address FROM login_addresses WHERE account = $1 ORDER BY seen_at DESC, address LIMIT $2) RETURNING seen_at`

	// Counting from the end finds nothing while there are fewer than $2.
	pruneAttempts = `DELETE FROM login_attempts WHERE clear_at <= $1
		OR clear_at <= (SELECT clear_at FROM login_attempts ORDER BY clear_at DESC LIMIT 1 OFFSET $2) RETURNING clear_at`

	boundAttempts = `UPDATE login_attempts SET
		clear_at = CASE WHEN clear_at > CAST($2 AS bigint) THEN CAST($2 AS bigint) ELSE clear_at END,
		next_at = CASE WHEN next_at > CAST($2 AS bigint) THEN CAST($2 AS bigint) ELSE next_at END
		WHERE clear_at > CAST($1 AS bigint) OR next_at > CAST($2 AS bigint) RETURNING clear_at`

	boundAddresses = `UPDATE login_addresses SET seen_at = CAST($1 AS bigint)
		WHERE seen_at > CAST($1 AS bigint) + CAST($2 AS bigint) RETURNING seen_at`

	// probeWrite changes a row that counts for nothing and that pruneAttempts may
	// remove.
	probeWrite = `INSERT INTO login_attempts (key, clear_at, next_at) VALUES ($1, 0, 0)
		ON CONFLICT (key) DO UPDATE SET next_at = 1 - login_attempts.next_at RETURNING key`

	pruneAddresses = `DELETE FROM login_addresses WHERE seen_at < $1 RETURNING seen_at`
)

// waitAfter is the SQL of the wait after an attempt that brings the weight to
// the value of an expression. Twenty doublings are more than any Longest.
func waitAfter(weight string) string {
	over := `(` + weight + ` - CAST($4 AS bigint) - 1)`
	doubled := `(CAST($5 AS bigint) << CAST((CASE WHEN ` + over + ` > 20 THEN 20 ELSE ` + over + ` END) AS integer))`
	return `(CASE WHEN ` + weight + ` <= CAST($4 AS bigint) THEN 0
		WHEN ` + doubled + ` > CAST($6 AS bigint) THEN CAST($6 AS bigint) ELSE ` + doubled + ` END)`
}

// Standings implements Attempts.
func (s *sqlStore) Standings(ctx context.Context, keys ...string) ([]Standing, error) {
	standings := make([]Standing, 0, len(keys))
	for _, key := range keys {
		standing, err := s.standing(ctx, key)
		if err != nil {
			return nil, wrap("read attempts", err)
		}
		standings = append(standings, standing)
	}
	return standings, nil
}

func (s *sqlStore) standing(ctx context.Context, key string) (Standing, error) {
	var clearAt, nextAt int64
	err := s.exec(ctx, reads, selectStanding, []any{key}, func(r row) error { return r.Scan(&clearAt, &nextAt) })
	return Standing{Clear: time.UnixMicro(clearAt).UTC(), Next: time.UnixMicro(nextAt).UTC()}, err
}

// CountAttempt implements Attempts.
func (s *sqlStore) CountAttempt(ctx context.Context, tally Tally, now time.Time) (time.Duration, error) {
	counted := false
	args := []any{
		tally.Key, now.UnixMicro(), tally.Leak.Microseconds(), int64(tally.Free),
		tally.First.Microseconds(), tally.Longest.Microseconds(), int64(tally.Most) * tally.Leak.Microseconds(),
	}
	// Counted twice is counted on the safe side.
	err := s.exec(ctx, writes, countAttempt, args, func(row) error {
		counted = true
		return nil
	})
	if err != nil || counted {
		return 0, wrap("count attempt", err)
	}
	standing, err := s.standing(ctx, tally.Key)
	if err != nil {
		return 0, wrap("read attempts", err)
	}
	// Whatever became of the row since: this attempt was not counted.
	return max(standing.Next.Sub(now), time.Microsecond), nil
}

// ForgiveAttempt implements Attempts.
func (s *sqlStore) ForgiveAttempt(ctx context.Context, tally Tally, now time.Time) error {
	args := []any{tally.Key, tally.Leak.Microseconds(), now.UnixMicro()}
	return wrap("forgive attempt", s.exec(ctx, writeOnce, forgiveAttempt, args, ignoreRow))
}

// ClearAttempts implements Attempts.
func (s *sqlStore) ClearAttempts(ctx context.Context, key string) error {
	return wrap("clear attempts", s.exec(ctx, writes, clearAttempts, []any{key}, ignoreRow))
}

// AddressSeen implements Attempts.
func (s *sqlStore) AddressSeen(ctx context.Context, account, address string) (time.Time, error) {
	var seen time.Time
	err := s.exec(ctx, reads, selectAddress, []any{account, address}, func(r row) error {
		var at int64
		err := r.Scan(&at)
		seen = time.UnixMicro(at).UTC()
		return err
	})
	return seen, wrap("find address", err)
}

// RememberAddress implements Attempts.
func (s *sqlStore) RememberAddress(ctx context.Context, account, address string, now time.Time, most int) error {
	if err := s.exec(ctx, writes, upsertAddress, []any{account, address, now.UnixMicro()}, ignoreRow); err != nil {
		return wrap("remember address", err)
	}
	return wrap("forget old addresses", s.exec(ctx, writes, trimAddresses, []any{account, most}, ignoreRow))
}

// PruneAttempts implements Attempts.
func (s *sqlStore) PruneAttempts(ctx context.Context, now, seenSince time.Time, most int) error {
	if err := s.exec(ctx, writes, pruneAttempts, []any{now.UnixMicro(), most}, ignoreRow); err != nil {
		return wrap("prune attempts", err)
	}
	return wrap("prune addresses", s.exec(ctx, writes, pruneAddresses, []any{seenSince.UnixMicro()}, ignoreRow))
}

// BoundAttempts implements Attempts.
func (s *sqlStore) BoundAttempts(ctx context.Context, now time.Time, longestClear, longestWait time.Duration) error {
	attempts := []any{now.Add(longestClear).UnixMicro(), now.Add(longestWait).UnixMicro()}
	if err := s.exec(ctx, writes, boundAttempts, attempts, ignoreRow); err != nil {
		return wrap("bound attempts", err)
	}
	addresses := []any{now.UnixMicro(), longestWait.Microseconds()} // clocks differ a little
	return wrap("bound addresses", s.exec(ctx, writes, boundAddresses, addresses, ignoreRow))
}

func ignoreRow(row) error { return nil }

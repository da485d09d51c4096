package store

// This file counts attempts that may be made only a limited number of times,
// for both databases. It knows keys and tallies. The caller decides what they
// stand for, and how strict each is.

import (
	"context"
	"fmt"
	"time"
)

// Attempts counts attempts for every gateway on the database. Methods are safe
// for concurrent use. The caller passes the time: when the clocks of two
// gateways differ by a second, waits differ by a second.
type Attempts interface {
	// Standings returns what is counted under each key, in the order of the
	// keys. It only reads.
	Standings(ctx context.Context, keys ...string) ([]Standing, error)
	// CountAttempt counts one attempt in one statement, before the attempt is
	// made. So of any number of simultaneous attempts, only the allowed ones
	// pass. A wait above zero means that the attempt was not counted and must
	// not be made. The caller may try again after the wait.
	CountAttempt(ctx context.Context, tally Tally, now time.Time) (wait time.Duration, err error)
	// ForgiveAttempt undoes a counted attempt, and the wait that resulted from
	// it.
	ForgiveAttempt(ctx context.Context, tally Tally, now time.Time) error
	// ClearAttempts removes everything that is counted under the key.
	ClearAttempts(ctx context.Context, key string) error

	// AddressSeen returns when the account was last used from the address. It
	// returns the zero time for never, or when that is forgotten.
	AddressSeen(ctx context.Context, account, address string) (time.Time, error)
	// RememberAddress records that the account is used from the address now. It
	// forgets all but the latest `most` addresses of the account.
	RememberAddress(ctx context.Context, account, address string, now time.Time, most int) error

	// PruneAttempts removes rows without effect: tallies that are clear, and
	// addresses that were last seen before seenSince. It keeps at most `most`
	// tallies, namely those that take longest to clear.
	PruneAttempts(ctx context.Context, now, seenSince time.Time, most int) error
	// BoundAttempts shortens rows that were written by a clock that was ahead.
	// A tally that clears later than longestClear from now, or whose next
	// attempt is later than longestWait from now, gets longestWait for both. An
	// address that was seen later than longestWait from now gets now.
	BoundAttempts(ctx context.Context, now time.Time, longestClear, longestWait time.Duration) error
}

// Tally configures how attempts under one key are counted. An attempt weighs 1,
// and the weight decreases over time. Up to a weight of Free, attempts need not
// wait. After that, the waits double.
type Tally struct {
	Key     string        // a hash, so that all rows have the same length
	Free    int           // the number of attempts without a wait
	First   time.Duration // the wait after Free + 1 attempts
	Longest time.Duration // the longest wait
	Leak    time.Duration // the time in which the weight decreases by 1
	Most    int           // the limit of the weight, and so of the time until it is 0
}

// Standing is what is counted under one key.
type Standing struct {
	Clear time.Time // when the weight becomes 0; in the past when nothing is counted
	Next  time.Time // the earliest time of the next attempt
}

// Weight returns the weight at that time, rounded up.
func (s Standing) Weight(tally Tally, now time.Time) int {
	if !s.Clear.After(now) {
		return 0
	}
	return int((s.Clear.Sub(now) + tally.Leak - 1) / tally.Leak)
}

// The statement of CountAttempt. $1 is the key, $2 now, $3 Leak, $4 Free, $5
// First, $6 Longest, $7 the largest distance of clear_at from now. The
// condition is evaluated when the statement has locked the row.
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
	// leftWeight is the remaining weight of earlier attempts, as the time until
	// it is 0.
	leftWeight = `(CASE WHEN login_attempts.clear_at > CAST($2 AS bigint) THEN login_attempts.clear_at - CAST($2 AS bigint) ELSE 0 END)`
	// newWeight is the weight with the new attempt, rounded up.
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

	// The offset from the end finds no row while there are fewer than $2.
	pruneAttempts = `DELETE FROM login_attempts WHERE clear_at <= $1
		OR clear_at <= (SELECT clear_at FROM login_attempts ORDER BY clear_at DESC LIMIT 1 OFFSET $2) RETURNING clear_at`

	boundAttempts = `UPDATE login_attempts SET
		clear_at = CASE WHEN clear_at > CAST($2 AS bigint) THEN CAST($2 AS bigint) ELSE clear_at END,
		next_at = CASE WHEN next_at > CAST($2 AS bigint) THEN CAST($2 AS bigint) ELSE next_at END
		WHERE clear_at > CAST($1 AS bigint) OR next_at > CAST($2 AS bigint) RETURNING clear_at`

	boundAddresses = `UPDATE login_addresses SET seen_at = CAST($1 AS bigint)
		WHERE seen_at > CAST($1 AS bigint) + CAST($2 AS bigint) RETURNING seen_at`

	// probeWrite writes a row without effect, which pruneAttempts may remove.
	probeWrite = `INSERT INTO login_attempts (key, clear_at, next_at) VALUES ($1, 0, 0)
		ON CONFLICT (key) DO UPDATE SET next_at = 1 - login_attempts.next_at RETURNING key`

	pruneAddresses = `DELETE FROM login_addresses WHERE seen_at < $1 RETURNING seen_at`
)

// waitAfter returns the SQL of the wait after an attempt that raises the weight
// to the value of an expression. Twenty doublings exceed every Longest.
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
	// Counting twice is the safe error.
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
	// Whatever happened to the row since: this attempt was not counted.
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
	addresses := []any{now.UnixMicro(), longestWait.Microseconds()} // clocks differ slightly
	return wrap("bound addresses", s.exec(ctx, writes, boundAddresses, addresses, ignoreRow))
}

func ignoreRow(row) error { return nil }

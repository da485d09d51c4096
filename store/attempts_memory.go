package store

// This file counts attempts in the memory of one process, for gateways without
// a database.

import (
	"context"
	"slices"
	"sync"
	"time"
)

// memoryAttempts implements Attempts. Its size is bounded by PruneAttempts, as
// the rows of a database are.
type memoryAttempts struct {
	mu        sync.Mutex
	standings map[string]Standing
	seen      map[string]map[string]time.Time // by account and address
}

// NewMemoryAttempts returns Attempts in memory. Other processes do not know of
// them, and they end with the process.
func NewMemoryAttempts() Attempts {
	return &memoryAttempts{standings: map[string]Standing{}, seen: map[string]map[string]time.Time{}}
}

// Standings implements Attempts.
func (m *memoryAttempts) Standings(ctx context.Context, keys ...string) ([]Standing, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	standings := make([]Standing, len(keys))
	for i, key := range keys {
		standings[i] = m.standings[key]
	}
	return standings, wrap("read attempts", ctx.Err())
}

// CountAttempt implements Attempts.
func (m *memoryAttempts) CountAttempt(ctx context.Context, tally Tally, now time.Time) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, wrap("count attempt", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.standings[tally.Key]
	if before.Next.After(now) {
		return max(before.Next.Sub(now), time.Microsecond), nil
	}
	left := max(before.Clear.Sub(now), 0)
	weight := before.Weight(tally, now) + 1
	m.standings[tally.Key] = Standing{
		Clear: now.Add(min(left+tally.Leak, time.Duration(tally.Most)*tally.Leak)),
		Next:  now.Add(tally.waitAfter(weight)),
	}
	return 0, nil
}

// waitAfter returns the wait after an attempt that raises the weight to that
// value. Twenty doublings exceed every Longest.
func (t *Tally) waitAfter(weight int) time.Duration {
	if weight <= t.Free {
		return 0
	}
	return min(t.First<<min(weight-t.Free-1, 20), t.Longest)
}

// ForgiveAttempt implements Attempts.
func (m *memoryAttempts) ForgiveAttempt(ctx context.Context, tally Tally, now time.Time) error {
	if err := ctx.Err(); err != nil {
		return wrap("forgive attempt", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	standing, counted := m.standings[tally.Key]
	if !counted {
		return nil
	}
	standing.Clear = standing.Clear.Add(-tally.Leak)
	if standing.Next.After(now) {
		standing.Next = now
	}
	m.standings[tally.Key] = standing
	return nil
}

// ClearAttempts implements Attempts.
func (m *memoryAttempts) ClearAttempts(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return wrap("clear attempts", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.standings, key)
	return nil
}

// AddressSeen implements Attempts.
func (m *memoryAttempts) AddressSeen(ctx context.Context, account, address string) (time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen[account][address], wrap("find address", ctx.Err())
}

// RememberAddress implements Attempts.
func (m *memoryAttempts) RememberAddress(ctx context.Context, account, address string, now time.Time, most int) error {
	if err := ctx.Err(); err != nil {
		return wrap("remember address", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	addresses := m.seen[account]
	if addresses == nil {
		addresses = map[string]time.Time{}
		m.seen[account] = addresses
	}
	addresses[address] = now
	for len(addresses) > most {
		oldest := address
		for other, at := range addresses {
			if at.Before(addresses[oldest]) {
				oldest = other
			}
		}
		delete(addresses, oldest)
	}
	return nil
}

// PruneAttempts implements Attempts.
func (m *memoryAttempts) PruneAttempts(ctx context.Context, now, seenSince time.Time, most int) error {
	if err := ctx.Err(); err != nil {
		return wrap("prune attempts", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, standing := range m.standings {
		if !standing.Clear.After(now) {
			delete(m.standings, key)
		}
	}
	m.keepSlowest(most)
	for account, addresses := range m.seen {
		for address, at := range addresses {
			if at.Before(seenSince) {
				delete(addresses, address)
			}
		}
		if len(addresses) == 0 {
			delete(m.seen, account)
		}
	}
	return nil
}

// keepSlowest keeps the tallies that take longest to clear.
func (m *memoryAttempts) keepSlowest(most int) {
	if len(m.standings) <= most {
		return
	}
	keys := make([]string, 0, len(m.standings))
	for key := range m.standings {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int { return m.standings[b].Clear.Compare(m.standings[a].Clear) })
	for _, key := range keys[most:] {
		delete(m.standings, key)
	}
}

// BoundAttempts implements Attempts.
func (m *memoryAttempts) BoundAttempts(ctx context.Context, now time.Time, longestClear, longestWait time.Duration) error {
	if err := ctx.Err(); err != nil {
		return wrap("bound attempts", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	latest := now.Add(longestWait)
	for key, standing := range m.standings {
		if !standing.Clear.After(now.Add(longestClear)) && !standing.Next.After(latest) {
			continue
		}
		if standing.Clear.After(latest) {
			standing.Clear = latest
		}
		if standing.Next.After(latest) {
			standing.Next = latest
		}
		m.standings[key] = standing
	}
	for _, addresses := range m.seen {
		for address, at := range addresses {
			if at.After(latest) {
				addresses[address] = now
			}
		}
	}
	return nil
}

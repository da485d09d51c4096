package auth

// This file reads remembered users again before they are a minute old, so that
// a change which the feed did not report is noticed, too (issue 10). It reads
// many users in one query and in the background: no request waits for it.

import (
	"context"
	"time"

	"github.com/google/uuid"

	"gatehouse/store"
)

const (
	// revalidateAge is the default age at which an entry is read again. At
	// twice that age, maxAge, it is dropped when it could not be read. When the
	// store cannot be asked, users.grace decides instead.
	revalidateAge = 30 * time.Second
	maxAge        = 2 * revalidateAge
	// revalidateInterval is how often old entries are looked for.
	// revalidateBatch is how many are read in one query.
	revalidateInterval = 2 * time.Second
	revalidateBatch    = 500
	// idleAge is the age at which an unused entry is dropped instead of read
	// again.
	idleAge = time.Hour
)

// ageList holds entries in the order in which they were checked.
type ageList struct{ oldest, newest *cachedUser }

func (l *ageList) add(entry *cachedUser) {
	entry.older, entry.newer = l.newest, nil
	if l.newest != nil {
		l.newest.newer = entry
	} else {
		l.oldest = entry
	}
	l.newest = entry
}

func (l *ageList) remove(entry *cachedUser) {
	if entry.older != nil {
		entry.older.newer = entry.newer
	} else {
		l.oldest = entry.newer
	}
	if entry.newer != nil {
		entry.newer.older = entry.older
	} else {
		l.newest = entry.older
	}
	entry.older, entry.newer = nil, nil
}

// Revalidate keeps all entries younger than a minute, until ctx ends.
func (c *CachedUsers) Revalidate(ctx context.Context) {
	tick := time.NewTicker(revalidateInterval)
	defer tick.Stop()
	watchersDue := c.options.Now().Add(c.options.RevalidateAge)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for c.revalidateOldest(ctx) {
			if ctx.Err() != nil {
				return
			}
		}
		c.expire()
		if now := c.options.Now(); !now.Before(watchersDue) {
			watchersDue = now.Add(c.options.RevalidateAge)
			notify(c.watchersOfUnknown())
		}
	}
}

// revalidateOldest reads the oldest entries again and reports whether there may
// be more to read.
func (c *CachedUsers) revalidateOldest(ctx context.Context) (more bool) {
	due, more := c.due()
	if len(due) == 0 {
		return more
	}
	asking, cancel := context.WithTimeout(ctx, c.options.LookupTimeout)
	defer cancel()
	ids := make([]uuid.UUID, len(due))
	for i, entry := range due {
		ids[i] = entry.id
	}
	asked := c.options.Now()
	states, err := c.options.Users.ListUserStates(asking, ids)
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.revalidateFailed.IsZero() {
			c.revalidateFailed = asked
		}
		return false
	}
	notify(c.revalidated(due, states, asked))
	return more
}

// due returns the entries to read again, the oldest first, and drops unused
// ones.
func (c *CachedUsers) due() (due []*cachedUser, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.options.Now()
	if !c.trusted() { // no entry is used now
		return nil, false
	}
	entry := c.byAge.oldest
	for range revalidateBatch {
		if entry == nil || now.Sub(entry.checked) < c.options.RevalidateAge {
			return due, false
		}
		next := entry.newer
		if entry.used.clear() {
			entry.usedAt = now
		}
		if now.Sub(entry.usedAt) < idleAge || len(c.watchers[entry.id]) > 0 {
			due = append(due, entry)
		} else {
			c.drop(entry.id)
		}
		entry = next
	}
	return due, true
}

// revalidated stores the answers and returns the watchers to call. It skips an
// entry that was changed or dropped meanwhile, because the answer may be older.
func (c *CachedUsers) revalidated(due []*cachedUser, states map[uuid.UUID]UserState, asked time.Time) (watchers []*watcher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.revalidateFailed = time.Time{}
	for _, entry := range due {
		if c.entries[entry.id] != entry {
			continue
		}
		state, found := states[entry.id]
		if found == (entry.err == nil) && state.equal(entry.state) {
			entry.checked = asked
			c.byAge.remove(entry)
			c.byAge.add(entry)
			continue
		}
		changed := &cachedUser{id: entry.id, state: state, checked: asked, usedAt: entry.usedAt}
		if !found {
			changed.err = store.ErrNotFound
		}
		c.put(changed)
		watchers = append(watchers, watchersOf(c.watchers[entry.id])...)
	}
	return watchers
}

// expire drops entries that are too old. When the store cannot be asked, they
// stay for users.grace, counted from the first query that failed.
func (c *CachedUsers) expire() {
	c.mu.Lock()
	var watchers []*watcher
	now := c.options.Now()
	if c.revalidateFailed.IsZero() || now.Sub(c.revalidateFailed) >= c.grace {
		for entry := c.byAge.oldest; entry != nil && now.Sub(entry.checked) >= 2*c.options.RevalidateAge; entry = c.byAge.oldest {
			c.drop(entry.id)
			watchers = append(watchers, watchersOf(c.watchers[entry.id])...)
		}
	}
	c.mu.Unlock()
	notify(watchers)
}

// watchersOfUnknown returns the watchers of users that are not remembered and
// so never read again. These watchers must check by themselves.
func (c *CachedUsers) watchersOfUnknown() (all []*watcher) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for id, some := range c.watchers {
		if _, known := c.entries[id]; !known {
			all = append(all, watchersOf(some)...)
		}
	}
	return all
}

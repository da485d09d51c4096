package auth

// This file keeps users' states in memory. While the store's feed is connected,
// it reports every change. Without the feed, each state is read from the store.
// Besides, every entry is read again before it is a minute old (revalidate.go).

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"gatehouse/store"
)

const (
	// cachedUsers is the default number of users to remember, which takes about
	// 20 MB.
	cachedUsers = 100_000
	// lookupTimeout is the default bound on a query to the store, whoever waits
	// for its answer.
	lookupTimeout = 5 * time.Second
	// evictionSample is how many entries evict compares.
	evictionSample = 8
)

// CachedUsersOptions configure CachedUsers.
type CachedUsersOptions struct {
	Users UserLister // the source of the states: the store, as StoredUsers
	Limit int        // users to remember; 0 means 100,000
	// LookupTimeout bounds a query to Users; 0 means 5 seconds.
	LookupTimeout time.Duration
	// RevalidateAge is the age at which an entry is read again. At twice this
	// age it is dropped when it could not be read; 0 means 30 seconds.
	RevalidateAge time.Duration
	Grace         time.Duration    // how long entries stay after the feed was lost
	Feed          func(lost error) // called with the state of the feed: nil when it is connected; may be nil
	Log           *slog.Logger     // may be nil
	Now           func() time.Time
}

// CachedUsers answers from memory. It must follow the store (store.Follow).
// While the feed is connected, an entry is as current as the row. After the
// feed was lost, entries stay for the grace at most. Then every query goes to
// the store. A process has one CachedUsers, which outlives its tables.
type CachedUsers struct {
	options CachedUsersOptions

	mu               sync.RWMutex
	entries          map[uuid.UUID]*cachedUser
	byAge            ageList               // the same entries, ordered by age
	revalidateFailed time.Time             // since when the store cannot be asked; zero while it can
	lookups          map[uuid.UUID]*lookup // in progress
	watchers         map[uuid.UUID]map[*watcher]struct{}
	grace            time.Duration
	connected        bool
	followed         bool        // the feed was connected once
	warned           bool        // the log says that the feed is not connected
	lostAt           time.Time   // when the feed was lost, while it is lost
	recheck          *time.Timer // while the feed is lost: when the watchers must check by themselves
}

// cachedUser is what is known about a user. The fields that a request reads
// never change; a new entry replaces the old one.
type cachedUser struct {
	state UserState
	err   error // nil or store.ErrNotFound
	used  usedBit

	id           uuid.UUID
	checked      time.Time // when the store was last asked
	usedAt       time.Time // when the used bit was last seen
	older, newer *cachedUser
}

// usedBit is set by many goroutines at once. It is written only when it
// changes, so that all of them can share its cache line.
type usedBit struct{ atomic.Bool }

func (m *usedBit) set() {
	if !m.Load() {
		m.Store(true)
	}
}

// clear clears the bit and reports whether it was set.
func (m *usedBit) clear() bool { return m.Swap(false) }

// lookup is one read of the store, shared by all concurrent callers.
type lookup struct {
	answered chan struct{} // closed when state and err are set
	state    UserState
	err      error
}

// watcher is called on changes to one user.
type watcher struct{ changed func() }

var (
	_ UserStates     = (*CachedUsers)(nil)
	_ UserWatcher    = (*CachedUsers)(nil)
	_ store.Follower = (*CachedUsers)(nil)
)

// NewCachedUsers returns a cache without entries.
func NewCachedUsers(options CachedUsersOptions) *CachedUsers {
	if options.Limit <= 0 {
		options.Limit = cachedUsers
	}
	options.LookupTimeout = cmp.Or(options.LookupTimeout, lookupTimeout)
	options.RevalidateAge = cmp.Or(options.RevalidateAge, revalidateAge)
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	if options.Feed == nil {
		options.Feed = func(error) {}
	}
	return &CachedUsers{
		options:  options,
		grace:    options.Grace,
		entries:  map[uuid.UUID]*cachedUser{},
		lookups:  map[uuid.UUID]*lookup{},
		watchers: map[uuid.UUID]map[*watcher]struct{}{},
	}
}

// SetGrace changes how long entries stay after the feed was lost.
func (c *CachedUsers) SetGrace(grace time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.grace = grace
}

// UserState implements UserStates.
func (c *CachedUsers) UserState(ctx context.Context, id uuid.UUID) (UserState, error) {
	c.mu.RLock()
	known, found := c.entries[id]
	trusted := c.trusted()
	c.mu.RUnlock()
	if found && trusted {
		known.used.set()
		return known.state, known.err
	}
	return c.lookUp(ctx, id)
}

// trusted reports whether the entries may be used.
func (c *CachedUsers) trusted() bool {
	return c.connected || c.followed && c.options.Now().Sub(c.lostAt) < c.grace
}

// lookUp joins the lookup of the user in progress, or starts one. A change of
// the user ends the lookup (see Changed); later callers start another.
func (c *CachedUsers) lookUp(ctx context.Context, id uuid.UUID) (UserState, error) {
	c.mu.Lock()
	q, underWay := c.lookups[id]
	if !underWay {
		q = &lookup{answered: make(chan struct{})}
		c.lookups[id] = q
		// The caller that started the lookup may leave while others wait.
		go c.runLookup(context.WithoutCancel(ctx), id, q)
	}
	c.mu.Unlock()
	select {
	case <-q.answered:
		return q.state, q.err
	case <-ctx.Done():
		return UserState{}, ctx.Err()
	}
}

// runLookup stores the answer of the store, unless the user has changed since
// the lookup began.
func (c *CachedUsers) runLookup(ctx context.Context, id uuid.UUID, q *lookup) {
	defer close(q.answered)
	ctx, cancel := context.WithTimeout(ctx, c.options.LookupTimeout)
	defer cancel()
	asked := c.options.Now()
	q.state, q.err = c.options.Users.UserState(ctx, id)

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lookups[id] != q {
		return
	}
	delete(c.lookups, id)
	if c.connected && (q.err == nil || errors.Is(q.err, store.ErrNotFound)) {
		c.evict()
		c.put(&cachedUser{id: id, state: q.state, err: q.err, checked: asked, usedAt: asked})
	}
}

// evict removes an entry that was not used recently, out of a few random ones.
// That is as good as the oldest of all, and needs no list that every request
// would have to change.
func (c *CachedUsers) evict() {
	if len(c.entries) < c.options.Limit {
		return
	}
	var victim uuid.UUID
	seen := 0
	for id, entry := range c.entries { // in random order
		victim = id
		if seen++; !entry.used.clear() || seen == evictionSample {
			break
		}
	}
	c.drop(victim)
}

// put stores an entry in place of the user's old one.
func (c *CachedUsers) put(entry *cachedUser) {
	c.drop(entry.id)
	c.entries[entry.id] = entry
	c.byAge.add(entry)
}

// drop removes the entry of a user, if there is one.
func (c *CachedUsers) drop(id uuid.UUID) {
	if entry, found := c.entries[id]; found {
		delete(c.entries, id)
		c.byAge.remove(entry)
	}
}

// Changed implements store.Follower. A caller that changes a user itself may
// also call it, instead of waiting for the feed.
func (c *CachedUsers) Changed(id uuid.UUID) {
	c.mu.Lock()
	c.drop(id)
	delete(c.lookups, id)
	watchers := watchersOf(c.watchers[id])
	c.mu.Unlock()
	notify(watchers)
}

// AllChanged implements store.Follower.
func (c *CachedUsers) AllChanged() {
	c.mu.Lock()
	watchers := c.forgetAll()
	c.mu.Unlock()
	notify(watchers)
}

// forgetAll drops all entries and returns the watchers to call.
func (c *CachedUsers) forgetAll() []*watcher {
	clear(c.lookups)
	c.entries = map[uuid.UUID]*cachedUser{} // clear would keep the memory
	c.byAge = ageList{}
	return c.allWatchers()
}

// Connected implements store.Follower. It drops all older entries.
func (c *CachedUsers) Connected() {
	c.mu.Lock()
	watchers := c.forgetAll()
	c.connected, c.followed, c.warned = true, true, false
	c.revalidateFailed = time.Time{}
	if c.recheck != nil {
		c.recheck.Stop()
		c.recheck = nil
	}
	c.mu.Unlock()
	c.options.Log.Info("changes to users are received")
	c.options.Feed(nil)
	notify(watchers)
}

// Lost implements store.Follower.
func (c *CachedUsers) Lost(cause error) {
	c.mu.Lock()
	wasConnected := c.connected
	c.connected = false
	if wasConnected {
		c.lostAt = c.options.Now()
		c.recheckAfter(c.grace)
	}
	grace, warned := c.grace, c.warned
	c.warned = true
	c.mu.Unlock()
	c.options.Feed(cause)
	// Warn once, and not when the process ends.
	if !warned && !errors.Is(cause, context.Canceled) {
		c.options.Log.Warn("changes to users are not received", "error", cause.Error(), "grace", grace.String())
	}
}

// recheckAfter makes the watchers check by themselves while the feed is lost.
func (c *CachedUsers) recheckAfter(pause time.Duration) {
	var timer *time.Timer
	timer = time.AfterFunc(pause, func() {
		c.mu.Lock()
		if c.recheck != timer { // connected again
			c.mu.Unlock()
			return
		}
		watchers := c.allWatchers()
		c.recheckAfter(max(c.grace, time.Second))
		c.mu.Unlock()
		notify(watchers)
	})
	c.recheck = timer
}

// Watch implements UserWatcher.
func (c *CachedUsers) Watch(id uuid.UUID, changed func()) (stop func()) {
	w := &watcher{changed}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watchers[id] == nil {
		c.watchers[id] = map[*watcher]struct{}{}
	}
	c.watchers[id][w] = struct{}{}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.watchers[id], w)
		if len(c.watchers[id]) == 0 {
			delete(c.watchers, id)
		}
	}
}

func (c *CachedUsers) allWatchers() (all []*watcher) {
	for _, some := range c.watchers {
		all = append(all, watchersOf(some)...)
	}
	return all
}

func watchersOf(some map[*watcher]struct{}) (list []*watcher) {
	for w := range some {
		list = append(list, w)
	}
	return list
}

func notify(watchers []*watcher) {
	for _, w := range watchers {
		w.changed()
	}
}

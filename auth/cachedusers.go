package auth

// This file keeps users' states in memory and true: what the store's feed does
// not vouch for is asked of the store, and what it does is read again before it
// is a minute old (revalidate.go).

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
	// cachedUsers is how many users are remembered unless told otherwise; some
	// 20 MB of them.
	cachedUsers = 100_000
	// lookupTimeout bounds a question to the store, whoever waits for its answer,
	// unless the options say otherwise.
	lookupTimeout = 5 * time.Second
	// evictionSample is how many entries a newcomer is held against.
	evictionSample = 8
)

// CachedUsersOptions are what CachedUsers work with.
type CachedUsersOptions struct {
	Users UserLister // who knows: the store, behind StoredUsers
	Limit int        // users to remember; 0 is 100,000
	// LookupTimeout bounds a question to Users; 0 is 5 seconds.
	LookupTimeout time.Duration
	// RevalidateAge is when an entry is read again of which nothing was heard, and
	// half of when it is dropped because it could not be; 0 is 30 seconds.
	RevalidateAge time.Duration
	Grace         time.Duration    // how long entries live after the feed was lost
	Feed          func(lost error) // is told of the feed: nil when it is connected; may be nil
	Log           *slog.Logger     // may be nil
	Now           func() time.Time
}

// CachedUsers answer from memory. They have to follow the store (store.Follow):
// while the feed is connected an entry is as true as the row; after it was lost
// entries live for the grace at most; without it every question goes to the
// store. There is one for a whole process, whatever tables come and go.
type CachedUsers struct {
	options CachedUsersOptions

	mu               sync.RWMutex
	entries          map[uuid.UUID]*cachedUser
	byAge            ageList               // the entries, too
	revalidateFailed time.Time             // since when the store cannot be asked to revalidate them; zero when it can
	lookups          map[uuid.UUID]*lookup // under way
	watchers         map[uuid.UUID]map[*watcher]struct{}
	grace            time.Duration
	connected        bool
	followed         bool        // the feed was connected once
	warned           bool        // the log says that it is not
	lostAt           time.Time   // when it was lost, while it is
	recheck          *time.Timer // while it is lost: when watchers have to look for themselves
}

// cachedUser is what is known of a user. What a request reads of it does not
// change; a new one takes its place.
type cachedUser struct {
	state UserState
	err   error // nil or store.ErrNotFound
	used  usedBit

	id           uuid.UUID
	checked      time.Time // when the store was last asked
	usedAt       time.Time // when the mark was last seen
	older, newer *cachedUser
}

// usedBit is set by many goroutines at once, and written only when it changes: all
// may share its cache line.
type usedBit struct{ atomic.Bool }

func (m *usedBit) set() {
	if !m.Load() {
		m.Store(true)
	}
}

// clear reports whether it was set.
func (m *usedBit) clear() bool { return m.Swap(false) }

// lookup is one read of the store that all callers at the same time share.
type lookup struct {
	answered chan struct{} // closed when state and err are there
	state    UserState
	err      error
}

// watcher is somebody to be told of changes to one user.
type watcher struct{ changed func() }

var (
	_ UserStates     = (*CachedUsers)(nil)
	_ UserWatcher    = (*CachedUsers)(nil)
	_ store.Follower = (*CachedUsers)(nil)
)

// NewCachedUsers remembers nobody yet.
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

// SetGrace changes how long entries live after the feed was lost.
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

// trusted reports whether what is remembered may be believed.
func (c *CachedUsers) trusted() bool {
	return c.connected || c.followed && c.options.Now().Sub(c.lostAt) < c.grace
}

// lookUp joins the lookup of the user that is under way, or starts one. A change
// of the user ends it (see Changed): later callers start another.
func (c *CachedUsers) lookUp(ctx context.Context, id uuid.UUID) (UserState, error) {
	c.mu.Lock()
	q, underWay := c.lookups[id]
	if !underWay {
		q = &lookup{answered: make(chan struct{})}
		c.lookups[id] = q
		// Whoever asked first may leave while others wait.
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

// runLookup remembers what the store says, unless somebody said that it is old
// already.
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

// evict evicts an entry that nobody used of late, out of a few that chance
// picks: as good as the oldest of all, and without a list that every request
// would have to change.
func (c *CachedUsers) evict() {
	if len(c.entries) < c.options.Limit {
		return
	}
	var victim uuid.UUID
	seen := 0
	for id, entry := range c.entries { // in an order that differs every time
		victim = id
		if seen++; !entry.used.clear() || seen == evictionSample {
			break
		}
	}
	c.drop(victim)
}

// put puts an entry in the place of the one that there may be.
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

// Changed implements store.Follower. Whoever changes a user itself may call it,
// too, rather than wait for the feed to tell.
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

// forgetAll returns who has to be told.
func (c *CachedUsers) forgetAll() []*watcher {
	clear(c.lookups)
	c.entries = map[uuid.UUID]*cachedUser{} // clear would keep the memory
	c.byAge = ageList{}
	return c.allWatchers()
}

// Connected implements store.Follower. Nothing from before is trusted.
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
	c.options.Log.Info("changes to users are heard of")
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
	// Not for every attempt, nor for the end of the process.
	if !warned && !errors.Is(cause, context.Canceled) {
		c.options.Log.Warn("changes to users are not heard of", "error", cause.Error(), "grace", grace.String())
	}
}

// recheckAfter has the watchers look for themselves, while nobody tells them.
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

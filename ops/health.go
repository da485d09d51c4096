package ops

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/internal/httperr"
	"gatehouse/proxy/backend"
	"gatehouse/store"
)

// How often the store is checked, and the time limit of each check.
const (
	storeInterval = 2 * time.Second
	storeTimeout  = 6 * time.Second
)

// Health determines whether the gateway should get requests. Its zero value is
// a gateway that has just started: alive, but not ready.
type Health struct {
	hasTable     atomic.Bool
	draining     atomic.Bool
	storeReached atomic.Bool

	mu         sync.Mutex
	needsStore bool  // the gateway has a store
	storeErr   error // the last result of checking the store
	feedErr    error // why changes to users are not received

	issuers issuerWait

	backends func() backend.Set // nil without WatchBackends
}

// WatchBackends makes the readiness tell of named backends without healthy servers, and of
// lookups that fail. It is called before the readiness is asked for.
func (h *Health) WatchBackends(live func() backend.Set) { h.backends = live }

// backendNotes returns the problems of named backends.
func (h *Health) backendNotes() (notes []string) {
	if h.backends == nil {
		return nil
	}
	for _, b := range h.backends().All() {
		if b.Panicked() {
			notes = append(notes, "backend "+b.Name()+" has no healthy server: all get requests")
		}
		if d, ok := b.Discovery(); ok && d.Err != nil {
			notes = append(notes, "the servers of backend "+b.Name()+" cannot be looked up: the last ones stay")
		}
	}
	return notes
}

// NeedStore makes readiness wait for the first contact with a store.
func (h *Health) NeedStore() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.needsStore, h.storeErr = true, errors.New("not asked yet")
	h.feedErr = errors.New("not connected yet")
}

// TableServed records that a valid table is served.
func (h *Health) TableServed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hasTable.Store(true)
	if h.issuers.since.IsZero() {
		h.issuers.since = time.Now()
	}
}

// Drain records that the gateway is about to stop. From now on it is not ready.
func (h *Health) Drain() { h.draining.Store(true) }

// Store returns the last result of checking the store: nil when it is healthy
// or there is none.
func (h *Health) Store() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.storeErr
}

// StoreAnswered records a result of checking the store.
func (h *Health) StoreAnswered(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.storeErr = err
	if err == nil {
		h.storeReached.Store(true)
	}
}

// UserFeed records whether changes to users are received: nil when they are.
func (h *Health) UserFeed(lost error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.feedErr = lost
}

// WatchStore checks the store every few seconds, until the context ends. It
// logs when the store is lost, cannot be written, or is healthy again. check is
// the store's CheckWritable.
func (h *Health) WatchStore(ctx context.Context, check func(context.Context) error, metrics *Metrics, log *slog.Logger) {
	tick := time.NewTicker(storeInterval)
	defer tick.Stop()
	for {
		asking, cancel := context.WithTimeout(ctx, storeTimeout)
		err := check(asking)
		cancel()
		if ctx.Err() != nil {
			return
		}
		logStore(ctx, log, h.Store(), err)
		h.StoreAnswered(err)
		metrics.StoreUp(err == nil)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// logStore logs what changed between two results of checking the store.
func logStore(ctx context.Context, log *slog.Logger, before, now error) {
	readOnly := errors.Is(now, store.ErrNotWritable)
	switch {
	case now == nil && before != nil:
		log.InfoContext(ctx, "store is back")
	case now == nil, before != nil && readOnly == errors.Is(before, store.ErrNotWritable):
		// unchanged
	case readOnly:
		log.WarnContext(ctx, "store cannot be written: logins are answered 503", "error", now.Error())
	default:
		log.WarnContext(ctx, "store lost: requests that need it are answered 503", "error", now.Error())
	}
}

// readiness is the body of /readyz.
type readiness struct {
	Ready   bool     `json:"ready"`
	Reasons []string `json:"reasons,omitempty"` // why the gateway is not ready
	Notes   []string `json:"notes,omitempty"`   // problems that do not make the gateway unready
}

// ready returns the readiness. A problem with the store after the first contact
// is only a note, because it would make every replica unready at once.
func (h *Health) ready() readiness {
	var r readiness
	if h.draining.Load() {
		r.Reasons = append(r.Reasons, "draining: the gateway is about to stop")
	}
	if !h.hasTable.Load() {
		r.Reasons = append(r.Reasons, "no route table is served yet")
	}
	h.mu.Lock()
	needs, storeErr, feedErr := h.needsStore, h.storeErr, h.feedErr
	h.issuers.report(&r, time.Now())
	h.mu.Unlock()
	switch {
	case needs && !h.storeReached.Load():
		r.Reasons = append(r.Reasons, "the user store was not reached yet")
	case needs && errors.Is(storeErr, store.ErrNotWritable):
		r.Notes = append(r.Notes, "the user store cannot be written: nobody can log in")
	case needs && storeErr != nil:
		r.Notes = append(r.Notes, "the user store does not answer")
	}
	if needs && feedErr != nil {
		r.Notes = append(r.Notes, "changes to users are not received: what is known of them lives for users.grace, then the store is asked each time")
	}
	r.Notes = append(r.Notes, h.backendNotes()...)
	r.Ready = len(r.Reasons) == 0
	return r
}

// serveReady serves GET /readyz.
func (h *Health) serveReady(w http.ResponseWriter, _ *http.Request) {
	answer, status := h.ready(), http.StatusOK
	if !answer.Ready {
		status = http.StatusServiceUnavailable
	}
	httperr.WriteJSON(w, status, answer)
}

// serveLive serves GET /livez: a gateway that answers is alive.
func serveLive(w http.ResponseWriter, _ *http.Request) {
	httperr.WriteJSON(w, http.StatusOK, map[string]bool{"alive": true})
}

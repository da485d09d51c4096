package keys

// This file keeps the keys of one place fresh. A goroutine reads them at
// intervals, and sooner when a request needs a key that is not among them.

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Bounds on reading the place of the keys.
const (
	ReadInterval = 5 * time.Second  // between two readings, whatever requests ask for
	retryPause   = 30 * time.Second // after a failure that no request asks about, at most
	firstRetry   = time.Second      // after the first failure of a source that was never read; doubles each time
	readWait     = 2 * time.Second  // how long a request waits for a reading
)

var (
	errNotRead = errors.New("the keys are still being read")
	errRetired = errors.New("the table with this issuer was replaced")
)

// source holds the keys of one place. It keeps the last good set, even when the
// place cannot be read any more. One goroutine does all readings, so two
// readings never overlap.
type source struct {
	place string // for the log
	fetch fetch
	now   func() time.Time
	log   *slog.Logger

	set              atomic.Pointer[set] // nil before the first good reading
	readingRequested chan struct{}       // of capacity 1: a request asks for a reading

	running  sync.Mutex // held while run runs
	content  []byte     // the text of the set; used by run only
	failures int        // failed readings before the first good one; used by run only

	mu          sync.Mutex      // protects the fields below
	reading     bool            // a reading is in progress
	readingDone chan struct{}   // closed at the end of the reading in progress, or of the next one
	lastReading time.Time       // when the last reading ended
	lastSuccess time.Time       // when the last good reading ended
	problem     error           // why the last reading failed; nil when it succeeded
	retired     <-chan struct{} // closed when no more readings will follow; nil before the first
}

func newSource(place string, f fetch, now func() time.Time, log *slog.Logger) *source {
	return &source{
		place: place, fetch: f, now: now, log: log,
		readingRequested: make(chan struct{}, 1), readingDone: make(chan struct{}),
	}
}

// NotReadError means that the keys of an issuer cannot be read. A key that is
// not known may therefore be a good one.
type NotReadError struct{ Cause error }

// Error returns the cause.
func (e *NotReadError) Error() string { return e.Cause.Error() }

// Unwrap returns the cause.
func (e *NotReadError) Unwrap() error { return e.Cause }

// find returns the keys that may have signed a token. For an unknown kid, and
// before the first good set, it waits for a reading, within bounds. The error
// is a *NotReadError, or says why no key fits.
func (s *source) find(ctx context.Context, algorithm, kid string) ([]jwt.VerificationKey, error) {
	set := s.set.Load()
	found := set.find(algorithm, kid)
	if len(found) > 0 {
		return found, nil
	}
	if set != nil && kid == "" {
		return nil, set.whyMissing(algorithm, kid)
	}
	problem := s.await(ctx)
	set = s.set.Load()
	if found = set.find(algorithm, kid); len(found) > 0 {
		return found, nil
	}
	if problem != nil {
		return nil, &NotReadError{problem}
	}
	return nil, set.whyMissing(algorithm, kid)
}

// version returns the number of the source's current set, 0 before the first.
func (s *source) version() int {
	set := s.set.Load()
	if set == nil {
		return 0
	}
	return set.version
}

// await waits until a reading ends, and returns the error of that reading. It
// asks for one, unless the last was a moment ago.
func (s *source) await(ctx context.Context) error {
	s.mu.Lock()
	over, retired, problem := s.readingDone, s.retired, s.problem
	recent := !s.lastReading.IsZero() && s.now().Sub(s.lastReading) < ReadInterval
	if recent && !s.reading {
		s.mu.Unlock()
		return problem
	}
	if !s.reading {
		s.requestReading()
	}
	s.mu.Unlock()

	timer := time.NewTimer(readWait)
	defer timer.Stop()
	select {
	case <-over:
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.problem
	case <-timer.C:
		return errNotRead
	case <-retired:
		return errRetired
	case <-ctx.Done():
		return ctx.Err()
	}
}

// requestReading asks for a reading.
func (s *source) requestReading() {
	select {
	case s.readingRequested <- struct{}{}:
	default: // another caller has asked already
	}
}

// start is called before run reads the source until the context ends.
func (s *source) start(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = ctx.Done()
}

// firstReading returns a channel that is closed when the next reading ends.
func (s *source) firstReading() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readingDone
}

// state returns what is known about the source, under the name of its issuer.
func (s *source) state(issuer string) IssuerState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return IssuerState{Issuer: issuer, Keys: s.set.Load().size(), LastSuccess: s.lastSuccess, Problem: s.problem}
}

// run reads the source until the context ends: at once, and then whenever a
// reading is due or a request asks for one.
func (s *source) run(ctx context.Context) {
	s.running.Lock() // an earlier run that was told to stop may still run
	defer s.running.Unlock()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(s.read(ctx)):
		case <-s.readingRequested:
		}
	}
}

// read reads the keys once, and returns when they are due again.
func (s *source) read(ctx context.Context) (due time.Duration) {
	s.mu.Lock()
	s.reading = true
	before := s.problem
	select {
	case <-s.readingRequested: // this reading is the one that was asked for
	default:
	}
	s.mu.Unlock()

	content, due, err := s.fetch(ctx)
	if err == nil {
		err = s.apply(content)
	}
	s.finishReading(err)
	switch {
	case ctx.Err() != nil: // nobody waits for the keys any more
	case err != nil && (before == nil || before.Error() != err.Error()):
		s.log.Warn("keys of an issuer cannot be read", "place", s.place, "error", err, "keys_kept", s.set.Load().size())
	case err == nil && before != nil:
		s.log.Info("keys of an issuer can be read again", "place", s.place)
	}
	if err != nil {
		return min(due, s.retry())
	}
	return due
}

// retry returns the pause after a failure. It is short at first for a source
// that was never read, because its issuer's tokens are refused until then.
func (s *source) retry() time.Duration {
	if s.set.Load() != nil {
		return retryPause
	}
	pause := min(firstRetry<<min(s.failures, 10), retryPause)
	s.failures++
	return pause
}

// finishReading records the end of a reading and wakes the waiting callers.
func (s *source) finishReading(problem error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading, s.problem, s.lastReading = false, problem, s.now()
	if problem == nil {
		s.lastSuccess = s.lastReading
	}
	close(s.readingDone)
	s.readingDone = make(chan struct{})
}

// apply parses the text and makes it the current set, when it is good.
func (s *source) apply(content []byte) error {
	if s.content != nil && bytes.Equal(content, s.content) {
		return nil
	}
	set, err := parseSet(content)
	if err != nil {
		return err
	}
	s.content = content
	set.version = s.version() + 1
	s.set.Store(set)
	s.log.Info("keys of an issuer read", "place", s.place, "keys", set.size(), "ignored", len(set.ignored))
	for _, reason := range set.ignored {
		s.log.Info("key of an issuer ignored", "place", s.place, "reason", reason)
	}
	return nil
}

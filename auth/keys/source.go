package keys

// This file keeps the keys of one place fresh: a goroutine reads them now and
// then, and sooner when a request asks for a key that is not among them.

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

// Bounds on reading a place that keys come from.
const (
	ReadInterval = 5 * time.Second  // between two readings, whatever requests ask for
	retryPause   = 30 * time.Second // after a failure that no request asks about, at most
	firstRetry   = time.Second      // after the first failure of a source that was never read; then twice as long each time
	readWait     = 2 * time.Second  // how long a request waits for a reading
)

var (
	errNotRead = errors.New("the keys are still being read")
	errRetired = errors.New("the table with this issuer was replaced")
)

// source holds the keys of one place: the last good set, whatever became of
// the place since. All readings are made by one goroutine, so there is never
// more than one at a time.
type source struct {
	place string // for the log
	fetch fetch
	now   func() time.Time
	log   *slog.Logger

	set              atomic.Pointer[set] // nil before the first good one
	readingRequested chan struct{}       // of capacity 1: a request asks for a reading

	running  sync.Mutex // held while run runs
	content  []byte     // what set was made of; for run alone
	failures int        // readings in vain before the first good one; for run alone

	mu          sync.Mutex      // for those below
	reading     bool            // a reading is under way
	readingDone chan struct{}   // closed when it is over; else when the next one is
	lastReading time.Time       // when the last one was over
	lastSuccess time.Time       // when the last good one was
	problem     error           // why it failed; nil when it did not
	retired     <-chan struct{} // closed when there will be no more; nil before the first
}

func newSource(place string, f fetch, now func() time.Time, log *slog.Logger) *source {
	return &source{
		place: place, fetch: f, now: now, log: log,
		readingRequested: make(chan struct{}, 1), readingDone: make(chan struct{}),
	}
}

// NotReadError says that the keys of an issuer cannot be read, and why: a key that
// is not known may be a good one.
type NotReadError struct{ Cause error }

// Error returns the cause.
func (e *NotReadError) Error() string { return e.Cause.Error() }

// Unwrap returns the cause.
func (e *NotReadError) Unwrap() error { return e.Cause }

// find returns the keys that may have signed a token. For a kid that is not
// known, and before the first good set, it waits for a reading, within bounds. The
// error is a *NotReadError, or words why no key fits.
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

// version is the number of the set that the source holds, 0 before the first.
func (s *source) version() int {
	set := s.set.Load()
	if set == nil {
		return 0
	}
	return set.version
}

// await waits until a reading is over, and tells how it came out. It asks for
// one, unless the last was a moment ago.
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
	default: // somebody else has asked
	}
}

// start says that the source is about to be read until the context ends.
func (s *source) start(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = ctx.Done()
}

// firstReading is closed when the next reading is over.
func (s *source) firstReading() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readingDone
}

// state returns what is known of the source, under the name of its issuer.
func (s *source) state(issuer string) IssuerState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return IssuerState{Issuer: issuer, Keys: s.set.Load().size(), LastSuccess: s.lastSuccess, Problem: s.problem}
}

// run reads the source until the context ends: at once, and then whenever it
// is due or a request asks.
func (s *source) run(ctx context.Context) {
	s.running.Lock() // a run that was told to end may not have ended yet
	defer s.running.Unlock()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(s.read(ctx)):
		case <-s.readingRequested:
		}
	}
}

// read reads the keys once, and says when they are due again.
func (s *source) read(ctx context.Context) (due time.Duration) {
	s.mu.Lock()
	s.reading = true
	before := s.problem
	select {
	case <-s.readingRequested: // this is the reading that was asked for
	default:
	}
	s.mu.Unlock()

	content, due, err := s.fetch(ctx)
	if err == nil {
		err = s.apply(content)
	}
	s.finishReading(err)
	switch {
	case ctx.Err() != nil: // nobody asks any more
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

// retry is the pause after a failure: short at first for a source that was never
// read, since its issuer's tokens are refused until it is.
func (s *source) retry() time.Duration {
	if s.set.Load() != nil {
		return retryPause
	}
	pause := min(firstRetry<<min(s.failures, 10), retryPause)
	s.failures++
	return pause
}

// finishReading lets those who wait know.
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

// apply makes the text the set, if it is a good one.
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

package testkit

import (
	"log"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// Log is a log that is read while it is written. The zero value is empty.
type Log struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	return len(p), nil
}

// String returns what was written so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// Contains reports whether text was written.
func (l *Log) Contains(text string) bool { return strings.Contains(l.String(), text) }

// Await returns when text has been written, and fails the test when it has not
// after Timeout.
func (l *Log) Await(t testing.TB, text string) {
	t.Helper()
	Eventually(t, "in the log: "+text, func() bool { return l.Contains(text) })
}

// Reset removes what was written so far.
func (l *Log) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = nil
}

// DiscardLog returns an error log for an http.Server of which nobody reads the
// errors.
func DiscardLog() *log.Logger { return slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) }

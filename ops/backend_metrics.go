package ops

import (
	"sync"
	"time"

	"gatehouse/proxy/backend"
)

// backends has the histograms of attempts at named backends.
type backends struct {
	mu     sync.Mutex
	byName map[string]*attempts
}

// attempts implements backend.Attempts.
type attempts struct{ durations histogram }

// Attempted implements backend.Attempts.
func (a *attempts) Attempted(after time.Duration) { a.durations.observe(after.Seconds()) }

// Attempts implements backend.Metrics.
func (m *Metrics) Attempts(name string) backend.Attempts {
	m.backends.mu.Lock()
	defer m.backends.mu.Unlock()
	known := m.backends.byName[name]
	if known == nil {
		known = new(attempts)
		if m.backends.byName == nil {
			m.backends.byName = map[string]*attempts{}
		}
		m.backends.byName[name] = known
	}
	return known
}

package backend

import (
	"log/slog"
	"strings"
	"time"

	"gatehouse/config"
)

// maxEjections bounds the length of an ejection: at most ten times `eject`.
const maxEjections = 10

// leavingTime is how long a server gets no requests when it is probably stopping: long
// enough for most to stop, and short for one that was only suspected.
const leavingTime = 3 * time.Second

// closesInARow is after how many closed connections a server is probably stopping.
const closesInARow = 3

// eject takes a server out for a while, unless too many are out already.
func (b *Backend) eject(s *Server, now time.Time) {
	passive := b.config.Passive
	b.state.mu.Lock()
	defer b.state.mu.Unlock()
	if s.ejected || !b.mayEject(passive) {
		return
	}
	if !s.readmitted.IsZero() && now.Sub(s.readmitted) > maxEjections*passive.Eject {
		s.ejections = 0
	}
	lasts := passive.Eject * time.Duration(min(1<<min(s.ejections, 10), maxEjections))
	s.ejections++
	s.ejected = true
	b.state.ejected.Add(1)
	b.state.changed()
	time.AfterFunc(lasts, s.readmit)
	b.state.registry.log.Warn("server ejected", slog.String("backend", b.state.name), slog.String("server", s.ID()),
		slog.Int("failures", int(s.consecutive.Load())), slog.Duration("for", lasts))
}

// mayEject reports whether one more server may be ejected: not more than max_ejected, and
// never the last one that gets requests. The caller holds state.mu.
func (b *Backend) mayEject(passive *config.Passive) bool {
	all, ejected, usable := 0, 0, 0
	for _, m := range b.members() {
		if m.weight == 0 {
			continue
		}
		all++
		switch {
		case m.server.ejected:
			ejected++
		case !m.server.down && !m.server.drained:
			usable++
		}
	}
	return usable > 1 && float64(ejected+1) <= float64(all)*float64(passive.MaxEjected)/100
}

// readmit ends an ejection. The server gets a growing share of its requests.
func (s *Server) readmit() {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.ejected = false
	s.readmitted = time.Now()
	s.comeBack()
	if !s.gone {
		s.of.registry.log.Info("server readmitted", slog.String("backend", s.of.name), slog.String("server", s.ID()))
	}
}

// comeBack makes the share of a server grow from now on. The caller holds of.mu.
func (s *Server) comeBack() {
	s.consecutive.Store(0)
	s.penalty.Store(0)
	s.rampFrom.Store(time.Now().UnixNano())
	s.of.changed()
}

// SetHealth records the result of health checks. It logs a change.
func (s *Server) SetHealth(up bool, why error) {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.setHealth(up, why)
}

// setHealth is SetHealth. The caller holds of.mu.
func (s *Server) setHealth(up bool, why error) {
	if s.down == !up {
		return
	}
	s.down = !up
	log := s.of.registry.log.With(slog.String("backend", s.of.name), slog.String("server", s.ID()))
	if up {
		s.comeBack()
		log.Info("server is healthy again")
		return
	}
	s.of.changed()
	log.Warn("server is down", slog.String("error", clipped(why)))
}

// maxReason is how many bytes of an error are logged: a server may have written them.
const maxReason = 512

// clipped returns the beginning of the text of an error, or "" without one.
func clipped(why error) string {
	if why == nil {
		return ""
	}
	text := why.Error()
	return strings.ToValidUTF8(text[:min(len(text), maxReason)], "")
}

// SetDrained takes a server out for an operator, or lets it come back. It reports false
// when it would take out the last one.
func (b *Backend) SetDrained(s *Server, drained bool) bool {
	b.state.mu.Lock()
	defer b.state.mu.Unlock()
	if s.drained == drained {
		return true
	}
	if drained && !b.hasOther(s) {
		return false
	}
	s.drained = drained
	b.state.changed()
	log := b.state.registry.log.With(slog.String("backend", b.state.name), slog.String("server", s.ID()))
	if drained {
		log.Info("server drained")
		return true
	}
	s.comeBack()
	log.Info("server no longer drained")
	return true
}

// hasOther reports whether another server is not drained. The caller holds state.mu.
func (b *Backend) hasOther(than *Server) bool {
	for _, m := range b.members() {
		if m.server != than && m.weight > 0 && !m.server.drained {
			return true
		}
	}
	return false
}

// Keeps is called when the server keeps the connection after an answer.
func (s *Server) Keeps() {
	if !s.keeps.Load() {
		s.keeps.Store(true)
	}
	if s.closes.Load() != 0 {
		s.closes.Store(0)
	}
}

// Closes is called when the server closes the connection after an answer (RFC 9112 section
// 9.6). When it does so again and again, and has kept others before, it is probably stopping:
// it gets no requests for a moment, if there are other servers. A single close says nothing:
// many servers close a connection after some number of requests.
func (s *Server) Closes() {
	if !s.keeps.Load() || s.closes.Add(1) < closesInARow {
		return
	}
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if s.leaving {
		return
	}
	s.leaving = true
	s.of.changed()
	time.AfterFunc(leavingTime, func() {
		s.of.mu.Lock()
		defer s.of.mu.Unlock()
		s.leaving = false
		s.of.changed()
	})
}

// State is the state of a server, for operators.
type State struct {
	Healthy, Ejected, Drained, Leaving bool
}

// State returns the state of the server.
func (s *Server) State() State {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	return State{Healthy: !s.down, Ejected: s.ejected, Drained: s.drained, Leaving: s.leaving}
}

// String returns the state in one word: up, down, ejected, drained or leaving.
func (s State) String() string {
	switch {
	case s.Drained:
		return "drained"
	case !s.Healthy:
		return "down"
	case s.Ejected:
		return "ejected"
	case s.Leaving:
		return "leaving"
	}
	return "up"
}

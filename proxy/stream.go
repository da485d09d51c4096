package proxy

import (
	"net/http"
	"sync"
	"time"

	"gatehouse/internal/timerwheel"
	"gatehouse/proxy/idletimer"
)

// stream is the http.ResponseWriter of an HTTP/2 request, below response. It has the
// deadlines of the request.
//
// net/http's own deadlines are timers. When a client resets its stream in the moment in
// which one is set, nobody stops it, and it keeps the whole connection in memory until it
// fires, up to five minutes after the connection was closed. A client that opens and resets streams
// could fill the memory. So net/http only ever gets deadlines that have passed.
type stream struct {
	http.ResponseWriter // net/http's
	read, write         deadline

	mu    sync.Mutex
	ended bool // the handler has ended: ResponseWriter must not be used
}

// deadline is one of the deadlines of a stream.
type deadline struct {
	timer idletimer.Timer
	of    *stream
	pass  func(*http.ResponseController, time.Time) error // tells net/http
}

// newStream returns the stream of a request whose timers are on the wheel.
func newStream(w http.ResponseWriter, wheel *timerwheel.Wheel) *stream {
	s := &stream{ResponseWriter: w}
	s.read = deadline{of: s, pass: (*http.ResponseController).SetReadDeadline}
	s.write = deadline{of: s, pass: (*http.ResponseController).SetWriteDeadline}
	s.read.timer.Start(wheel, &s.read, 0)
	s.write.timer.Start(wheel, &s.write, 0)
	return s
}

// SetReadDeadline is called by http.ResponseController.
func (s *stream) SetReadDeadline(at time.Time) error { return s.read.set(at) }

// SetWriteDeadline is called by http.ResponseController.
func (s *stream) SetWriteDeadline(at time.Time) error { return s.write.set(at) }

// Unwrap returns net/http's ResponseWriter, for http.ResponseController.
func (s *stream) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// set changes the deadline; the zero time removes it.
func (d *deadline) set(at time.Time) error {
	var left time.Duration
	if !at.IsZero() {
		if left = time.Until(at); left <= 0 {
			return d.expire()
		}
	}
	d.of.mu.Lock()
	defer d.of.mu.Unlock()
	if !d.of.ended {
		d.timer.SetTimeout(left)
	}
	return nil
}

// OnTimeout implements idletimer.Handler.
func (d *deadline) OnTimeout() { _ = d.expire() }

// expire makes reading or writing fail from now on. It does not block.
func (d *deadline) expire() error {
	d.of.mu.Lock()
	defer d.of.mu.Unlock()
	if d.of.ended {
		return nil
	}
	return d.pass(http.NewResponseController(d.of.ResponseWriter), time.Unix(1, 0))
}

// sendRest sends what is left of an answer, and waits until the client's window lets it
// through, for at most limit. Afterwards the handler may end: what it must still send needs
// no window.
func (s *stream) sendRest(limit time.Duration) {
	s.write.timer.SetTimeout(limit)
	_ = http.NewResponseController(s.ResponseWriter).Flush() // the client is told by the end of the stream
}

// end is called when the handler ends. Deadlines have no effect any more.
func (s *stream) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.read.timer.Stop()
	s.write.timer.Stop()
}

// Package deadline has the deadlines of HTTP/2 requests.
package deadline

import (
	"net/http"
	"sync"
	"time"

	"gatehouse/internal/timerwheel"
	"gatehouse/proxy/idletimer"
)

// Writer is the http.ResponseWriter of an HTTP/2 request, with deadlines that end with the
// handler.
//
// net/http's own deadlines are timers. When a client resets its stream in the moment in
// which one is set, nobody stops it, and it keeps the whole connection in memory until it
// fires, up to minutes after the connection was closed. A client that opens and resets
// streams could fill the memory. So net/http only ever gets deadlines that have passed.
type Writer struct {
	http.ResponseWriter // net/http's
	read, write         deadline

	mu    sync.Mutex
	ended bool // the handler has ended: ResponseWriter must not be used
}

// deadline is one of the deadlines of a Writer.
type deadline struct {
	timer idletimer.Timer
	of    *Writer
	pass  func(*http.ResponseController, time.Time) error // tells net/http
}

// NewWriter returns the Writer of a request whose timers are on the wheel.
func NewWriter(w http.ResponseWriter, wheel *timerwheel.Wheel) *Writer {
	d := &Writer{ResponseWriter: w}
	d.read = deadline{of: d, pass: (*http.ResponseController).SetReadDeadline}
	d.write = deadline{of: d, pass: (*http.ResponseController).SetWriteDeadline}
	d.read.timer.Start(wheel, &d.read, 0)
	d.write.timer.Start(wheel, &d.write, 0)
	return d
}

// SetReadDeadline is called by http.ResponseController.
func (w *Writer) SetReadDeadline(at time.Time) error { return w.read.set(at) }

// SetWriteDeadline is called by http.ResponseController.
func (w *Writer) SetWriteDeadline(at time.Time) error { return w.write.set(at) }

// Unwrap returns net/http's ResponseWriter, for http.ResponseController.
func (w *Writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

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

// SendRest sends what is left of an answer, and waits until the client's window lets it
// through, for at most limit. Afterwards the handler may end: what it must still send needs
// no window.
func (w *Writer) SendRest(limit time.Duration) {
	w.write.timer.SetTimeout(limit)
	_ = http.NewResponseController(w.ResponseWriter).Flush() // an error also ends the stream
}

// End is called when the handler ends. Deadlines have no effect any more.
func (w *Writer) End() {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	w.read.timer.Stop()
	w.write.timer.Stop()
}

package forward

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
)

// maxInterim is the number of informational answers that one request may get.
// net/http's transport does not limit them when the caller passes them on.
const maxInterim = 1000

// errMisbehaved is the cause of cancellation when the backend breaks the protocol
// before its final answer.
var errMisbehaved = errors.New("backend misbehaved")

// answer is the http.ResponseWriter that httputil writes to.
type answer struct {
	http.ResponseWriter // the gateway's
	t                   *Transfer
	interim             int  // number of informational answers received
	begun               bool // the final answer has begun
}

// WriteHeader implements http.ResponseWriter. It passes on informational answers
// (1xx). The final answer first waits for the end of a small request body. It closes
// the connection when the body was not read.
func (w *answer) WriteHeader(status int) {
	if status < 200 {
		w.writeInterim(status)
		return
	}
	if w.begun {
		return
	}
	w.begun = true
	if body := w.t.body; body != nil && w.t.In.ProtoMajor == 1 {
		if !w.t.isHTTP10() { // HTTP/1.0 closes the connection anyway
			body.waitForEnd()
		}
		if !body.complete() {
			// In full duplex, net/http would read the rest of the body as the next
			// request when reading the body fails (RFC 9112 section 9.3).
			w.Header()["Connection"] = []string{"close"}
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// writeInterim passes on an informational answer. Header() has its header fields. An
// HTTP/1.0 client does not understand such answers (RFC 9110 section 15.2), so it
// gets none.
func (w *answer) writeInterim(status int) {
	if w.interim++; w.interim > maxInterim {
		w.t.giveUp(fmt.Errorf("%w: more than %d informational answers", errMisbehaved, maxInterim))
		return
	}
	if status == http.StatusSwitchingProtocols { // HTTP/2 has no 101 (RFC 9113 section 8.6)
		w.t.giveUp(fmt.Errorf("%w: it switched protocols over HTTP/2", errMisbehaved))
		return
	}
	if w.t.isHTTP10() {
		return
	}
	w.t.backend.cleanInterim(w.Header())
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *answer) Write(p []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// Hijack passes the connection to an upgraded stream. httputil writes the 101 itself,
// with the header fields in Header().
func (w *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	a := w.t.attempt
	header := w.Header()
	maps.Copy(header, a.upgrade.header)
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		for name := range a.upgrade.header {
			delete(header, name)
		}
		return nil, nil, err
	}
	w.begun = true
	// httputil reads from the connection, not from the buffer.
	early, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
	upgraded := w.t.forwarder.streams.Add(conn, bytes.Clone(early), a.upgrade.backend, w.t.backend.metrics)
	a.upgrade.client.Store(upgraded)
	return upgraded, buffered, nil
}

// Unwrap returns the gateway's ResponseWriter. http.ResponseController needs it for
// flushing, deadlines and full duplex.
func (w *answer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

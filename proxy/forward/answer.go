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

// maxInterim bounds the informational answers to one request: net/http's
// transport leaves that to whoever passes them on.
const maxInterim = 1000

// errMisbehaved is the cause of a request that was canceled because of what the
// backend said before its answer.
var errMisbehaved = errors.New("backend misbehaved")

// answer is the http.ResponseWriter that httputil writes to.
type answer struct {
	http.ResponseWriter // the gateway's
	t                   *Transfer
	interim             int  // informational answers that have come
	begun               bool // the final answer has
}

// WriteHeader implements http.ResponseWriter. Informational answers (1xx) pass; the
// final one waits for the end of a small body, and ends the connection when the body
// was not read.
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
		if !w.t.isHTTP10() { // which ends the connection anyway
			body.waitForEnd()
		}
		if !body.complete() {
			// In full duplex net/http would take what is left of the body for the
			// next request when reading it ends in an error (RFC 9112 section 9.3).
			w.Header()["Connection"] = []string{"close"}
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// writeInterim passes on an informational answer, whose header is there. A client of
// HTTP/1.0 knows none (RFC 9110 section 15.2).
func (w *answer) writeInterim(status int) {
	if w.interim++; w.interim > maxInterim {
		w.t.giveUp(fmt.Errorf("%w: more than %d informational answers", errMisbehaved, maxInterim))
		return
	}
	if status == http.StatusSwitchingProtocols { // over HTTP/2, which has none (RFC 9113 section 8.6)
		w.t.giveUp(fmt.Errorf("%w: it switched protocols over HTTP/2", errMisbehaved))
		return
	}
	if w.t.isHTTP10() {
		return
	}
	w.t.backend.policy.cleanInterim(w.Header())
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *answer) Write(p []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// Hijack passes the connection to an upgraded stream. The 101 that httputil writes
// itself takes its headers from Header(), as all answers do.
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
	// httputil reads from the connection alone.
	early, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
	upgraded := w.t.forwarder.streams.Add(conn, bytes.Clone(early), a.upgrade.backend, w.t.backend.metrics.Sent)
	a.upgrade.client.Store(upgraded)
	return upgraded, buffered, nil
}

// Unwrap lets http.ResponseController reach flushing, deadlines and full duplex.
func (w *answer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

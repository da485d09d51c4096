package compress

import (
	"net/http"
	"strconv"

	"gatehouse/config"
)

// Policy is the `compress` part of a route. It never changes.
type Policy struct {
	codings  []config.Coding
	encoders *Encoders
}

// New returns the policy of a route, or nil when the route does not compress.
func New(codings []config.Coding, encoders *Encoders) *Policy {
	if len(codings) == 0 {
		return nil
	}
	return &Policy{codings: codings, encoders: encoders}
}

// Writer returns a writer that compresses the answer to r, if the client accepts that.
func (p *Policy) Writer(w http.ResponseWriter, r *http.Request) *Writer {
	compressed := &Writer{ResponseWriter: w, request: r, encoders: p.encoders}
	// The end of an answer to HTTP/1.0 cannot be told from a cut. The parts of a
	// compressed answer are of no use.
	if r.ProtoAtLeast(1, 1) && len(r.Header["Range"]) == 0 && !hasNoTransform(r.Header) {
		compressed.coding = choose(r.Header["Accept-Encoding"], p.codings)
	}
	return compressed
}

// state is how far the answer of a Writer is.
type state int

const (
	stateNew     state = iota // the header is not written
	stateHeld                 // the answer could be tiny, so the header and some bytes are held
	statePassed               // the header is written, and the body passes as it is
	stateEncoded              // the header is written, and the body passes through the encoder
	stateEnded
)

// Writer is an http.ResponseWriter that compresses the body of an answer when that is
// worthwhile. Informational answers, deadlines and upgrades pass. All changes to the
// header must be made before WriteHeader, which looks at them.
//
// The caller ends it with Close, or with Abort when the answer is cut off. When no answer
// has begun by then, a later one passes as it is.
type Writer struct {
	http.ResponseWriter
	request  *http.Request
	encoders *Encoders
	coding   config.Coding // for the client; "" for none

	state   state
	status  int
	held    []byte // of stateHeld
	encoder encoder
	dirty   bool  // the encoder may have bytes that are not flushed
	sent    int64 // bytes of the body that were written
}

// WriteHeader implements http.ResponseWriter. It decides about the answer, unless that
// needs the beginning of the body.
func (w *Writer) WriteHeader(status int) {
	if status < 200 {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	if w.state != stateNew {
		return
	}
	w.status = status
	header := w.Header()
	if isCompressible(first(header["Content-Type"])) || status == http.StatusNotModified {
		addVary(header)
	}
	if status == http.StatusNotModified && w.coding != "" {
		w.weakenAsAsked(header)
	}
	if w.coding == "" || !isEligible(status, header) {
		w.pass()
		return
	}
	switch length := lengthOf(header); {
	case length >= 0 && length < minimum:
		w.pass()
	case length >= 0 || w.request.Method == http.MethodHead:
		w.encode()
	default:
		w.state = stateHeld
	}
}

// weakenAsAsked makes the ETag of a 304 that of the answer which the client has stored.
func (w *Writer) weakenAsAsked(header http.Header) {
	tag := first(header["Etag"])
	for weak := range weakTags(w.request.Header["If-None-Match"]) {
		if weak == tag {
			weaken(header)
			return
		}
	}
}

// pass writes the header of an answer whose body is not compressed.
func (w *Writer) pass() {
	w.state = statePassed
	w.ResponseWriter.WriteHeader(w.status)
}

// encode writes the header of an answer whose body is compressed. When too many answers are
// compressed at the moment, this one is not.
func (w *Writer) encode() {
	if w.request.Method != http.MethodHead {
		if w.encoder = w.encoders.get(w.coding, (*output)(w)); w.encoder == nil {
			w.pass()
			return
		}
	}
	w.state = stateEncoded
	encode(w.Header(), string(w.coding))
	w.ResponseWriter.WriteHeader(w.status)
}

// output is what the encoder of a Writer writes to.
type output Writer

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	n, err := o.ResponseWriter.Write(p)
	o.sent += int64(n)
	return n, err
}

// Sent returns how many bytes of the body were written, as the client gets them.
func (w *Writer) Sent() int64 { return w.sent }

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (int, error) {
	if w.state == stateNew {
		w.WriteHeader(http.StatusOK)
	}
	if w.state == stateHeld {
		if len(w.held)+len(p) < minimum {
			w.held = append(w.held, p...)
			return len(p), nil
		}
		if err := w.release(); err != nil {
			return 0, err
		}
	}
	return w.body(p)
}

// body writes a part of the body when the header is written.
func (w *Writer) body(p []byte) (int, error) {
	switch {
	case w.encoder != nil:
		w.dirty = true
		return w.encoder.Write(p)
	case w.state == stateEncoded: // a HEAD
		return len(p), nil
	}
	return (*output)(w).Write(p)
}

// release writes the header of an answer that was held, and what was held of its body.
func (w *Writer) release() error {
	w.encode()
	if len(w.held) == 0 {
		return nil
	}
	_, err := w.body(w.held)
	w.held = nil
	return err
}

// FlushError sends the client all that was written. An answer that was held is compressed
// from now on: more of it may come at any time.
func (w *Writer) FlushError() error {
	switch w.state {
	case stateNew:
		w.WriteHeader(http.StatusOK)
		return w.FlushError()
	case stateHeld:
		if err := w.release(); err != nil {
			return err
		}
	}
	if w.dirty {
		w.dirty = false
		if err := w.encoder.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush implements http.Flusher.
func (w *Writer) Flush() { _ = w.FlushError() }

// Unwrap returns the wrapped ResponseWriter, for http.ResponseController.
func (w *Writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Close ends a complete answer.
func (w *Writer) Close() error {
	var err error
	switch w.state {
	case stateNew:
		w.coding = ""
		return nil
	case stateHeld: // tiny, so it passes as it is
		if len(w.Header()["Trailer"]) == 0 {
			w.Header()["Content-Length"] = []string{strconv.Itoa(len(w.held))}
		}
		w.pass()
		_, err = (*output)(w).Write(w.held)
	case stateEncoded:
		if w.encoder != nil {
			err = w.encoder.Close()
			w.putBack()
		}
		removeDigests(w.Header()) // those that came as trailers
	}
	w.state = stateEnded
	return err
}

// Abort ends an answer that is cut off. The client gets what was written, but no end of the
// compressed stream.
func (w *Writer) Abort() {
	switch w.state {
	case stateNew:
		w.coding = ""
		return
	case stateHeld:
		_ = w.FlushError()
	}
	w.putBack()
	w.state = stateEnded
}

func (w *Writer) putBack() {
	if w.encoder != nil {
		w.encoders.put(w.coding, w.encoder)
		w.encoder = nil
	}
}

package front

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"

	"gatehouse/proxy/wire"
)

const (
	// blockSize is how much of an answer is collected before it is written, in
	// bytes; larger pieces of a body are written as they are.
	blockSize = 4 << 10
	// heldSize is how much of a body is held back, in bytes: if it ends within,
	// its length is known after all. As in net/http.
	heldSize = 2 << 10
)

var errDone = errors.New("front: the handler has ended")

// response is the http.ResponseWriter of a plain request. It frames answers as
// net/http does (RFC 9112 section 6).
type response struct {
	conn    *conn
	request *request
	header  http.Header
	status  int   // 0 until it is known
	length  int64 // of the body, announced; -1 when unknown
	written int64 // of the body

	out        []byte // what is to be written
	block      *[blockSize]byte
	held       []byte // of a body, while the head may still change
	heldBlock  *[blockSize]byte
	connection []string // what the handler says of it
	codings    []string // and of the Transfer-Encoding
	framed     bool     // the handler says how the body ends
	trailers   []string // that it has announced
	trailed    bool     // there are trailers
	typed      bool     // the Content-Type is not to be guessed
	dated      bool
	committed  bool // the head is complete
	chunked    bool
	fullDuplex bool
	last       bool // no other request is read from the connection
	done       bool // the handler has ended
}

var blocks = sync.Pool{New: func() any { return new([blockSize]byte) }}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header {
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}

// TakeHeader adds a header that the handler has no more use for.
func (w *response) TakeHeader(header http.Header) {
	for name, values := range w.header {
		header[name] = append(values, header[name]...)
	}
	w.header = header
}

// WriteHeader implements http.ResponseWriter. What depends on the length of the
// body, or on what is left of the request's, is added by commit.
func (w *response) WriteHeader(status int) {
	switch {
	case w.status != 0 || w.done:
		return
	case status < 100 || status > 999:
		panic("invalid WriteHeader code " + strconv.Itoa(status)) // as net/http does
	case status < 200 && status != http.StatusSwitchingProtocols:
		w.beginHead(status)
		w.appendFields()
		w.out = append(w.out, "\r\n"...)
		_ = w.flush()
		return
	}
	w.status = status
	w.beginHead(status)
	w.appendFields()
	w.takeFields()
}

// takeFields notes what commit needs to know: the handler may change the header
// from now on.
func (w *response) takeFields() {
	w.connection = w.header["Connection"]
	w.codings = w.header["Transfer-Encoding"]
	_, w.dated = w.header["Date"]
	_, typed := w.header["Content-Type"]
	w.typed = typed || first(w.header["Content-Encoding"]) != "" || first(w.codings) != ""
	lengths, announced := w.header["Content-Length"]
	w.framed = announced || first(w.codings) != ""
	if length, err := strconv.ParseInt(first(lengths), 10, 64); err == nil && length >= 0 && w.allowsBody() {
		w.length = length
	}
	for _, names := range w.header["Trailer"] {
		w.trailed = true
		for name := range strings.SplitSeq(names, ",") {
			if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); httpguts.ValidTrailerHeader(name) {
				w.trailers = append(w.trailers, name)
			}
		}
	}
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// beginHead begins a head with its status line.
func (w *response) beginHead(status int) {
	if w.block == nil {
		w.block = blocks.Get().(*[blockSize]byte)
		w.out = w.block[:0]
	}
	w.out = append(w.out, "HTTP/1.1 "...)
	w.out = strconv.AppendInt(w.out, int64(status), 10)
	w.out = append(w.out, ' ')
	if text := http.StatusText(status); text != "" {
		w.out = append(w.out, text...)
	} else {
		w.out = strconv.AppendInt(append(w.out, "status code "...), int64(status), 10)
	}
	w.out = append(w.out, "\r\n"...)
}

// appendFields writes the fields that the handler has set, but for those of the
// body's length, trailers, and that of the connection in a final head.
func (w *response) appendFields() {
	for name, values := range w.header {
		switch name {
		case "Content-Length", "Transfer-Encoding":
			continue
		case "Connection":
			if w.status != 0 {
				continue
			}
		case "Content-Type":
			if w.status == http.StatusNotModified {
				continue
			}
		}
		if strings.HasPrefix(name, http.TrailerPrefix) {
			w.trailed = w.trailed || w.status != 0
			continue
		}
		w.out = wire.AppendField(w.out, name, values)
	}
}

// allowsBody reports whether the status does (RFC 9110 section 6.4.1).
func (w *response) allowsBody() bool {
	return w.status >= 200 && w.status != http.StatusNoContent && w.status != http.StatusNotModified
}

// commit completes the head, for a body that begins with that, or is that when
// the handler has ended.
func (w *response) commit(begin []byte, ended bool) {
	if w.committed {
		return
	}
	w.committed = true
	w.decideLast()
	if w.last && !w.saysLast() {
		w.out = append(w.out, "Connection: close\r\n"...)
	} else if w.connection != nil {
		w.out = wire.AppendField(w.out, "Connection", w.connection)
	}
	if !w.dated {
		w.out = append(w.out, "Date: "...)
		w.out = append(w.out, w.conn.server.date.text(time.Now())...)
		w.out = append(w.out, "\r\n"...)
	}
	if w.allowsBody() {
		if !w.typed && len(begin) > 0 {
			w.out = append(w.out, "Content-Type: "...)
			w.out = append(w.out, http.DetectContentType(begin)...)
			w.out = append(w.out, "\r\n"...)
		}
		w.frame(len(begin), ended)
	}
	w.out = append(w.out, "\r\n"...)
}

// frame says where the body ends.
func (w *response) frame(begun int, ended bool) {
	isHead, coding := w.request.Method == http.MethodHead, first(w.codings)
	if w.length < 0 && ended && !w.trailed && !w.framed && (!isHead || begun > 0) {
		w.length = int64(begun)
	}
	switch {
	case w.length >= 0 && (coding == "" || coding == "identity"):
		w.out = append(w.out, "Content-Length: "...)
		w.out = strconv.AppendInt(w.out, w.length, 10)
		w.out = append(w.out, "\r\n"...)
	case isHead || w.untilClosed():
	default:
		w.chunked = true
		if coding != "" && coding != "chunked" {
			w.out = wire.AppendField(w.out, "Transfer-Encoding", w.codings)
		}
		w.out = append(w.out, "Transfer-Encoding: chunked\r\n"...)
	}
}

// untilClosed reports whether the body ends with the connection, which is what a
// handler gets for "Transfer-Encoding: identity".
func (w *response) untilClosed() bool {
	return first(w.codings) == "identity" && w.length < 0 && w.allowsBody() && w.request.Method != http.MethodHead
}

// decideLast reports whether the connection is of use after this answer.
func (w *response) decideLast() {
	w.last = w.last || w.conn.server.draining.Load() || first(w.connection) == "close"
	if !w.last && !w.fullDuplex {
		// There are clients that send all before they receive anything.
		w.last = !w.request.body.leave()
	}
	w.last = w.last || w.untilClosed()
}

// saysLast reports whether the handler has said, among other things, that the
// connection ends.
func (w *response) saysLast() bool {
	return len(w.connection) > 0 && !w.conn.server.draining.Load() && httpguts.HeaderValuesContainsToken(w.connection[:1], "close")
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	if w.done {
		return 0, errDone
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if !w.allowsBody() {
		return 0, http.ErrBodyNotAllowed
	}
	w.written += int64(len(p))
	if w.length >= 0 && w.written > w.length {
		return 0, http.ErrContentLength
	}
	if !w.committed && len(w.held)+len(p) <= heldSize {
		w.hold(p)
		return len(p), nil
	}
	rest := p
	if !w.committed {
		rest = w.commitHeld(p)
	}
	if err := w.writeBody(rest); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *response) hold(p []byte) {
	if w.heldBlock == nil {
		w.heldBlock = blocks.Get().(*[blockSize]byte)
		w.held = w.heldBlock[:0]
	}
	w.held = append(w.held, p...)
}

// commitHeld completes the head, and lets go what was held of the body, with as
// much of what comes next as could have been. It gives the rest of that.
func (w *response) commitHeld(next []byte) (rest []byte) {
	if len(w.held) == 0 {
		w.commit(next, false)
		return next
	}
	room := min(len(next), heldSize-len(w.held))
	w.held = append(w.held, next[:room]...)
	w.commit(w.held, false)
	_ = w.writeBody(w.held) // the connection remembers what went wrong
	w.held = w.held[:0]
	return next[room:]
}

// writeBody writes a piece of the body, in a frame if need be.
func (w *response) writeBody(p []byte) error {
	if w.request.Method == http.MethodHead || len(p) == 0 {
		return w.conn.broken
	}
	if !w.chunked {
		return w.write(p)
	}
	w.out = strconv.AppendInt(w.out, int64(len(p)), 16)
	w.out = append(w.out, "\r\n"...)
	err := w.write(p)
	w.out = append(w.out, "\r\n"...)
	return err
}

// write collects what is small.
func (w *response) write(p []byte) error {
	if room := blockSize - len(w.out); len(p) > room {
		if room > 0 && len(w.out) > 0 {
			w.out = append(w.out, p[:room]...)
			p = p[room:]
		}
		if err := w.flush(); err != nil {
			return err
		}
		if len(p) >= blockSize {
			return w.send(p)
		}
	}
	w.out = append(w.out, p...)
	return w.conn.broken
}

// flush writes what was collected.
func (w *response) flush() error {
	if len(w.out) == 0 {
		return w.conn.broken
	}
	err := w.send(w.out)
	w.out = w.out[:0]
	return err
}

func (w *response) send(p []byte) error {
	if w.conn.broken == nil {
		_, w.conn.broken = w.conn.Conn.Write(p)
	}
	return w.conn.broken
}

// FlushError sends what there is of the answer.
func (w *response) FlushError() error {
	if w.done {
		return errDone
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.committed {
		_ = w.commitHeld(nil)
	}
	return w.flush()
}

// Flush implements http.Flusher.
func (w *response) Flush() { _ = w.FlushError() }

// finish sends the rest of the answer. It tells whether all of it was there.
func (w *response) finish() (whole bool) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.committed {
		w.commit(w.held, true)
		_ = w.writeBody(w.held)
	}
	if w.chunked {
		w.out = append(w.out, "0\r\n"...)
		w.appendTrailers()
		w.out = append(w.out, "\r\n"...)
	}
	_ = w.flush()
	w.done, w.out = true, nil
	blocks.Put(w.block)
	if w.heldBlock != nil {
		w.held = nil
		blocks.Put(w.heldBlock)
	}
	isShort := w.length >= 0 && w.length != w.written && w.request.Method != http.MethodHead
	return !isShort && w.conn.broken == nil
}

// appendTrailers writes the trailers, announced or not (see http.TrailerPrefix).
func (w *response) appendTrailers() {
	if !w.trailed && len(w.header) == 0 {
		return
	}
	for name, values := range w.header {
		if name, found := strings.CutPrefix(name, http.TrailerPrefix); found {
			w.out = wire.AppendField(w.out, name, values)
		}
	}
	for _, name := range w.trailers {
		w.out = wire.AppendField(w.out, name, w.header[name])
	}
}

// SetReadDeadline is for http.ResponseController.
func (w *response) SetReadDeadline(t time.Time) error { return w.conn.SetReadDeadline(t) }

// SetWriteDeadline is for http.ResponseController.
func (w *response) SetWriteDeadline(t time.Time) error { return w.conn.SetWriteDeadline(t) }

// EnableFullDuplex is for http.ResponseController.
func (w *response) EnableFullDuplex() error {
	w.fullDuplex = true
	return nil
}

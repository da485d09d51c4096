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
	// heldSize is how much of a body of unknown length is held back, in bytes:
	// if it ends within, its length is known after all. As in net/http.
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
	case status < 100 || status > 999:
		panic("invalid status code " + strconv.Itoa(status)) // as net/http does
	case w.status != 0 || w.done:
		return
	case status < 200:
		w.beginHead(status)
		w.appendFields()
		w.out = append(w.out, "\r\n"...)
		_ = w.flush()
		return
	}
	w.status = status
	w.beginHead(status)
	w.appendFields()
	w.connection = w.header["Connection"]
	w.dated = w.header["Date"] != nil
	_, typed := w.header["Content-Type"]
	w.typed = typed || first(w.header["Content-Encoding"]) != ""
	if announced := first(w.header["Content-Length"]); announced != "" && w.allowsBody() {
		if length, err := strconv.ParseInt(announced, 10, 64); err == nil && length >= 0 {
			w.length = length
		}
	}
	for _, names := range w.header["Trailer"] {
		for name := range strings.SplitSeq(names, ",") {
			if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); httpguts.ValidTrailerHeader(name) {
				w.trailers, w.trailed = append(w.trailers, name), true
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
// connection and the body's length, and trailers.
func (w *response) appendFields() {
	for name, values := range w.header {
		switch name {
		case "Connection", "Content-Length", "Transfer-Encoding":
			continue
		case "Content-Type":
			if w.status == http.StatusNotModified {
				continue
			}
		}
		if strings.HasPrefix(name, http.TrailerPrefix) {
			w.trailed = true
			continue
		}
		w.out = wire.AppendField(w.out, name, values)
	}
}

// allowsBody tells whether the status does (RFC 9110 section 6.4.1).
func (w *response) allowsBody() bool {
	return w.status != http.StatusNoContent && w.status != http.StatusNotModified
}

// commit completes the head, for a body that begins with what is held, or is
// that when the handler has ended.
func (w *response) commit(begin []byte, ended bool) {
	if w.committed {
		return
	}
	w.committed = true
	isHead := w.request.Method == http.MethodHead
	w.decideLast()
	if w.last {
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
		if w.length < 0 && ended && !w.trailed && (!isHead || len(begin) > 0) {
			w.length = int64(len(begin))
		}
		switch {
		case w.length >= 0:
			w.out = append(w.out, "Content-Length: "...)
			w.out = strconv.AppendInt(w.out, w.length, 10)
			w.out = append(w.out, "\r\n"...)
		case !isHead:
			w.chunked = true
			w.out = append(w.out, "Transfer-Encoding: chunked\r\n"...)
		}
	}
	w.out = append(w.out, "\r\n"...)
}

// decideLast tells whether the connection is of use after this answer.
func (w *response) decideLast() {
	w.last = w.request.Close || w.conn.server.draining.Load() || first(w.connection) == "close"
	if !w.last && w.mustRead() {
		w.last = !w.request.body.leave()
	}
}

// mustRead tells whether the rest of the request is read before the answer is
// sent: there are clients that send all before they receive anything. It is put
// off while it can be, for whoever handles the request to bound it.
func (w *response) mustRead() bool { return !w.fullDuplex && w.request.body.rest() > 0 }

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
	if !w.committed && (w.length < 0 || w.mustRead()) && len(w.held)+len(p) <= heldSize {
		w.hold(p)
		return len(p), nil
	}
	if !w.committed {
		w.commitHeld(p)
	}
	if err := w.writeBody(p); err != nil {
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

// commitHeld completes the head, and lets go what was held of the body. What
// comes next is what the type is guessed by if nothing was.
func (w *response) commitHeld(next []byte) {
	if len(w.held) > 0 {
		next = w.held
	}
	w.commit(next, false)
	if len(w.held) > 0 {
		_ = w.writeBody(w.held) // the connection remembers what went wrong
		w.held = w.held[:0]
	}
}

// writeBody writes a piece of the body, in a frame if need be.
func (w *response) writeBody(p []byte) error {
	if w.request.Method == http.MethodHead {
		return nil
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
		w.commitHeld(nil)
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

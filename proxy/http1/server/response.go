package server

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"

	"gatehouse/proxy/http1/wire"
)

const (
	// blockSize is the number of bytes that are collected before they are written.
	// Larger pieces of a body are written directly.
	blockSize = 4 << 10
	// maxBuffered is the number of bytes of a body that are held back. If the body
	// ends within them, the response gets a Content-Length, as in net/http.
	maxBuffered = 2 << 10
)

var errHandlerDone = errors.New("http1/server: the handler has ended")

// response is the http.ResponseWriter of a simple request. It frames responses as
// net/http does (RFC 9112 section 6).
type response struct {
	conn    *conn
	request *request
	header  http.Header
	status  int   // 0 until WriteHeader
	length  int64 // Content-Length; -1 when unknown
	written int64 // bytes of the body

	out              []byte // not yet written to the connection
	block            *[blockSize]byte
	buffered         []byte // start of the body, held back until commit
	bufferedBlock    *[blockSize]byte
	connection       []string // the handler's Connection field
	transferEncoding []string // the handler's Transfer-Encoding field
	hasFraming       bool     // the handler has set Content-Length or Transfer-Encoding
	trailers         []string // names that the handler has announced
	hasTrailers      bool     // there are trailers
	hasType          bool     // no Content-Type is to be detected
	hasDate          bool
	committed        bool // the head is complete
	chunked          bool
	fullDuplex       bool
	closeAfterReply  bool // the connection is closed after this response
	done             bool // the handler has ended
}

var blockPool = sync.Pool{New: func() any { return new([blockSize]byte) }}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header {
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}

// MergeHeader adds all fields of header, which the caller must not use again: the map
// becomes that of the response.
func (w *response) MergeHeader(header http.Header) {
	for name, values := range w.header {
		header[name] = append(values, header[name]...)
	}
	w.header = header
}

// WriteHeader implements http.ResponseWriter. commit adds the fields that depend on
// the length of the body or on the rest of the request's body.
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
	w.recordFields()
}

// recordFields records what commit needs of the header, which the handler may change
// from now on.
func (w *response) recordFields() {
	w.connection = w.header["Connection"]
	w.transferEncoding = w.header["Transfer-Encoding"]
	_, w.hasDate = w.header["Date"]
	_, typed := w.header["Content-Type"]
	w.hasType = typed || first(w.header["Content-Encoding"]) != "" || first(w.transferEncoding) != ""
	lengths, announced := w.header["Content-Length"]
	w.hasFraming = announced || first(w.transferEncoding) != ""
	if length, err := strconv.ParseInt(first(lengths), 10, 64); err == nil && length >= 0 && w.allowsBody() {
		w.length = length
	}
	for _, names := range w.header["Trailer"] {
		w.hasTrailers = true
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

// beginHead writes the status line.
func (w *response) beginHead(status int) {
	if w.block == nil {
		w.block = blockPool.Get().(*[blockSize]byte)
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

// appendFields writes the handler's fields, except for framing, trailers and, in a
// final head, Connection.
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
			w.hasTrailers = w.hasTrailers || w.status != 0
			continue
		}
		w.out = wire.AppendField(w.out, name, values)
	}
}

// allowsBody reports whether a response with this status has a body (RFC 9110 section
// 6.4.1).
func (w *response) allowsBody() bool {
	return w.status >= 200 && w.status != http.StatusNoContent && w.status != http.StatusNotModified
}

// commit completes the head. begin is the start of the body, or all of it when the
// handler has ended.
func (w *response) commit(begin []byte, ended bool) {
	if w.committed {
		return
	}
	w.committed = true
	w.decideClose()
	if w.closeAfterReply && !w.announcesClose() {
		w.out = append(w.out, "Connection: close\r\n"...)
	} else if w.connection != nil {
		w.out = wire.AppendField(w.out, "Connection", w.connection)
	}
	if !w.hasDate {
		w.out = append(w.out, "Date: "...)
		w.out = append(w.out, w.conn.server.date.text(time.Now())...)
		w.out = append(w.out, "\r\n"...)
	}
	if w.allowsBody() {
		if !w.hasType && len(begin) > 0 {
			w.out = append(w.out, "Content-Type: "...)
			w.out = append(w.out, http.DetectContentType(begin)...)
			w.out = append(w.out, "\r\n"...)
		}
		w.appendFraming(len(begin), ended)
	}
	w.out = append(w.out, "\r\n"...)
}

// appendFraming writes the field that says where the body ends.
func (w *response) appendFraming(begun int, ended bool) {
	isHead, coding := w.request.Method == http.MethodHead, first(w.transferEncoding)
	if w.length < 0 && ended && !w.hasTrailers && !w.hasFraming && (!isHead || begun > 0) {
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
			w.out = wire.AppendField(w.out, "Transfer-Encoding", w.transferEncoding)
		}
		w.out = append(w.out, "Transfer-Encoding: chunked\r\n"...)
	}
}

// untilClosed reports whether the body ends with the connection, as it does for a
// handler that sets "Transfer-Encoding: identity".
func (w *response) untilClosed() bool {
	return first(w.transferEncoding) == "identity" && w.length < 0 && w.allowsBody() && w.request.Method != http.MethodHead
}

// decideClose decides whether the connection is closed after this response.
func (w *response) decideClose() {
	w.closeAfterReply = w.closeAfterReply || w.conn.server.draining.Load() || first(w.connection) == "close"
	if !w.closeAfterReply && !w.fullDuplex {
		// Some clients send all of the body before they read the response.
		w.closeAfterReply = !w.request.body.discardRest()
	}
	w.closeAfterReply = w.closeAfterReply || w.untilClosed()
}

// announcesClose reports whether the handler's own Connection field has "close" among
// other tokens.
func (w *response) announcesClose() bool {
	return len(w.connection) > 0 && !w.conn.server.draining.Load() && httpguts.HeaderValuesContainsToken(w.connection[:1], "close")
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	if w.done {
		return 0, errHandlerDone
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
	if !w.committed && len(w.buffered)+len(p) <= maxBuffered {
		w.buffer(p)
		return len(p), nil
	}
	rest := p
	if !w.committed {
		rest = w.commitBuffered(p)
	}
	if err := w.writeBody(rest); err != nil {
		return 0, err
	}
	return len(p), nil
}

// buffer holds a piece of the body back.
func (w *response) buffer(p []byte) {
	if w.bufferedBlock == nil {
		w.bufferedBlock = blockPool.Get().(*[blockSize]byte)
		w.buffered = w.bufferedBlock[:0]
	}
	w.buffered = append(w.buffered, p...)
}

// commitBuffered completes the head and writes what was held back, together with as
// much of next as would have been held back. It returns the rest of next.
func (w *response) commitBuffered(next []byte) (rest []byte) {
	if len(w.buffered) == 0 {
		w.commit(next, false)
		return next
	}
	room := min(len(next), maxBuffered-len(w.buffered))
	w.buffered = append(w.buffered, next[:room]...)
	w.commit(w.buffered, false)
	_ = w.writeBody(w.buffered) // the error stays in conn.writeErr
	w.buffered = w.buffered[:0]
	return next[room:]
}

// writeBody writes a piece of the body, as a chunk if the body is chunked.
func (w *response) writeBody(p []byte) error {
	if w.request.Method == http.MethodHead || len(p) == 0 {
		return w.conn.writeErr
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

// write collects small pieces and writes large ones.
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
	return w.conn.writeErr
}

// flush writes what was collected.
func (w *response) flush() error {
	if len(w.out) == 0 {
		return w.conn.writeErr
	}
	err := w.send(w.out)
	w.out = w.out[:0]
	return err
}

// send writes to the connection, unless a write has failed.
func (w *response) send(p []byte) error {
	if w.conn.writeErr == nil {
		_, w.conn.writeErr = w.conn.Conn.Write(p)
	}
	return w.conn.writeErr
}

// FlushError sends what is there of the response.
func (w *response) FlushError() error {
	if w.done {
		return errHandlerDone
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.committed {
		_ = w.commitBuffered(nil)
	}
	return w.flush()
}

// Flush implements http.Flusher.
func (w *response) Flush() { _ = w.FlushError() }

// finish sends the rest of the response. It reports whether the response was complete.
func (w *response) finish() (complete bool) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.committed {
		w.commit(w.buffered, true)
		_ = w.writeBody(w.buffered)
	}
	if w.chunked {
		w.out = append(w.out, "0\r\n"...)
		w.appendTrailers()
		w.out = append(w.out, "\r\n"...)
	}
	_ = w.flush()
	w.done, w.out = true, nil
	blockPool.Put(w.block)
	if w.bufferedBlock != nil {
		w.buffered = nil
		blockPool.Put(w.bufferedBlock)
	}
	isShort := w.length >= 0 && w.length != w.written && w.request.Method != http.MethodHead
	return !isShort && w.conn.writeErr == nil
}

// appendTrailers writes the trailers, announced or not (see http.TrailerPrefix).
func (w *response) appendTrailers() {
	if !w.hasTrailers && len(w.header) == 0 {
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

package proxy

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// response is the http.ResponseWriter of one request, which everything behind it writes
// to. It sets the headers that every answer carries in one place, when the status is
// written, and notes what the log and the metrics want to know.
type response struct {
	http.ResponseWriter

	table       *Table    // nil before there is one
	start       time.Time // of the request
	id          string    // X-Request-ID
	allowOrigin string    // for Access-Control-Allow-Origin
	head        bool      // the answer to HEAD, whose body net/http keeps to itself
	http1       bool
	last        bool         // no other request is read from the connection
	draining    *atomic.Bool // of the gateway

	headTime time.Duration // until the header of the answer
	status   int           // 0 until written; 101 once hijacked
	bytes    int64         // of body, written
	length   int64         // of body, announced; -1 when unknown
	err      error         // why writing failed
	values   [3]string     // of headers with one value
}

func isHTTP10(r *http.Request) bool { return r.ProtoMajor == 1 && r.ProtoMinor == 0 }

// mustClose reports of a request whether it is one behind which nothing on its connection may be taken
// for another. One with both Transfer-Encoding and Content-Length, or with the
// former in HTTP/1.0, ends its connection (RFC 9112 section 6.1): a proxy in
// front may have framed it by the other. net/http hides which of them it had,
// so all that may have had both are taken for such.
func mustClose(r *http.Request) bool {
	return r.ProtoMajor == 1 && (r.ProtoMinor == 0 || len(r.TransferEncoding) > 0 || r.Method == http.MethodConnect)
}

// WriteHeader implements http.ResponseWriter. Informational answers (1xx) pass. The
// final one gets what every answer carries: here, not before, because httputil clears
// all headers after an informational answer.
func (w *response) WriteHeader(status int) {
	if status < 200 {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	if w.status != 0 {
		return
	}
	w.status = status
	if w.last || w.http1 && w.draining.Load() {
		w.Header()["Connection"] = []string{"close"}
	}
	w.setStandardHeaders()
	if announced := w.Header()["Content-Length"]; len(announced) > 0 {
		if length, err := strconv.ParseInt(announced[0], 10, 64); err == nil {
			w.length = length
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// setStandardHeaders sets the headers of every answer.
func (w *response) setStandardHeaders() {
	header := w.Header()
	w.headTime = time.Since(w.start)
	header["X-Request-Id"] = w.value(0, w.id)
	header["X-Process-Time"] = w.value(1, processTime(w.headTime))
	if w.table == nil {
		return
	}
	w.table.headers.SetFixed(header)
	if w.table.cors != nil {
		w.table.cors.Decorate(header, w.value(2, w.allowOrigin))
	}
}

// value returns the values of a header that has one, without an allocation. To append
// to it copies it.
func (w *response) value(i int, value string) []string {
	w.values[i] = value
	return w.values[i : i+1 : i+1]
}

// processTime writes a duration like "12.34ms".
func processTime(d time.Duration) string {
	text := strconv.AppendFloat(make([]byte, 0, 16), float64(d)/float64(time.Millisecond), 'f', 2, 64)
	return string(append(text, "ms"...))
}

// Write implements http.ResponseWriter. A piece that is not the last one of an
// announced length is sent at once: the next may be long in coming.
func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(p)
	if !w.head {
		w.bytes += int64(n)
		if err == nil && w.length > w.bytes {
			err = http.NewResponseController(w.ResponseWriter).Flush()
		}
	}
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("write response: %w", err)
	}
	return n, err
}

// Hijack implements http.Hijacker. The header is that of a 101, which whoever hijacks
// writes.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.status = http.StatusSwitchingProtocols
		w.setStandardHeaders()
	}
	return conn, buffered, err
}

// Unwrap lets http.ResponseController reach flushing, deadlines and full duplex.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// boundUnread bounds how long an HTTP/2 client may leave the rest of an answer where it
// is: net/http would keep it, and a goroutine with it, for as long as the client opens no
// window. In HTTP/1.1 the connection has a bound itself.
func (w *response) boundUnread(limit time.Duration) {
	if !w.http1 && w.bytes > 0 {
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(limit))
	}
}

package proxy

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"gatehouse/internal/httperr"
	"gatehouse/proxy/clientip"
	"gatehouse/proxy/cors"
	"gatehouse/proxy/headers"
)

// response is the http.ResponseWriter of one request. All answers go through it. When the
// status is written, it sets the headers that every answer has. It also records what the
// log and the metrics need.
type response struct {
	http.ResponseWriter

	table       *Table         // nil before the first Swap
	route       *compiledRoute // nil while no route is found
	request     *http.Request
	caller      *clientip.Caller // of the exchange
	start       time.Time        // of the request
	id          string           // X-Request-ID
	cors        *cors.Policy     // of the route, or before one is found of the table; may be nil
	allowOrigin string           // for Access-Control-Allow-Origin
	head        bool             // the request is a HEAD, so net/http discards the body
	http1       bool
	last        bool         // no other request is read from the connection
	draining    *atomic.Bool // of the gateway

	headTime time.Duration  // from start to the header of the answer
	status   int            // 0 until it is written; 101 after Hijack
	bytes    int64          // bytes of the body written; at the end of a compressed answer, those that were sent
	length   int64          // Content-Length of the body; -1 when unknown
	err      error          // the first error of writing
	written  *httperr.Error // the error that a built-in handler has written; nil for none
	values   [3]string      // room for headers with one value; see value
}

var _ httperr.Recorder = (*response)(nil)

func isHTTP10(r *http.Request) bool { return r.ProtoMajor == 1 && r.ProtoMinor == 0 }

// mustClose reports whether the connection must be closed after the request. That is so
// for a request with both Transfer-Encoding and Content-Length, and for an HTTP/1.0
// request with Transfer-Encoding (RFC 9112 section 6.1). A proxy in front may have found
// another end of such a request. net/http hides which of the fields were sent, so
// mustClose returns true for all requests that may have had them.
func mustClose(r *http.Request) bool {
	return r.ProtoMajor == 1 && (r.ProtoMinor == 0 || len(r.TransferEncoding) > 0 || r.Method == http.MethodConnect)
}

// WriteHeader implements http.ResponseWriter. It passes on informational answers (1xx). It
// adds to the final answer the headers that every answer has. It cannot add them
// earlier, because httputil clears all headers after an informational answer.
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
	if rules := w.table.headers.Answers(); rules != nil {
		w.change(header, rules)
	}
	if w.route != nil && w.route.answers != nil {
		w.change(header, w.route.answers)
	}
	if w.cors != nil {
		w.cors.Decorate(header, w.value(2, w.allowOrigin))
	}
}

// useCORS makes answers follow a cross-origin policy, or none for nil.
func (w *response) useCORS(policy *cors.Policy, request http.Header) {
	if w.cors = policy; policy != nil {
		w.allowOrigin = policy.AllowedOrigin(request)
	}
}

// change changes the headers of the answer by `response_headers`.
func (w *response) change(header http.Header, rules *headers.Rules) {
	facts := headers.Facts{ClientIP: w.caller.IP, RequestID: w.id, Host: w.request.Host}
	if w.route != nil {
		facts.Route = w.route.config.Name
	}
	rules.ChangeAnswer(header, &facts)
}

// value returns a slice with one header value, without an allocation. Appending to the
// slice copies it.
func (w *response) value(i int, value string) []string {
	w.values[i] = value
	return w.values[i : i+1 : i+1]
}

// processTime formats a duration like "12.34ms".
func processTime(d time.Duration) string {
	text := strconv.AppendFloat(make([]byte, 0, 16), float64(d)/float64(time.Millisecond), 'f', 2, 64)
	return string(append(text, "ms"...))
}

// Write implements http.ResponseWriter. When the length is known and p is not the end of
// the body, Write flushes: the next part may come late.
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
	w.fail(err)
	return n, err
}

// fail records an error of writing. It does nothing for nil.
func (w *response) fail(err error) {
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("write response: %w", err)
	}
}

// RecordError implements httperr.Recorder, for the errors that the endpoints of a
// built-in handler write.
func (w *response) RecordError(e *httperr.Error) { w.written = e }

// Hijack implements http.Hijacker. It sets the headers of a 101, which the caller writes.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.status = http.StatusSwitchingProtocols
		w.setStandardHeaders()
	}
	return conn, buffered, err
}

// Unwrap returns the server's ResponseWriter. http.ResponseController needs it for
// flushing, deadlines and full duplex.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

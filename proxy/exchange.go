package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"gatehouse/auth"
	"gatehouse/internal/httperr"
	"gatehouse/proxy/clientip"
	routing "gatehouse/proxy/route"
)

// maxLogged bounds what a client can put into one field of a log line.
const maxLogged = 512

// exchange is one request and its answer: what was found out so far, and the
// http.ResponseWriter that everything behind it writes to. It sets the headers
// that every answer carries in one place, when the status is written.
type exchange struct {
	http.ResponseWriter

	gateway         *Gateway
	start           time.Time
	id              string // X-Request-ID
	method          string // as the client sent it
	http1           bool
	http10          bool // HTTP/1.0, which has no 1xx and no upgrades
	closeAfterReply bool // no other request is read from the connection

	table       *Table
	caller      clientip.Caller
	countedFor  netip.Addr // whom the request is counted for; invalid when for nobody
	allowOrigin string     // for Access-Control-Allow-Origin
	path        routing.Path
	route       *route
	metrics     RouteMetrics
	identity    *auth.Identity
	refusal     *httperr.Error // what the gateway answered instead of a backend
	body        *clientBody    // nil without a body
	replay      *replayBody    // of body, where the request may be sent again; else nil
	interim     int            // informational answers that have come
	sent        *http.Request  // by the client

	headTime time.Duration // until the header of the answer

	status int   // 0 until written; 101 once hijacked
	bytes  int64 // of body, written
	length int64 // of body, announced; -1 when unknown
	err    error // why an answer that had begun was cut off

	attempt      *attempt // the current one; nil before there is one
	firstAttempt attempt

	singleValues [9]string // for singleValue
	singlesUsed  int       // of them that are taken
}

// singleValue returns the values of a header that has one value: a request and its answer
// get about nine such, which would be as many allocations. To append to it copies it.
func (x *exchange) singleValue(value string) []string {
	if x.singlesUsed == len(x.singleValues) {
		return []string{value}
	}
	x.singleValues[x.singlesUsed] = value
	x.singlesUsed++
	return x.singleValues[x.singlesUsed-1 : x.singlesUsed : x.singlesUsed]
}

// begin opens the exchange: from here on everything is observed.
func (g *Gateway) begin(w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{
		ResponseWriter: w, gateway: g, start: time.Now(), length: -1,
		table: g.table.Load(), method: r.Method, http1: r.ProtoMajor == 1, http10: isHTTP10(r), closeAfterReply: mustClose(r), metrics: g.unmatched,
	}
	if g.requestCount != nil {
		g.requestCount.Add(1)
	}
	x.id = requestID(r.Header["X-Request-Id"])
	return x
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

// requestID believes the client's id when it is 1 to 128 characters of
// [A-Za-z0-9._-]; else it makes one.
func requestID(sent []string) string {
	if len(sent) == 1 && len(sent[0]) >= 1 && len(sent[0]) <= 128 {
		for i := 0; ; i++ {
			if i == len(sent[0]) {
				return sent[0]
			}
			switch c := sent[0][i]; {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
				continue
			}
			break
		}
	}
	return newRequestID()
}

// newRequestID makes a random UUID (RFC 9562 section 5.4). It has to be unlike
// others, not secret, so it comes from the runtime's generator, which is seeded
// by the system, and needs no system call for each request.
func newRequestID() string {
	var id uuid.UUID
	binary.LittleEndian.PutUint64(id[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(id[8:], rand.Uint64())
	id[6] = id[6]&0x0f | 0x40 // version 4
	id[8] = id[8]&0x3f | 0x80 // of RFC 9562
	return id.String()
}

// refuse answers with a refusal, unless an answer has begun.
func (x *exchange) refuse(refusal *httperr.Error) {
	x.refusal = refusal
	if x.status != 0 {
		return
	}
	if refusal.Status == StatusClientGone { // there is nobody to tell
		x.status = StatusClientGone
		return
	}
	x.Header().Set("X-Request-Id", x.id) // for the body of the refusal
	refusal.WriteTo(x)
}

// finish closes the exchange, whatever happened in it: a panic, too. It counts,
// logs, and panics on with http.ErrAbortHandler where the answer must be cut
// off, which net/http understands.
func (x *exchange) finish(r *http.Request, panicked any) {
	if panicked != nil && panicked != http.ErrAbortHandler { //nolint:errorlint // net/http compares it in the same way
		x.gateway.log.LogAttrs(r.Context(), slog.LevelError, "handler panicked",
			slog.String("request_id", x.id), slog.Any("panic", panicked), slog.String("stack", string(debug.Stack())))
		begun := x.status != 0
		x.refuse(httperr.Internal.Because(fmt.Errorf("panic: %v", panicked)))
		panicked = nil
		if begun {
			panicked = http.ErrAbortHandler // half an answer is out: only cutting it off is honest
		}
	}
	if x.status == 0 && panicked == nil {
		x.WriteHeader(http.StatusOK) // as net/http would; now it carries our headers
	}
	x.boundUnreadBody(r)
	if x.replay != nil {
		x.replay.release()
	}
	x.boundUnreadResponse()
	x.release()
	if x.attempt != nil && x.attempt.stopWatch != nil {
		x.attempt.stopWatch()
	}
	duration := time.Since(x.start)
	if x.route == nil {
		x.metrics.Started()
	}
	counted := duration
	if x.attempt != nil && x.attempt.endless {
		counted = x.headTime
	}
	x.metrics.Finished(x.method, x.status, counted, x.bytes)
	if upgraded := x.upgradedStream(); upgraded != nil {
		x.bytes = upgraded.Sent() // they are counted as they pass
	}
	x.logAccess(r, duration)
	if x.status == StatusClientGone && panicked == nil {
		panicked = http.ErrAbortHandler // or net/http would answer 200 to a client that only stopped sending
	}
	if panicked != nil {
		panic(panicked)
	}
}

// boundUnreadBody bounds how long net/http waits for a body that was not read.
func (x *exchange) boundUnreadBody(r *http.Request) {
	switch {
	case x.body != nil:
		x.body.abandon()
	case r.ContentLength != 0:
		_ = http.NewResponseController(x.ResponseWriter).SetReadDeadline(time.Now().Add(lastReadGrace))
	}
}

// boundUnreadResponse bounds how long an HTTP/2 client may leave the rest of an answer
// where it is: net/http would keep it, and a goroutine with it, for as long as
// the client opens no window. In HTTP/1.1 the connection has a bound itself.
func (x *exchange) boundUnreadResponse() {
	if !x.http1 && x.bytes > 0 {
		_ = http.NewResponseController(x.ResponseWriter).SetWriteDeadline(time.Now().Add(x.gateway.lastWrite))
	}
}

// logAccess writes the one line of this request. Never a query string.
func (x *exchange) logAccess(r *http.Request, duration time.Duration) {
	level := slog.LevelInfo
	if x.path.Raw == "/health" && x.route == nil {
		level = slog.LevelDebug
	}
	if !x.gateway.log.Enabled(r.Context(), level) {
		return
	}
	entry := Access{
		Time:  x.start.Add(duration), // the clock was read for it already
		Level: level, RequestID: x.id, Method: truncate(x.method), Path: x.loggedPath(r), Route: x.routeName(),
		Status: x.status, Duration: duration, Bytes: x.bytes, ClientIP: x.caller.IP, Origin: truncate(first(r.Header["Origin"])),
	}
	if x.identity != nil {
		entry.UserID, entry.CompanyID = truncate(x.identity.UserID), truncate(x.identity.CompanyID)
	}
	switch {
	case x.err != nil:
		entry.Error = truncate(x.err.Error())
	case x.refusal != nil:
		entry.Error = truncate(x.refusal.Error())
	}
	x.gateway.access.LogAccess(entry)
}

// loggedPath is the path without the query, also of a request that was answered
// before its path was looked at. What else a target can hold, such as a
// password or a fragment, is nobody's to read.
func (x *exchange) loggedPath(r *http.Request) string {
	if x.path.Raw != "" {
		return truncate(x.path.Raw)
	}
	target, _, _ := strings.Cut(r.RequestURI, "?")
	target, _, _ = strings.Cut(target, "#")
	path, _ := routing.TargetPath(target)
	return truncate(path)
}

func (x *exchange) routeName() string {
	if x.route == nil {
		return NoRoute
	}
	return x.route.config.Name
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func truncate(text string) string {
	if len(text) > maxLogged {
		return text[:maxLogged] + "…"
	}
	return text
}

// WriteHeader implements http.ResponseWriter. Informational answers (1xx) pass
// on; the final one gets what every answer carries. It is set here, not
// before, because httputil clears all headers after an informational answer.
func (x *exchange) WriteHeader(status int) {
	if status < 200 {
		x.writeInterim(status)
		return
	}
	if x.status != 0 {
		return
	}
	x.status = status
	if !x.closeAfterReply && x.http1 && x.body != nil {
		x.body.waitForEnd()
	}
	if x.closeAfterReply || x.http1 && x.gateway.draining.Load() || x.http1 && x.body != nil && !x.body.complete() {
		// In full duplex net/http would take what is left of the body for the
		// next request when reading it ends in an error (RFC 9112 section 9.3).
		x.Header()["Connection"] = []string{"close"}
	}
	x.setStandardHeaders()
	if announced := x.Header()["Content-Length"]; len(announced) > 0 {
		if length, err := strconv.ParseInt(announced[0], 10, 64); err == nil {
			x.length = length
		}
	}
	x.ResponseWriter.WriteHeader(status)
}

// setStandardHeaders sets the headers of every answer.
func (x *exchange) setStandardHeaders() {
	header := x.Header()
	header["X-Request-Id"] = x.singleValue(x.id)
	x.headTime = time.Since(x.start)
	header["X-Process-Time"] = x.singleValue(processTime(x.headTime))
	if x.table == nil {
		return
	}
	for _, h := range x.table.answers {
		header[h.name] = h.values
	}
	if x.table.cors != nil {
		x.table.cors.decorate(x, header)
	}
}

// processTime writes a duration like "12.34ms".
func processTime(d time.Duration) string {
	text := strconv.AppendFloat(make([]byte, 0, 16), float64(d)/float64(time.Millisecond), 'f', 2, 64)
	return string(append(text, "ms"...))
}

// Write implements http.ResponseWriter. A piece that is not the last one of an
// announced length is sent at once: the next may be long in coming.
func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	n, err := x.ResponseWriter.Write(p)
	if x.method != http.MethodHead { // whose body net/http keeps to itself
		x.bytes += int64(n)
		if err == nil && x.length > x.bytes {
			err = http.NewResponseController(x.ResponseWriter).Flush()
		}
	}
	if err != nil && x.err == nil {
		x.err = fmt.Errorf("write response: %w", err)
	}
	return n, err
}

// Hijack passes the connection to an upgraded stream. The 101 that httputil
// writes itself takes its headers from Header(), as all answers do.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(x.ResponseWriter).Hijack()
	if err == nil {
		x.status = http.StatusSwitchingProtocols
		maps.Copy(x.Header(), x.attempt.switchHeader)
		x.setStandardHeaders()
		// httputil reads from the connection alone.
		early, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
		upgraded := x.gateway.streams.Add(conn, bytes.Clone(early), x.attempt.switched, x.metrics.Sent)
		x.attempt.upgraded.Store(upgraded)
		conn = upgraded
	}
	return conn, buffered, err
}

// Unwrap lets http.ResponseController reach flushing, deadlines and full duplex.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

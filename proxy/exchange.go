package proxy

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"gatehouse/auth"
	"gatehouse/internal/httperr"
	"gatehouse/proxy/clientip"
	"gatehouse/proxy/deadline"
	"gatehouse/proxy/forward"
	"gatehouse/proxy/route"
)

// maxLogged is how many bytes of a client's text one field of a log line may have.
const maxLogged = 512

// exchange is one request while it passes the hops of the Gateway. It has the results of
// each hop, for the next hops and for the log.
type exchange struct {
	gateway    *Gateway
	table      *Table
	response   response
	stream     *deadline.Writer // below response; nil without HTTP/2
	caller     clientip.Caller
	countedFor netip.Addr // the client that the request is counted for; invalid when it is not counted
	path       route.Path
	route      *compiledRoute // nil when no route matches
	metrics    RouteMetrics
	identity   *auth.Identity
	basicUser  string           // who sent the password that `basic` accepted; "" without one
	refusal    *httperr.Error   // the gateway's answer in place of a backend's; nil without one
	transfer   forward.Transfer // to a backend
}

// begin returns the exchange of a request. Everything after it is logged and measured.
func (g *Gateway) begin(w http.ResponseWriter, r *http.Request) *exchange {
	table := g.table.Load()
	x := &exchange{gateway: g, table: table, metrics: g.unmatched}
	x.response = response{
		ResponseWriter: w, table: table, request: r, caller: &x.caller, start: time.Now(), id: requestID(r.Header["X-Request-Id"]), head: r.Method == http.MethodHead,
		http1: r.ProtoMajor == 1, last: mustClose(r), draining: &g.draining, length: -1,
	}
	if r.ProtoMajor == 2 {
		x.stream = deadline.NewWriter(w, g.wheel)
		x.response.ResponseWriter = x.stream
	}
	if g.requestCount != nil {
		g.requestCount.Add(1)
	}
	return x
}

// refuse records the refusal and answers with it, unless an answer has begun.
func (x *exchange) refuse(r *http.Request, refusal *httperr.Error) {
	x.refusal = refusal
	if x.response.status != 0 {
		return
	}
	if refusal.Status == http.StatusRequestHeaderFieldsTooLarge { // as net/http does; package http2conn relies on it
		x.response.last = true
	}
	if refusal.Status == httperr.StatusClientGone { // no client is left to read an answer
		x.response.status = httperr.StatusClientGone
		return
	}
	x.limitRest(r)
	x.WriteError(&x.response, r, refusal)
}

// limitRest limits how long the server may read the rest of a body that no handler reads. It
// reads it before it ends the request, and before it sends an answer that is larger than its
// buffer.
func (x *exchange) limitRest(r *http.Request) {
	if r.ContentLength != 0 {
		_ = http.NewResponseController(x.response.ResponseWriter).SetReadDeadline(time.Now().Add(forward.LastReadGrace))
	}
}

var _ forward.ErrorWriter = (*exchange)(nil)

// WriteError implements forward.ErrorWriter. It writes the refusal as a page of the
// table, or as JSON.
func (x *exchange) WriteError(w http.ResponseWriter, r *http.Request, refusal *httperr.Error) {
	w.Header().Set("X-Request-Id", x.response.id) // the body has it too
	if x.table != nil && x.table.pages != nil {
		x.table.pages.write(w, r, refusal)
		return
	}
	refusal.WriteTo(w)
}

// finish ends the exchange. panicked is the value of a recovered panic, or nil. finish
// releases resources, counts and logs. It panics with http.ErrAbortHandler to make the
// server cut off the answer.
func (x *exchange) finish(r *http.Request, panicked any) {
	w := &x.response
	if panicked != nil && panicked != http.ErrAbortHandler { //nolint:errorlint // net/http compares it in the same way
		x.gateway.log.LogAttrs(r.Context(), slog.LevelError, "handler panicked",
			slog.String("request_id", w.id), slog.Any("panic", panicked), slog.String("stack", string(debug.Stack())))
		begun := w.status != 0
		w.last = w.last || w.http1 && x.transfer.HasUnreadBody()
		x.refuse(r, httperr.Internal.Because(fmt.Errorf("panic: %v", panicked)))
		panicked = nil
		if begun {
			panicked = http.ErrAbortHandler // cut off, so that the client does not take half an answer for a whole one
		}
	}
	if w.status == 0 && panicked == nil {
		w.WriteHeader(http.StatusOK) // net/http would do it later, without our headers
	}
	if hadBody := x.transfer.Close(); !hadBody {
		x.limitRest(r)
	}
	if x.stream != nil {
		if panicked == nil && w.bytes > 0 {
			x.stream.SendRest(x.gateway.lastWrite)
		}
		x.stream.End()
	}
	x.release()
	x.count(r)
	if w.status == httperr.StatusClientGone && panicked == nil {
		panicked = http.ErrAbortHandler // otherwise net/http would answer 200 to a client that only stopped sending
	}
	if panicked != nil {
		panic(panicked)
	}
}

// count writes the metrics and the access line.
func (x *exchange) count(r *http.Request) {
	w := &x.response
	duration := time.Since(w.start)
	if x.route == nil {
		x.metrics.Started()
	}
	counted := duration
	if x.transfer.IsEndless() {
		counted = w.headTime
	}
	x.metrics.Finished(r.Method, w.status, counted, w.bytes)
	if x.refusal != nil {
		x.countRefusal(x.refusal)
	}
	bytes := w.bytes
	if sent, ok := x.transfer.Upgraded(); ok {
		bytes = sent // the metrics have counted them already; see RouteMetrics.Sent
	}
	x.logAccess(r, duration, bytes)
}

// countRefusal counts a refusal that was the answer.
func (x *exchange) countRefusal(refusal *httperr.Error) {
	switch {
	case refusal.Status != x.response.status: // the answer had begun before
	case refusal.Status >= http.StatusInternalServerError:
		x.metrics.Failed(cmp.Or(refusal.Reason, httperr.ReasonInternal))
	case refusal == refuseTooMany:
		x.gateway.limits.note(LimitRequestsPerClient)
	case refusal.Status == http.StatusRequestHeaderFieldsTooLarge && x.route == nil:
		x.gateway.limits.note(LimitHeader)
	case refusal.Status == http.StatusRequestEntityTooLarge && x.route != nil && x.route.config.Backend != nil:
		x.gateway.limits.note(LimitMaxBody)
	}
}

// logAccess writes the access line of the request. It never logs a query string.
func (x *exchange) logAccess(r *http.Request, duration time.Duration, bytes int64) {
	level := slog.LevelInfo
	if x.path.Raw == "/health" && x.route == nil {
		level = slog.LevelDebug
	}
	if !x.gateway.log.Enabled(r.Context(), level) {
		return
	}
	w := &x.response
	entry := Access{
		Time:  w.start.Add(duration), // saves reading the clock again
		Level: level, RequestID: w.id, Method: truncate(r.Method), Path: x.loggedPath(r), Route: x.routeName(),
		Status: w.status, Duration: duration, Bytes: bytes, ClientIP: x.caller.IP, Origin: truncate(first(r.Header["Origin"])),
	}
	if x.identity != nil {
		entry.UserID, entry.CompanyID = truncate(x.identity.UserID), truncate(x.identity.CompanyID)
	}
	if x.basicUser != "" {
		entry.UserID = x.basicUser
	}
	entry.Server, entry.Attempts = x.transfer.Server()
	if err := cmp.Or(x.transfer.Err(), w.err); err != nil {
		entry.Error = truncate(err.Error())
	} else if x.refusal != nil {
		entry.Error = truncate(x.refusal.Error())
	}
	x.gateway.access.LogAccess(entry)
}

// loggedPath returns the path without the query. It also works for a request that was
// answered before its path was parsed. Other parts of the target, such as a password or a
// fragment, are not logged.
func (x *exchange) loggedPath(r *http.Request) string {
	if x.path.Raw != "" {
		return truncate(x.path.Raw)
	}
	target, _, _ := strings.Cut(r.RequestURI, "?")
	target, _, _ = strings.Cut(target, "#")
	path, _ := route.TargetPath(target)
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

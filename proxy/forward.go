package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"gatehouse/internal/descriptors"
	"gatehouse/internal/httperr"
	"gatehouse/proxy/http1/transport"
	"gatehouse/proxy/idletimer"
	"gatehouse/proxy/upstream"
)

// forward sends the request to the route's backend. All that can refuse it
// before a byte is sent has done so, but for the size that it announces.
func forward(x *exchange, r *http.Request, route *route) *httperr.Error {
	limit := int64(route.config.MaxBody)
	if limit > 0 && r.ContentLength > limit {
		return httperr.BodyTooLarge
	}
	a := x.newAttempt()
	a.context.Init(r.Context())
	defer a.context.Cancel(nil)
	a.idleTimer.Start(x.gateway.wheel, a, route.config.Timeout)
	defer a.idleTimer.Stop()

	x.sent = r
	a.grantUpgrade(r.Header)
	a.hooks.BodyAwaited = a
	if a.goesDirect(r) {
		a.hooks.Fields = a
	}
	out := r.WithContext(transport.WithHooks(&a.context, &a.hooks))
	out.Header = nil // eachField makes it
	if r.ContentLength != 0 {
		control := http.NewResponseController(x.ResponseWriter)
		if r.ProtoMajor == 1 {
			// The answer may begin before the request has ended, in both
			// directions at once; HTTP/2 does so anyway.
			_ = control.EnableFullDuplex()
		}
		x.body = newClientBody(r, a, control)
		out.Body = x.body
		if !route.lean { // which sends nothing again that has a body
			x.replay = &replayBody{source: x.body, budget: &x.gateway.replays}
			out.Body, out.GetBody = x.replay.firstAttempt(), x.getBody
		}
	}
	route.proxy.ServeHTTP(x, out)
	return nil
}

// OnTimeout implements idletimer.Handler.
func (a *attempt) OnTimeout() {
	a.context.Cancel(idletimer.ErrTimeout)
	if upgraded := a.upgraded.Load(); upgraded != nil {
		_ = upgraded.Close() // httputil closes the backend's side only, and waits for both
		return
	}
	if a.answered.Load() {
		// A client that takes nothing holds a write, which the cancelled request
		// alone would not end.
		_ = http.NewResponseController(a.x.ResponseWriter).SetWriteDeadline(time.Unix(1, 0))
	}
}

// discardLog is for httputil, which logs what it also gives to the ErrorHandler or
// cuts off; the access line has it, with the request id.
var discardLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)

// reverseProxy makes the one proxy of a route.
func (t *Table) reverseProxy(r *route, transport http.RoundTripper, buffers httputil.BufferPool) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport:      transport,
		BufferPool:     buffers,
		Rewrite:        func(pr *httputil.ProxyRequest) { t.rewrite(r, pr) },
		ModifyResponse: func(res *http.Response) error { return modifyResponse(r, res) },
		ErrorHandler:   handleError,
		ErrorLog:       discardLog,
	}
}

// rewrite expresses what was decided. Nothing in it can fail.
func (t *Table) rewrite(r *route, pr *httputil.ProxyRequest) {
	a := attemptOf(pr.In.Context())
	in, out := pr.In, pr.Out

	out.URL.Scheme, out.URL.Host = r.config.Backend.Scheme, r.config.Backend.Host
	// Opaque goes out byte for byte; Path would be encoded anew.
	out.URL.Opaque = r.base + r.forwardedPath(a.x.path.Raw)
	out.URL.RawQuery = in.URL.RawQuery // as it came, unparsable parts and all
	if r.config.PreserveHost {
		out.Host = in.Host
	} else {
		out.Host = r.config.Backend.Host
	}

	if a.hooks.Fields == nil { // or http1/transport asks for the headers
		out.Header = a.AsHeader()
	}
	t.passTrailers(a.x, in, out)
	if a.x.body != nil {
		a.x.body.forTransport = transportBody{out.Body, a.x.body}
		out.Body = &a.x.body.forTransport
	}
}

// forwardedPath is the path as matched, without the prefix where the route
// says so.
func (r *route) forwardedPath(path string) string {
	if !r.config.StripPrefix {
		return path
	}
	if path = strings.TrimPrefix(path, strings.TrimSuffix(r.config.Prefix, "/")); path == "" {
		return "/"
	}
	return path
}

// passTrailers forwards the announced trailers whose values come after the
// body (RFC 9110 section 6.5), but none that could pass for a header of the
// gateway's own. It leaves out names that are no names and fields that may be no
// trailers, such as Host (section 6.5.1): a transport refuses the whole request
// for some of them, and the backend would be blamed.
func (t *Table) passTrailers(x *exchange, in, out *http.Request) {
	if len(in.Trailer) == 0 || x.body == nil {
		return
	}
	out.Trailer = http.Header{}
	for name := range in.Trailer {
		if httpguts.ValidHeaderFieldName(name) && httpguts.ValidTrailerHeader(name) && !t.owned.has(name) && !t.claimed(name) {
			out.Trailer[name] = nil
		}
	}
	x.body.trailers = func() {
		for name := range out.Trailer {
			out.Trailer[name] = validValues(in.Trailer[name])
		}
	}
}

// validValues leaves out what may not be a field's value: net/http looks at the
// values of headers alone (RFC 9110 section 5.5).
func validValues(values []string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(value string) bool { return !httpguts.ValidHeaderFieldValue(value) })
}

// modifyResponse cleans the backend's response headers: what the gateway says of every
// answer is not the backend's to say, and from here on bodies are streams.
func modifyResponse(r *route, res *http.Response) error {
	a := attemptOf(res.Request.Context())
	a.backendSpoke = true
	r.metrics.Backend(true)
	if res.StatusCode < 100 || res.StatusCode > 999 {
		return errStatus
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		if err := a.switchProtocols(res); err != nil {
			return err
		}
	} else {
		a.x.table.removeOwn(res.Header)
		a.x.table.cleanTrailer(res.Trailer)
		if len(res.Header["Content-Type"]) == 0 {
			res.Header["Content-Type"] = nil // or net/http would guess one
		}
		if a.webSocket { // it is refused: 426 has a Sec-WebSocket-Version
			spellWebSocket(res.Header)
		}
		a.responseBody = backendBody{ReadCloser: res.Body, a: a, res: res}
		res.Body = &a.responseBody
	}
	if a.x.http1 && len(res.Trailer) > 0 {
		delete(res.Header, "Content-Length") // HTTP/2 has both; in HTTP/1.1 trailers come with chunks only
	}
	if a.x.body != nil {
		a.x.body.startStreaming()
	}
	if a.x.replay != nil {
		a.x.replay.commit()
	}
	if isStream(res) {
		a.endless = isEndless(res)
		a.watchRevocation(res.Request.Context())
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		a.x.setBackendHeader(res)
	}
	a.answered.Store(true)
	a.idleTimer.SetTimeout(r.config.IdleTimeout) // after answer, so that no reader pauses it again
	return nil
}

// headerMerger is the http.ResponseWriter of http1/server.
type headerMerger interface {
	// MergeHeader adds a header that nobody else uses any more.
	MergeHeader(header http.Header)
}

// setBackendHeader makes the backend's headers those of the answer. httputil would add
// them value by value, and has only the length of the body to look at afterwards.
func (x *exchange) setBackendHeader(res *http.Response) {
	if w, ok := x.ResponseWriter.(headerMerger); ok {
		w.MergeHeader(res.Header)
	} else {
		own := x.Header()
		for name, values := range res.Header {
			own[name] = append(own[name], values...)
		}
	}
	res.Header = nil
}

// errStatus is for a status that nobody can write.
var errStatus = errors.New("backend answered with a status that there is not")

// handleError answers for a backend that could not. The client gets a fixed sentence;
// the log has the cause.
func handleError(_ http.ResponseWriter, r *http.Request, err error) {
	a := attemptOf(r.Context())
	refusal := diagnose(r.Context(), a, err)
	if a.isUnreachable(r.Context(), refusal, err) {
		a.x.metrics.Backend(false)
	}
	if descriptors.IsShortage(err) {
		a.x.gateway.noteShortage(r.Context(), err)
	}
	if a.x.status != 0 { // the answer has begun: httputil cuts it off
		a.x.err = err
		return
	}
	a.x.refuse(refusal)
}

// isUnreachable reports whether the backend gave no sign of itself: it could not be
// connected to, the handshake failed, or what came is no answer in HTTP. One that
// takes too long for this request may be well, unless it has answered nothing at
// all since it was connected to.
func (a *attempt) isUnreachable(ctx context.Context, refusal *httperr.Error, err error) bool {
	switch cause := context.Cause(ctx); {
	case a.backendSpoke || errors.Is(err, errNotReplayable) || descriptors.IsShortage(err):
		return false
	case cause != nil:
		return errors.Is(cause, idletimer.ErrTimeout) && (errors.Is(err, upstream.ErrDial) || errors.Is(err, upstream.ErrNothingHeard))
	}
	return refusal.Status == refuseUpstream.Status || refusal.Status == refuseConnect.Status || refusal.Status == refuseTimeout.Status
}

// headersTooLarge ends net/http's error for a request whose headers are larger than
// an HTTP/2 backend has said it takes (RFC 9113 section 6.5.2). The error has no
// name that others may use.
const headersTooLarge = "request header list larger than peer's advertised limit"

// diagnose tells whose fault it was that the backend gave no answer.
func diagnose(ctx context.Context, a *attempt, err error) *httperr.Error {
	var network net.Error
	cause := context.Cause(ctx)
	if errors.Is(cause, errMisbehaved) {
		return refuseUpstream.Because(cause)
	}
	canceled := cause != nil && !errors.Is(cause, idletimer.ErrTimeout)
	if a.x.body != nil {
		refusal := a.x.body.refusal.Load()
		if refusal == nil && errors.Is(cause, context.Canceled) {
			refusal = a.x.body.finalRefusal()
		}
		if refusal != nil && !(canceled && refusal.Status == httperr.BodyMalformed.Status) { // a body that breaks off has no other form
			return refusal
		}
	}
	switch {
	case canceled:
		return refuseClientGone
	case cause != nil:
		return refuseTimeout.Because(cause)
	case errors.As(err, &network) && network.Timeout():
		return refuseTimeout.Because(err)
	case errors.Is(err, upstream.ErrDial):
		return refuseConnect.Because(err)
	case strings.HasSuffix(err.Error(), headersTooLarge):
		return refuseHeaderSize.Because(err)
	}
	return refuseUpstream.Because(err)
}

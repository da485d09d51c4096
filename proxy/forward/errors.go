package forward

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"gatehouse/internal/descriptors"
	"gatehouse/internal/httperr"
	"gatehouse/proxy/idletimer"
	"gatehouse/proxy/upstream"
)

// handleError is httputil.ReverseProxy.ErrorHandler. It answers for a backend that did
// not: the client gets a fixed sentence, the log has the cause.
func handleError(_ http.ResponseWriter, r *http.Request, err error) {
	a := attemptOf(r.Context())
	refusal := diagnose(r.Context(), a, err)
	if a.isUnreachable(r.Context(), refusal, err) {
		a.t.backend.metrics.Backend(false)
	}
	if descriptors.IsShortage(err) {
		a.t.forwarder.noteShortage(r.Context(), err)
	}
	if a.t.answer.begun { // httputil cuts it off
		a.t.err = err
		return
	}
	a.t.refuse(refusal)
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
	return refusal.Status == ErrUpstream.Status || refusal.Status == refuseConnect.Status || refusal.Status == refuseTimeout.Status
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
		return ErrUpstream.Because(cause)
	}
	canceled := cause != nil && !errors.Is(cause, idletimer.ErrTimeout)
	if a.t.body != nil {
		refusal := a.t.body.refusal.Load()
		if refusal == nil && errors.Is(cause, context.Canceled) {
			refusal = a.t.body.finalRefusal()
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
	return ErrUpstream.Because(err)
}

// noteShortage logs a request whose backend was not asked for want of a descriptor or
// a local port.
func (f *Forwarder) noteShortage(ctx context.Context, err error) {
	if !f.shortages.Note(time.Now()) {
		return
	}
	const again = "the next line about it comes when it has stopped for a minute and begins again"
	if descriptors.IsShortOfPorts(err) {
		f.log.LogAttrs(ctx, slog.LevelWarn, "backends are not asked: local ports are used up; "+again,
			slog.String("hint", "widen net.ipv4.ip_local_port_range, or keep more connections (GATEWAY_HTTP_CLIENT_MAX_KEEPALIVE_CONNECTIONS)"),
			slog.String("error", err.Error()))
		return
	}
	f.log.LogAttrs(ctx, slog.LevelWarn, "backends are not asked: file descriptors are used up; "+again,
		slog.Int("limit", f.descriptorLimit), slog.String("error", err.Error()))
}

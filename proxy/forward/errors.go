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

// handleError is the ErrorHandler of httputil.ReverseProxy. It is called when the
// backend gave no answer. The client gets a fixed sentence, the log gets the cause.
func handleError(_ http.ResponseWriter, r *http.Request, err error) {
	a := attemptOf(r.Context())
	if a.t.backend.servers != nil && a.t.failed(r.Context(), err) {
		return
	}
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

// isUnreachable reports whether the backend counts as down: the connection or the
// handshake failed, or the backend did not answer in HTTP. A backend that is too slow
// for this request may be healthy, unless it has never answered since the first
// connection to it.
func (a *attempt) isUnreachable(ctx context.Context, refusal *httperr.Error, err error) bool {
	switch cause := context.Cause(ctx); {
	case a.backendSpoke || errors.Is(err, errNotReplayable) || descriptors.IsShortage(err):
		return false
	case cause != nil:
		return errors.Is(cause, idletimer.ErrTimeout) && (errors.Is(err, upstream.ErrDial) || errors.Is(err, upstream.ErrNothingHeard))
	}
	return refusal.Status == ErrUpstream.Status || refusal.Status == refuseConnect.Status || refusal.Status == refuseTimeout.Status
}

// headersTooLarge is the end of net/http's error for a request whose headers exceed
// the limit that an HTTP/2 backend announced (RFC 9113 section 6.5.2). net/http does
// not export this error.
const headersTooLarge = "request header list larger than peer's advertised limit"

// diagnose returns the refusal for a request that the backend did not answer. It finds
// out whether the client or the backend caused err.
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
		// When the client leaves, its body looks malformed: it breaks off.
		if refusal != nil && !(canceled && refusal.Status == httperr.BodyMalformed.Status) {
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
	case errors.Is(err, upstream.ErrDial) && descriptors.IsShortage(err):
		return refuseResources.Because(err)
	case errors.Is(err, upstream.ErrDial):
		return refuseConnect.Because(err)
	case strings.HasSuffix(err.Error(), headersTooLarge):
		return refuseHeaderSize.Because(err)
	}
	return ErrUpstream.Because(err)
}

// noteShortage logs that a request was not sent because the process has no free
// descriptor or local port.
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

package forward

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"gatehouse/internal/httperr"
	"gatehouse/proxy/stream"
)

// isStream reports whether an answer may last long: it is an upgrade, or its body has
// no known length, as with server-sent events.
func isStream(res *http.Response) bool {
	return res.StatusCode == http.StatusSwitchingProtocols || res.ContentLength < 0
}

// isEndless reports whether an answer is a stream that lasts as long as its client
// wants. The duration of such a stream does not say how fast the backend is. gRPC counts
// as endless too: its answers begin when they are ready, so the time to the head says
// how fast the backend is.
func isEndless(res *http.Response) bool {
	if res.StatusCode == http.StatusSwitchingProtocols {
		return true
	}
	kind := strings.ToLower(res.Header.Get("Content-Type"))
	for _, endless := range [...]string{
		"text/event-stream", "application/grpc", "multipart/x-mixed-replace", "application/x-ndjson", "application/json-seq",
	} {
		if strings.HasPrefix(kind, endless) {
			return true
		}
	}
	return false
}

// watchRevocation ends the stream when its user loses access: the stream lasts longer
// than the policy's decision about the request. stopWatch stops watching. It does
// nothing when the request has no user.
func (a *attempt) watchRevocation(ctx context.Context) {
	if a.t.Identity == nil {
		return
	}
	held, release := a.t.backend.gate.WithRevocation(ctx, a.t.Identity, a.t.backend.rule)
	stop := context.AfterFunc(held, func() {
		if refusal, refused := errors.AsType[*httperr.Error](context.Cause(held)); refused {
			a.t.forwarder.log.LogAttrs(ctx, slog.LevelInfo, "stream ended",
				slog.String("request_id", a.t.ID), slog.String("route", a.t.backend.config.Name), slog.String("reason", refusal.Detail))
			a.revoke(refusal)
		}
	})
	a.stopWatch = func() {
		stop()
		release()
	}
}

// revoke ends a stream. A WebSocket ends with a close frame. Any other stream is cut
// off, so that the client does not mistake this for the regular end.
func (a *attempt) revoke(why *httperr.Error) {
	if upgraded := a.upgrade.client.Load(); upgraded != nil {
		upgraded.EndWith(stream.PolicyViolation)
	}
	a.context.Cancel(why)
}

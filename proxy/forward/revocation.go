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

// isStream tells the answers that may go on for long: an upgrade, and a body of
// unknown length, such as server-sent events.
func isStream(res *http.Response) bool {
	return res.StatusCode == http.StatusSwitchingProtocols || res.ContentLength < 0
}

// isEndless tells the streams that go on for as long as their client likes: how
// long that was tells nothing of how fast the backend is. A single answer of gRPC
// begins when it is ready, so its head tells that.
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

// watchRevocation watches over a stream that somebody was let in to: it outlives the
// decision, but not what the decision rests on. stopWatch ends the watch.
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

// revoke ends a stream: a WebSocket with a close frame, anything else by
// cutting it off, which no client takes for its end.
func (a *attempt) revoke(why *httperr.Error) {
	if upgraded := a.upgrade.client.Load(); upgraded != nil {
		upgraded.EndWith(stream.PolicyViolation)
	}
	a.context.Cancel(why)
}

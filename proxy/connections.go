package proxy

import (
	"context"
	"log/slog"
	"time"

	"gatehouse/internal/descriptors"
)

// RefusalReason says why a client's connection was closed at once, or could not
// be accepted. It is a label of a metric.
type RefusalReason string

// The reasons.
const (
	RefusedByLimit       RefusalReason = "connections"            // limits.connections
	RefusedByClientLimit RefusalReason = "connections_per_client" // limits.connections_per_client
	RefusedByDescriptors RefusalReason = "descriptors"            // see descriptors.Division
	RefusedByAccept      RefusalReason = "accept"                 // the system gave none
)

// RefusalReasons are all of them.
var RefusalReasons = [...]RefusalReason{RefusedByLimit, RefusedByClientLimit, RefusedByDescriptors, RefusedByAccept}

// refused notes a connection that was not taken.
func (l *Listener) refused(reason RefusalReason, err error) {
	for i, one := range RefusalReasons {
		if one != reason || !l.refusals[i].Note(time.Now()) {
			continue
		}
		attrs := []slog.Attr{slog.String("reason", string(reason)), slog.Int64("open", l.open.Load())}
		if err != nil {
			attrs = append(attrs, slog.String("error", err.Error()))
		}
		l.options.Log.LogAttrs(context.Background(), slog.LevelWarn,
			"clients' connections are refused; the next line about this reason comes when it has stopped for a minute and begins again", attrs...)
	}
}

// Open returns how many connections of clients are open.
func (l *Listener) Open() int64 { return l.open.Load() }

// Refused returns how many connections were not taken, in the order of
// RefusalReasons.
func (l *Listener) Refused() (counts [len(RefusalReasons)]int64) {
	for i := range l.refusals {
		counts[i] = l.refusals[i].Count()
	}
	return counts
}

// noteShortage tells of a request whose backend was not asked for want of a
// descriptor or a local port.
func (g *Gateway) noteShortage(ctx context.Context, err error) {
	if !g.shortages.Note(time.Now()) {
		return
	}
	const again = "the next line about it comes when it has stopped for a minute and begins again"
	if descriptors.IsShortOfPorts(err) {
		g.log.LogAttrs(ctx, slog.LevelWarn, "backends are not asked: local ports are used up; "+again,
			slog.String("hint", "widen net.ipv4.ip_local_port_range, or keep more connections (GATEWAY_HTTP_CLIENT_MAX_KEEPALIVE_CONNECTIONS)"),
			slog.String("error", err.Error()))
		return
	}
	g.log.LogAttrs(ctx, slog.LevelWarn, "backends are not asked: file descriptors are used up; "+again,
		slog.Int("limit", g.descriptors.Limit), slog.String("error", err.Error()))
}

package proxy

import (
	"context"
	"log/slog"
	"time"

	"gatehouse/internal/descriptors"
)

// noteShortage logs that a request did not reach its backend because the process has
// no descriptor or no local port left.
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

package server

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"gatehouse/proxy"
)

// waitAndDrain serves until the context ends. Then the gateway is not ready,
// and every HTTP/1.1 answer ends its connection. After the shutdown delay, in
// which the network notices this, it accepts no new connections. Open requests
// may finish. Idle connections end, HTTP/2 connections get a GOAWAY, and
// WebSockets that outlive the timeout get a close frame.
func (g *gateway) waitAndDrain(ctx context.Context, l *listeners, handler *proxy.Gateway) error {
	select {
	case err := <-l.failed:
		return err
	case <-ctx.Done():
	}
	g.notify(daemon.SdNotifyStopping)
	g.health.Drain()
	handler.Drain()
	g.log.Info("draining", "delay", g.settings.ShutdownDelay.String(), "timeout", g.settings.ShutdownTimeout.String())
	select {
	case err := <-l.failed:
		return err
	case <-time.After(g.settings.ShutdownDelay):
	}

	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.settings.ShutdownTimeout)
	defer cancel()
	if err := l.drain(stopping); err != nil {
		g.log.Warn("requests were still in flight at the end of the shutdown timeout", "error", err.Error())
		l.endNow()
	}
	if left := handler.DrainStreams(stopping); left > 0 { // no stream can be upgraded any more
		g.log.Warn("streams were ended at the end of the shutdown timeout", "streams", left)
	}
	stopping, cancel = context.WithTimeout(context.WithoutCancel(ctx), opsStopTimeout)
	defer cancel()
	if l.operatorsServer.Shutdown(stopping) != nil {
		_ = l.operatorsServer.Close()
	}
	g.log.Info("stopped")
	return nil
}

// drain ends the listeners for clients and their connections; see the Drain method of a
// Listener.
func (l *listeners) drain(ctx context.Context) error {
	goingAway, stop := context.WithCancel(ctx)
	defer stop()
	go l.goAway(goingAway)
	ended := make(chan error)
	all := slices.Concat(l.public, l.redirect)
	for _, one := range all {
		go func() { ended <- one.Drain(ctx) }()
	}
	var first error
	for range all {
		first = cmp.Or(first, <-ended)
	}
	if first != nil {
		return first
	}
	errs := []error{l.plain.Shutdown(ctx)}
	for _, redirect := range l.redirectServers() {
		errs = append(errs, redirect.Shutdown(ctx))
	}
	return errors.Join(errs...)
}

// endNow closes all connections of clients.
func (l *listeners) endNow() {
	for _, redirect := range l.redirectServers() {
		_ = redirect.Close()
	}
	_ = l.plain.Close()
}

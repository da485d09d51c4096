package auth

import (
	"context"
	"net/netip"

	"gatehouse/internal/httperr"
)

// This file is what a request's context carries between a gateway and a handler
// that asks the Gate by itself: the client's address in, the decision out.

// Decision is what was decided about one request. A handler that asks the Gate
// by itself, as the users endpoints do, leaves it where the access log looks.
type Decision struct {
	Identity *Identity      // nil when nobody was asked for
	Refusal  *httperr.Error // nil when the request passed
}

type decisionKey struct{}

// WithDecision returns a context with a place for a handler's decision.
func WithDecision(ctx context.Context, decision *Decision) context.Context {
	return context.WithValue(ctx, decisionKey{}, decision)
}

// RecordDecision leaves the decision where WithDecision made room for it, if it did.
func RecordDecision(ctx context.Context, identity *Identity, refusal *httperr.Error) {
	if decision, ok := ctx.Value(decisionKey{}).(*Decision); ok {
		decision.Identity, decision.Refusal = identity, refusal
	}
}

type clientKey struct{}

// WithClient returns a context with the client's address, which behind a trusted
// proxy is not the peer's.
func WithClient(ctx context.Context, client netip.Addr) context.Context {
	return context.WithValue(ctx, clientKey{}, client)
}

// ClientOf returns the client's address, the zero Addr when nobody has set it.
func ClientOf(ctx context.Context) netip.Addr {
	client, _ := ctx.Value(clientKey{}).(netip.Addr)
	return client
}

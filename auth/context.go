package auth

import (
	"context"
	"net/netip"

	"gatehouse/internal/httperr"
)

// This file stores two values in a request's context, for a handler that asks
// the Gate by itself: the client's address for the handler, and the decision
// for the gateway.

// Decision is the decision about one request. A handler that asks the Gate by
// itself, as the users endpoints do, records it for the access log.
type Decision struct {
	Identity *Identity      // nil when the policy needs no identity
	Refusal  *httperr.Error // nil when the request passed
}

type decisionKey struct{}

// WithDecision returns a context in which a handler can record its decision.
func WithDecision(ctx context.Context, decision *Decision) context.Context {
	return context.WithValue(ctx, decisionKey{}, decision)
}

// RecordDecision stores the decision in the place that WithDecision made.
// Without such a place it does nothing.
func RecordDecision(ctx context.Context, identity *Identity, refusal *httperr.Error) {
	if decision, ok := ctx.Value(decisionKey{}).(*Decision); ok {
		decision.Identity, decision.Refusal = identity, refusal
	}
}

type clientKey struct{}

// WithClient returns a context with the client's address. Behind a trusted
// proxy this is not the peer's address.
func WithClient(ctx context.Context, client netip.Addr) context.Context {
	return context.WithValue(ctx, clientKey{}, client)
}

// ClientOf returns the client's address, or the zero Addr when none is set.
func ClientOf(ctx context.Context) netip.Addr {
	client, _ := ctx.Value(clientKey{}).(netip.Addr)
	return client
}

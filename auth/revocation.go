package auth

// This file decides again about a caller who passed, because a stream may last
// longer than the permission to open it.

import (
	"context"
	"sync/atomic"
	"time"

	"gatehouse/internal/httperr"

	"github.com/google/uuid"
)

// UserWatcher is a UserStates that reports changes.
type UserWatcher interface {
	// Watch calls changed whenever the state of the user may have changed,
	// until stop is called. A call in progress may end after stop returns.
	// changed must not block.
	Watch(id uuid.UUID, changed func()) (stop func())
}

// Recheck decides again about a caller who passed, with the same token and the
// user's current state. It refuses what Decide would refuse.
func (g *Gate) Recheck(ctx context.Context, who *Identity, rule Rule) *httperr.Error {
	if asks, refusal := rule.needsIdentity(); !asks {
		return refusal
	}
	if !g.tokens.now().Before(who.ExpiresAt) {
		return refuseExpired
	}
	if g.users != nil {
		var refusal *httperr.Error
		if who, refusal = g.checkUser(ctx, who); refusal != nil {
			return refusal
		}
	}
	return rule.authorize(who)
}

// Watch calls changed whenever the result of Recheck may differ because of the
// user, until stop is called. changed must not block. It is never called with
// `users: off`, or when the states do not report changes.
func (g *Gate) Watch(who *Identity, changed func()) (stop func()) {
	watched, can := g.users.(UserWatcher)
	if !can {
		return func() {}
	}
	return watched.Watch(who.UserUUID(), changed)
}

// WithRevocation returns a context that ends when a caller who passed would no
// longer pass: the token expires, or the user changes. The refusal is its
// cause. It is for work that outlives the answer to a request, such as a
// WebSocket. The caller must call release. When the rule needs no identity, the
// context is ctx.
func (g *Gate) WithRevocation(ctx context.Context, who *Identity, rule Rule) (revocable context.Context, release func()) {
	if who == nil {
		return ctx, func() {}
	}
	revocable, cancel := context.WithCancelCause(ctx)
	h := &revocation{ctx: revocable, cancel: cancel, gate: g, who: who, rule: rule}
	expiry := time.AfterFunc(who.ExpiresAt.Sub(g.tokens.now()), func() { cancel(refuseExpired) })
	unwatch := g.Watch(who, h.changed)
	// The user may have changed between the decision and the watch.
	h.changed()
	return revocable, func() {
		unwatch()
		expiry.Stop()
		cancel(nil)
	}
}

// revocation watches one caller who passed.
type revocation struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	gate    *Gate
	who     *Identity
	rule    Rule
	pending atomic.Int64 // changes not checked yet
}

// changed starts recheck, or makes a running one check once more.
func (h *revocation) changed() {
	if h.pending.Add(1) == 1 {
		go h.recheck()
	}
}

func (h *revocation) recheck() {
	for {
		seen := h.pending.Load()
		if refusal := h.gate.Recheck(h.ctx, h.who, h.rule); refusal != nil {
			h.cancel(refusal)
			return
		}
		if h.pending.Add(-seen) == 0 {
			return
		}
	}
}

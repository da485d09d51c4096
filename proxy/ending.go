package proxy

import (
	"context"
	"sync"

	"gatehouse/proxy/lean"
)

// ending is a lean.Ender: the end of a request that only the gateway ends. For
// one that net/http may end as well, only its context knows.
type ending struct {
	known bool

	mu   sync.Mutex
	over bool
	who  lean.Cutter // nil when nobody wants to know
}

// OnEnd implements lean.Ender.
func (e *ending) OnEnd(who lean.Cutter) {
	e.mu.Lock()
	over := e.over
	if !over {
		e.who = who
	}
	e.mu.Unlock()
	if over {
		who.Cut()
	}
}

// Forget implements lean.Ender.
func (e *ending) Forget(who lean.Cutter) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.who != who {
		return false
	}
	e.who = nil
	return true
}

// end tells who wants to know.
func (e *ending) end() {
	e.mu.Lock()
	who := e.who
	e.who, e.over = nil, true
	e.mu.Unlock()
	if who != nil {
		who.Cut()
	}
}

// cancellable is the context of a request that the gateway may end.
func (x *exchange) cancellable(parent context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	x.ending.known = parent.Done() == nil
	x.cancel = func(cause error) {
		cancel(cause)
		x.ending.end()
	}
	return ctx, x.cancel
}

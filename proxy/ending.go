package proxy

import (
	"context"
	"sync"
)

// ending is a lean.Ender: the end of a request that only the gateway ends. For
// one that net/http may end as well, only its context knows.
type ending struct {
	known bool

	mu   sync.Mutex
	over bool
	f    func()
}

// OnEnd implements lean.Ender.
func (e *ending) OnEnd(f func()) {
	e.mu.Lock()
	over := e.over
	if !over {
		e.f = f
	}
	e.mu.Unlock()
	if over {
		f()
	}
}

// Forget implements lean.Ender.
func (e *ending) Forget() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	forgotten := e.f != nil
	e.f = nil
	return forgotten
}

// end calls what waits for it.
func (e *ending) end() {
	e.mu.Lock()
	f := e.f
	e.f, e.over = nil, true
	e.mu.Unlock()
	if f != nil {
		f()
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

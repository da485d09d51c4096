package forward

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/internal/reqctx"
	"gatehouse/proxy/http1/transport"
	"gatehouse/proxy/idletimer"
)

// attempt is one attempt to get an answer from a backend. What is known of the
// request outlives it, in its Transfer.
type attempt struct {
	t *Transfer

	context   attemptContext
	hooks     transport.Hooks
	idleTimer idletimer.Timer

	upgrade      upgrade
	backendSpoke bool        // something that is HTTP has come from the backend
	answered     atomic.Bool // the backend's response headers have come
	responseBody backendBody // once it has answered
	headMu       sync.Mutex  // held while a head is sent before its body
	endless      bool        // the answer goes on for as long as its client likes
	stopWatch    func()      // ends watchRevocation; nil when nobody is watched over
}

// OnTimeout implements idletimer.Handler.
func (a *attempt) OnTimeout() {
	a.context.Cancel(idletimer.ErrTimeout)
	if upgraded := a.upgrade.client.Load(); upgraded != nil {
		_ = upgraded.Close() // httputil closes the backend's side only, and waits for both
		return
	}
	if a.answered.Load() {
		// A client that takes nothing holds a write, which the canceled request
		// alone would not end.
		_ = http.NewResponseController(&a.t.answer).SetWriteDeadline(time.Unix(1, 0))
	}
}

// attemptContext is the context of an attempt. It ends with that of the client's
// request, and when the gateway gives the attempt up. It is part of the attempt
// that it leads to, where context.WithValue would allocate.
type attemptContext struct {
	reqctx.Context
	attempt *attempt
}

type attemptKey struct{}

// Value implements context.Context.
func (c *attemptContext) Value(key any) any {
	if key == (attemptKey{}) {
		return c.attempt
	}
	return c.Context.Value(key)
}

// attemptOf finds the attempt in the context of a forwarded request.
func attemptOf(ctx context.Context) *attempt {
	a, _ := ctx.Value(attemptKey{}).(*attempt)
	return a
}

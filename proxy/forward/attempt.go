package forward

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/internal/reqctx"
	"gatehouse/proxy/backend"
	"gatehouse/proxy/http1/transport"
	"gatehouse/proxy/idletimer"
)

// attempt is one attempt to get an answer from a backend. The facts of the request
// are in its Transfer, which lives longer.
type attempt struct {
	t  *Transfer
	to *backend.Address // of the server that it is sent to

	context   attemptContext
	hooks     transport.Hooks
	idleTimer idletimer.Timer
	began     time.Time

	upgrade      upgrade
	backendSpoke bool        // the backend has sent some HTTP
	answered     atomic.Bool // the backend has sent its response headers
	responseBody backendBody // set when the backend has answered
	headMu       sync.Mutex  // held while the head is sent before its body
	endless      bool        // the answer lasts as long as its client wants
	stopWatch    func()      // stops watchRevocation; nil when nothing is watched
	stopServer   func()      // stops watchServer; nil when nothing is watched
}

// OnTimeout implements idletimer.Handler.
func (a *attempt) OnTimeout() {
	a.context.Cancel(idletimer.ErrTimeout)
	if upgraded := a.upgrade.client.Load(); upgraded != nil {
		_ = upgraded.Close() // httputil closes only the backend's side, and waits for both
		return
	}
	if a.answered.Load() {
		// A client that reads nothing blocks a write. Canceling the request alone
		// does not unblock it.
		_ = http.NewResponseController(&a.t.answer).SetWriteDeadline(time.Unix(1, 0))
	}
}

// attemptContext is the context of an attempt. It is canceled with the context of the
// client's request, and when the gateway gives up the attempt. It is a field of
// the attempt because context.WithValue would allocate.
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

// attemptOf returns the attempt in the context of a forwarded request, or nil.
func attemptOf(ctx context.Context) *attempt {
	a, _ := ctx.Value(attemptKey{}).(*attempt)
	return a
}

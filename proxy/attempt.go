package proxy

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"

	"gatehouse/internal/reqctx"
	"gatehouse/proxy/http1/transport"
	"gatehouse/proxy/idletimer"
	"gatehouse/proxy/stream"
)

// attempt is one attempt to get an answer from a backend. What is known of the
// request outlives it, in its exchange.
type attempt struct {
	x *exchange

	context   attemptContext
	hooks     transport.Hooks
	idleTimer idletimer.Timer
	upgrade   string // what the backend may switch to; "" for nothing
	webSocket bool   // that is a WebSocket

	backendSpoke bool                        // something that is HTTP has come from the backend
	answered     atomic.Bool                 // the backend's response headers have come
	responseBody backendBody                 // once it has answered
	headMu       sync.Mutex                  // held while a head is sent before its body
	switched     *stream.Backend             // the backend's side behind a 101; nil without one
	switchHeader http.Header                 // of the 101
	upgraded     atomic.Pointer[stream.Conn] // the client's side behind it
	endless      bool                        // the answer goes on for as long as its client likes
	stopWatch    func()                      // ends watchRevocation; nil when nobody is watched over
}

// newAttempt makes the next attempt the current one. The first is part of the
// exchange, since hardly any request has another.
func (x *exchange) newAttempt() *attempt {
	a := &x.firstAttempt
	if x.attempt != nil {
		a = new(attempt)
	}
	a.x, a.context.attempt = x, a
	x.attempt = a
	return a
}

// giveUp ends the current attempt, if any.
func (x *exchange) giveUp(cause error) {
	if x.attempt != nil {
		x.attempt.context.Cancel(cause)
	}
}

// upgradedStream returns what the client's connection became behind a 101, or nil.
func (x *exchange) upgradedStream() *stream.Conn {
	if x.attempt == nil {
		return nil
	}
	return x.attempt.upgraded.Load()
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

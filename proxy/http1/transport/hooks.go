package transport

import (
	"context"
	"net/http"
)

// Hooks are what a Transport and whoever sends a request through it have to tell
// each other besides the request. A nil hook is not used.
type Hooks struct {
	Fields      Fields
	BodyAwaited BodyWaiter
}

// Fields are those of a request without a body, in place of its Header, which
// then is not looked at: nobody has to make a map of what is written once. None
// of them is Upgrade, Expect or a key that lets the request be sent again.
type Fields interface {
	// AppendFields writes them, each with AppendField. They are not plain when one
	// of them is not.
	AppendFields(to []byte) (with []byte, plain bool)
	// AsHeader is the same as a header, for http.Transport.
	AsHeader() http.Header
}

// BodyWaiter is told, before anything of the body of an answer was read, that
// nothing of it is there yet.
type BodyWaiter interface{ BodyAwaited() }

type hooksKey struct{}

// WithHooks returns a context for a request with hooks, as
// httptrace.WithClientTrace does. They must not be changed until the answer's
// body is closed.
func WithHooks(ctx context.Context, hooks *Hooks) context.Context {
	return context.WithValue(ctx, hooksKey{}, hooks)
}

// hooksOf returns the hooks of a request.
func hooksOf(ctx context.Context) Hooks {
	if hooks, ok := ctx.Value(hooksKey{}).(*Hooks); ok {
		return *hooks
	}
	return Hooks{}
}

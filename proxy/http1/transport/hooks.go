package transport

import (
	"context"
	"net/http"
)

// Hooks are what the sender of a request and the Transport tell each other besides the
// request. A nil hook is not used.
type Hooks struct {
	Fields      Fields
	BodyAwaited BodyWaiter
}

// Fields are the fields of a request without a body, in place of its Header, so that
// no map is made of what is written once. None of them is Upgrade, Expect or a key
// that lets the request be sent again.
type Fields interface {
	// AppendFields appends the fields, each with AppendField. It reports false when
	// one of them cannot be written.
	AppendFields(to []byte) (with []byte, ok bool)
	// AsHeader returns the fields as a header, for http.Transport.
	AsHeader() http.Header
}

// BodyWaiter is called before the first read of a response's body, if none of it is
// there yet.
type BodyWaiter interface{ BodyAwaited() }

type hooksKey struct{}

// WithHooks returns a context for a request with hooks, as httptrace.WithClientTrace
// does. The hooks must not be changed until the response's body is closed.
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

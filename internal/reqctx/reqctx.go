// Package reqctx provides a context that is embedded in its request.
//
// A context of package context costs three allocations: itself, its cancel
// function, and its channel. A request that is answered at once needs none of
// them. A Context makes them when Done is first called, and can notify its
// subscribers of its end without them. In all other respects it is an ordinary
// context: contexts derived from it end with it, without a goroutine, and
// context.Cause returns its cause.
package reqctx

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Context is a context.Context that ends when Cancel is called or its parent
// ends. Init must be called before use. It must not be copied.
type Context struct {
	values context.Context // for looking up values
	parent *Context        // the Context that ends this one; nil for none, or when standard ends it

	// standard is an equal context of package context. It is made when Done is
	// first called, and does not change after isMade is set.
	isMade   atomic.Bool
	standard context.Context

	mu         sync.Mutex
	cancel     context.CancelCauseFunc // of standard; nil before standard is made
	ended      bool
	cause      error
	subscriber Subscriber   // the first one, since there is rarely another
	others     []Subscriber // the other ones
}

// Subscriber is notified when a Context ends.
type Subscriber interface {
	// ContextEnded is called at most once for each call of Subscribe. It must
	// not block.
	ContextEnded()
}

var (
	_ context.Context = (*Context)(nil)
	_ Subscriber      = (*Context)(nil)
)

// contextKey is the key under which Of finds a Context.
type contextKey struct{}

// Init makes c a child of parent. Cancel must be called at the end of the
// request.
func (c *Context) Init(parent context.Context) {
	if p, ok := parent.(*Context); ok && p.takesSubscribers() {
		c.values, c.parent = p.values, p
		p.Subscribe(c)
		return
	}
	c.values = parent
	if parent.Done() != nil {
		c.standard, c.cancel = context.WithCancelCause(parent)
		c.isMade.Store(true)
	}
}

// takesSubscribers reports whether c notices its own end. A child of a context
// of package context does not.
func (c *Context) takesSubscribers() bool { return c.values.Done() == nil }

// Of returns the Context that ends exactly when ctx does and takes subscribers,
// or nil. ctx is that Context, or adds values to it.
func Of(ctx context.Context) *Context {
	c, _ := ctx.Value(contextKey{}).(*Context)
	if c == nil || !c.takesSubscribers() || ctx.Done() != c.Done() {
		return nil
	}
	return c
}

// Subscribe registers s for the end of c. If c has ended, it calls s at once.
func (c *Context) Subscribe(s Subscriber) {
	c.mu.Lock()
	ended := c.ended
	switch {
	case ended:
	case c.subscriber == nil:
		c.subscriber = s
	default:
		c.others = append(c.others, s)
	}
	c.mu.Unlock()
	if ended {
		s.ContextEnded()
	}
}

// Unsubscribe reports whether s was a subscriber. If so, s will not be called.
func (c *Context) Unsubscribe(s Subscriber) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.subscriber == s {
		c.subscriber = nil
		return true
	}
	at := slices.Index(c.others, s)
	if at >= 0 {
		c.others = slices.Delete(c.others, at, at+1)
	}
	return at >= 0
}

// Cancel ends c. A nil cause means context.Canceled. Only the first call has an
// effect.
func (c *Context) Cancel(cause error) {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.ended, c.cause = true, cause
	cancel, subscriber, others := c.cancel, c.subscriber, c.others
	c.subscriber, c.others = nil, nil
	c.mu.Unlock()
	if c.parent != nil {
		c.parent.Unsubscribe(c)
	}
	if cancel != nil {
		cancel(cause)
	}
	if subscriber != nil {
		subscriber.ContextEnded()
	}
	for _, s := range others {
		s.ContextEnded()
	}
}

// ContextEnded implements Subscriber, for the end of the parent.
func (c *Context) ContextEnded() { c.Cancel(context.Cause(c.parent)) }

// Done implements context.Context.
func (c *Context) Done() <-chan struct{} { return c.make().Done() }

// make returns the standard context. It makes the context if necessary.
func (c *Context) make() context.Context {
	if c.isMade.Load() {
		return c.standard
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.standard == nil {
		c.standard, c.cancel = context.WithCancelCause(c.values)
		if c.ended {
			c.cancel(c.cause)
		}
		c.isMade.Store(true)
	}
	return c.standard
}

// Err implements context.Context.
func (c *Context) Err() error {
	if !c.isMade.Load() {
		c.mu.Lock()
		ended := c.ended
		c.mu.Unlock()
		if !ended {
			return nil
		}
	}
	return c.make().Err()
}

// Deadline implements context.Context.
func (c *Context) Deadline() (time.Time, bool) { return c.values.Deadline() }

// Value implements context.Context.
func (c *Context) Value(key any) any {
	if _, ok := key.(contextKey); ok {
		return c
	}
	if c.isMade.Load() {
		return c.standard.Value(key) // package context finds its own contexts there
	}
	return c.values.Value(key)
}

package reqctx

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var errCause = errors.New("the cause")

type nameKey struct{}

// root returns a Context with a value, and the function that ends it.
func root() (*Context, context.CancelCauseFunc) {
	c := new(Context)
	c.Init(context.WithValue(context.Background(), nameKey{}, "root"))
	return c, c.Cancel
}

// makers make a Context in each of the ways that there are.
var makers = map[string]func() (ctx *Context, end context.CancelCauseFunc){
	"a root": root,
	"a child, canceled": func() (*Context, context.CancelCauseFunc) {
		parent, _ := root()
		c := new(Context)
		c.Init(parent)
		return c, c.Cancel
	},
	"a child whose parent ends": func() (*Context, context.CancelCauseFunc) {
		parent, end := root()
		c := new(Context)
		c.Init(parent)
		return c, end
	},
	"a child of package context": func() (*Context, context.CancelCauseFunc) {
		parent, end := context.WithCancelCause(context.WithValue(context.Background(), nameKey{}, "root"))
		c := new(Context)
		c.Init(parent)
		return c, end
	},
	"a grandchild of package context": func() (*Context, context.CancelCauseFunc) {
		parent, end := context.WithCancelCause(context.WithValue(context.Background(), nameKey{}, "root"))
		between, c := new(Context), new(Context)
		between.Init(parent)
		c.Init(between)
		return c, end
	},
}

// watchers tell of the end of a context in each of the ways that there are.
var watchers = map[string]func(ctx context.Context) (ended func() bool){
	"Done": func(ctx context.Context) func() bool {
		done := ctx.Done()
		return func() bool { <-done; return true }
	},
	"Done afterwards": func(ctx context.Context) func() bool {
		return func() bool { <-ctx.Done(); return true }
	},
	"Err": func(ctx context.Context) func() bool {
		return func() bool {
			for ctx.Err() == nil {
				runtime.Gosched()
			}
			return true
		}
	},
	"AfterFunc": func(ctx context.Context) func() bool {
		ended := make(chan struct{})
		context.AfterFunc(ctx, func() { close(ended) })
		return func() bool { <-ended; return true }
	},
	"a derived context": func(ctx context.Context) func() bool {
		derived, cancel := context.WithTimeout(context.WithValue(ctx, nameKey{}, "derived"), time.Hour)
		return func() bool { <-derived.Done(); cancel(); return errors.Is(context.Cause(derived), errCause) }
	},
	"a derived Context": func(ctx context.Context) func() bool {
		derived := new(Context)
		derived.Init(ctx)
		return func() bool { <-derived.Done(); return errors.Is(context.Cause(derived), errCause) }
	},
}

// TestContract holds every Context to what package context says of contexts.
func TestContract(t *testing.T) {
	for made, maker := range makers {
		for watched, watcher := range watchers {
			t.Run(made+"/"+watched, func(t *testing.T) {
				ctx, end := maker()
				ended := watcher(ctx)
				if err := ctx.Err(); err != nil {
					t.Fatalf("Err is %v before the end", err)
				}
				if name := ctx.Value(nameKey{}); name != "root" {
					t.Errorf("the value is %v", name)
				}
				if at, ok := ctx.Deadline(); ok {
					t.Errorf("it has a deadline, %v", at)
				}
				end(errCause)
				if !ended() {
					t.Error("the cause is lost")
				}
				if err := ctx.Err(); err != context.Canceled { //nolint:errorlint // package context promises this value
					t.Errorf("Err is %v", err)
				}
				if cause := context.Cause(ctx); cause != errCause { //nolint:errorlint // and this one
					t.Errorf("the cause is %v", cause)
				}
				ctx.Cancel(errors.New("another cause"))
				if cause := context.Cause(ctx); cause != errCause { //nolint:errorlint // as above
					t.Errorf("the cause is %v after a second Cancel", cause)
				}
			})
		}
	}
}

// TestNoGoroutine derives contexts behind one that adds values: package context
// would start a goroutine for each where it does not know the parent.
func TestNoGoroutine(t *testing.T) {
	ctx, end := root()
	before := runtime.NumGoroutine()
	var cancels [100]context.CancelFunc
	for i := range cancels {
		var derived context.Context
		derived, cancels[i] = context.WithCancel(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{}))
		context.AfterFunc(derived, func() {})
	}
	if after := runtime.NumGoroutine(); after >= before+100 {
		t.Errorf("%d goroutines, %d before", after, before)
	}
	for _, cancel := range cancels {
		cancel()
	}
	end(nil)
}

// told counts how often it was told.
type told struct{ times atomic.Int32 }

func (s *told) ContextEnded() { s.times.Add(1) }

func TestSubscribers(t *testing.T) {
	ctx, end := root()
	var all [3]told
	for i := range all {
		ctx.Subscribe(&all[i])
	}
	if !ctx.Unsubscribe(&all[0]) || !ctx.Unsubscribe(&all[2]) || ctx.Unsubscribe(&all[2]) {
		t.Error("Unsubscribe reports something else than whether it was subscribed")
	}
	end(nil)
	end(nil)
	for i, want := range []int32{0, 1, 0} {
		if got := all[i].times.Load(); got != want {
			t.Errorf("subscriber %d was told %d times, want %d", i, got, want)
		}
	}
	if ctx.Unsubscribe(&all[1]) {
		t.Error("it is still subscribed after it was told")
	}
	var late told
	if ctx.Subscribe(&late); late.times.Load() != 1 {
		t.Error("who comes late is not told")
	}
}

// TestOf finds a Context behind values, and not behind what may end earlier.
func TestOf(t *testing.T) {
	ctx, end := root()
	defer end(nil)
	withValue := context.WithValue(ctx, nameKey{}, "x")
	derived, cancel := context.WithCancel(ctx)
	defer cancel()
	standard := new(Context)
	standard.Init(derived)
	defer standard.Cancel(nil)
	for name, tt := range map[string]struct {
		ctx  context.Context
		want *Context
	}{
		"itself":                          {ctx, ctx},
		"with a value":                    {withValue, ctx},
		"derived":                         {derived, nil},
		"derived, with a value":           {context.WithValue(derived, nameKey{}, "x"), nil},
		"another":                         {context.Background(), nil},
		"a child of package context":      {standard, nil},
		"without the end of its ancestor": {context.WithoutCancel(ctx), nil},
	} {
		if got := Of(tt.ctx); got != tt.want {
			t.Errorf("%s: got %p, want %p", name, got, tt.want)
		}
	}
}

// TestRaces ends parent and child at once, with subscribers that come and go.
func TestRaces(t *testing.T) {
	for range 200 {
		parent, endParent := root()
		c := new(Context)
		c.Init(parent)
		var both sync.WaitGroup
		var s told
		both.Go(func() { endParent(errCause) })
		both.Go(func() { c.Cancel(nil) })
		both.Go(func() { <-c.Done() })
		unsubscribed := false
		both.Go(func() {
			c.Subscribe(&s)
			unsubscribed = c.Unsubscribe(&s)
		})
		both.Wait()
		if unsubscribed == (s.times.Load() > 0) {
			t.Fatalf("unsubscribed: %v; told %d times", unsubscribed, s.times.Load())
		}
		if c.Err() == nil {
			t.Fatal("it has not ended")
		}
	}
}

// TestRequest uses a Context as net/http does.
func TestRequest(t *testing.T) {
	ctx, end := root()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:1/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	end(errCause)
	if res, err := http.DefaultTransport.RoundTrip(r); !errors.Is(err, errCause) {
		if err == nil {
			_ = res.Body.Close()
		}
		t.Errorf("net/http's transport returned %v, want the cause", err)
	}
}

// BenchmarkRequest is what a request pays, with somebody who calls Done and without.
func BenchmarkRequest(b *testing.B) {
	connection := context.WithValue(context.Background(), nameKey{}, "root")
	type request struct{ server, attempt Context }
	for name, use := range map[string]func(c *Context){"subscribed": func(*Context) {}, "done": func(c *Context) { c.Done() }} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var s told
			for b.Loop() {
				r := new(request)
				r.server.Init(connection)
				r.attempt.Init(&r.server)
				use(&r.attempt)
				r.attempt.Subscribe(&s)
				r.attempt.Unsubscribe(&s)
				r.attempt.Cancel(nil)
				r.server.Cancel(nil)
			}
		})
	}
	b.Run("package context", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			server, endServer := context.WithCancelCause(connection)
			attempt, endAttempt := context.WithCancelCause(server)
			stop := context.AfterFunc(attempt, func() {})
			stop()
			endAttempt(nil)
			endServer(nil)
		}
	})
}

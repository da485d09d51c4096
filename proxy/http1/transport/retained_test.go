package transport_test

import (
	"context"
	"runtime"
	"testing"

	"gatehouse/internal/reqctx"
	"gatehouse/internal/testkit"
)

type keptKey struct{}

// TestWaitingKeepsNothing checks that an idle connection does not keep its last request in
// memory. In a gateway, the request refers to the client's connection and headers.
func TestWaitingKeepsNothing(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		for name, derive := range map[string]func(context.Context) context.Context{
			"one of reqctx": func(parent context.Context) context.Context {
				ctx := new(reqctx.Context)
				ctx.Init(context.WithoutCancel(parent))
				return ctx
			},
			"one of package context": func(parent context.Context) context.Context { return parent },
		} {
			t.Run(name, func(t *testing.T) {
				b := serve(t, (*link).plainly)
				client := l.start(t, bounds{})
				gone := make(chan struct{})
				func() {
					kept := new([64]byte) // large enough to be freed by itself
					runtime.AddCleanup(kept, func(gone chan struct{}) { close(gone) }, gone)
					parent, cancel := context.WithCancel(context.WithValue(testkit.Context(t), keptKey{}, kept))
					defer cancel()
					run(client, get(derive(parent), t, b.url)).wantPlain(t)
				}()
				testkit.Eventually(t, "the request is not kept", func() bool {
					runtime.GC() // its cleanups run some time after it
					select {
					case <-gone:
						return true
					default:
						return false
					}
				})
			})
		}
	})
}

package lean_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"gatehouse/proxy/lean"
)

// notedEnd is a lean.Ender, and large enough to be freed by itself.
type notedEnd struct{ _ [64]byte }

func (*notedEnd) OnEnd(lean.Cutter)       {}
func (*notedEnd) Forget(lean.Cutter) bool { return true }

// TestWaitingKeepsNothing wants a connection that waits to let go of the request
// that it carried: a gateway's leads to the client's connection and headers.
func TestWaitingKeepsNothing(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		for name, key := range map[string]any{"by its end": lean.EnderKey{}, "by its context": struct{}{}} {
			t.Run(name, func(t *testing.T) {
				b := serve(t, (*link).plainly)
				client := l.start(t, bounds{})
				gone := make(chan struct{})
				func() {
					end := new(notedEnd)
					runtime.AddCleanup(end, func(gone chan struct{}) { close(gone) }, gone)
					ctx, cancel := context.WithCancel(context.WithValue(patiently(t), key, end))
					defer cancel()
					run(client, get(ctx, t, b.url)).wantPlain(t)
				}()
				again, late := time.NewTicker(time.Millisecond), time.After(patience)
				defer again.Stop()
				for {
					runtime.GC() // its cleanups run some time after it
					select {
					case <-gone:
						return
					case <-late:
						t.Fatal("the request is kept")
					case <-again.C:
					}
				}
			})
		}
	})
}

package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// servers run the same handler with net/http's server and with ours.
func servers(t *testing.T, handler http.HandlerFunc, test func(t *testing.T, addr string)) {
	standard := &http.Server{Handler: handler, ErrorLog: testkit.DiscardLog()}
	l := testkit.Listen(t)
	go func() { _ = standard.Serve(l) }()
	t.Cleanup(func() { standard.Close() })
	for name, addr := range map[string]string{"net/http": l.Addr().String(), "front": start(t, handler).addr} {
		t.Run(name, func(t *testing.T) { test(t, addr) })
	}
}

// requestsOfContexts are requests whose handlers read everything.
var requestsOfContexts = map[string]string{
	"no body": get(), "body": post("hello", "Content-Length: 5"), "empty body": post("", "Content-Length: 0"),
}

// TestContextEndsWhenClientLeaves checks in each possible way that the context ends while
// the handler runs.
func TestContextEndsWhenClientLeaves(t *testing.T) {
	for waits, wait := range map[string]func(ctx context.Context){
		"Done": func(ctx context.Context) { <-ctx.Done() },
		"Err": func(ctx context.Context) {
			for ctx.Err() == nil {
				runtime.Gosched()
			}
		},
		"AfterFunc": func(ctx context.Context) {
			ended := make(chan struct{})
			context.AfterFunc(ctx, func() { close(ended) })
			<-ended
		},
		"derived": func(ctx context.Context) {
			derived, cancel := context.WithTimeout(context.WithValue(ctx, connKey{}, 1), time.Hour)
			defer cancel()
			<-derived.Done()
		},
	} {
		begun, ended := make(chan error, 1), make(chan error, 1)
		servers(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			begun <- r.Context().Err()
			wait(r.Context())
			ended <- context.Cause(r.Context())
		}), func(t *testing.T, addr string) {
			for name, text := range requestsOfContexts {
				t.Run(waits+"/"+name, func(t *testing.T) {
					c := testkit.Dial(t, addr)
					c.TrySend(text)
					if err := testkit.Receive(t, "the request", begun); err != nil {
						t.Errorf("the context has ended before the client leaves: %v", err)
					}
					_ = c.Close()
					if err := testkit.Receive(t, "the end of the context", ended); !errors.Is(err, context.Canceled) {
						t.Errorf("the cause is %v", err)
					}
				})
			}
		})
	}
}

// TestContextEndsWithHandler checks the context after the handler, on a connection that
// stays open.
func TestContextEndsWithHandler(t *testing.T) {
	ended := make(chan error, 1)
	var panics atomic.Bool
	servers(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
		derived := context.WithoutCancel(r.Context())
		context.AfterFunc(r.Context(), func() { ended <- errors.Join(r.Context().Err(), derived.Err()) })
		if panics.Load() {
			panic(http.ErrAbortHandler)
		}
	}), func(t *testing.T, addr string) {
		for _, abort := range []bool{false, true} {
			panics.Store(abort)
			for name, text := range requestsOfContexts {
				t.Run(fmt.Sprintf("panics %v/%s", abort, name), func(t *testing.T) {
					c := testkit.Dial(t, addr)
					for range 3 {
						c.TrySend(text)
						if err := testkit.Receive(t, "the end of the context", ended); !errors.Is(err, context.Canceled) {
							t.Errorf("Err is %v", err)
						}
						if abort {
							return
						}
					}
				})
			}
		}
	})
}

// TestContextOutlivesPause uses a client that stays connected, silent or pipelining. Only
// the end of the handler may end the context.
func TestContextOutlivesPause(t *testing.T) {
	begun, goOn, looked := make(chan error, 1), make(chan struct{}), make(chan error, 1)
	servers(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		begun <- nil
		<-goOn
		looked <- r.Context().Err()
	}), func(t *testing.T, addr string) {
		for name, text := range requestsOfContexts {
			for _, ahead := range []bool{false, true} {
				t.Run(fmt.Sprintf("ahead %v/%s", ahead, name), func(t *testing.T) {
					c := testkit.Dial(t, addr)
					for range 3 {
						c.TrySend(text)
						_ = testkit.Receive(t, "the request", begun)
						if ahead {
							c.TrySend(text)
						}
						goOn <- struct{}{}
						if err := testkit.Receive(t, "a look at the context", looked); err != nil {
							t.Errorf("Err is %v while the client is there", err)
						}
						if ahead {
							_ = testkit.Receive(t, "the next request", begun)
							goOn <- struct{}{}
							if err := testkit.Receive(t, "a look at the context", looked); err != nil {
								t.Errorf("Err is %v while the client is there", err)
							}
						}
					}
				})
			}
		}
	})
}

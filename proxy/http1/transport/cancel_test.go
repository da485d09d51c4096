package transport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// errCause is the cause of a cancellation, in tests that set one.
var errCause = errors.New("given up")

// deadlineOfEnds is longer than a busy machine takes until a test ends a context. The test
// waits for the events before that.
const deadlineOfEnds = 500 * time.Millisecond

// ends are the ways in which a context ends.
var ends = []struct {
	name string
	of   func(context.Context) (ctx context.Context, end func())
	want error
}{
	{"canceled", func(ctx context.Context) (context.Context, func()) { return context.WithCancel(ctx) }, context.Canceled},
	{"canceled with a cause", func(ctx context.Context) (context.Context, func()) {
		ctx, cancel := context.WithCancelCause(ctx)
		return ctx, func() { cancel(errCause) }
	}, errCause},
	{"deadline", func(ctx context.Context) (context.Context, func()) {
		d := &dated{Context: ctx, done: make(chan struct{})}
		return d, func() { close(d.done) }
	}, context.DeadlineExceeded},
	{"real deadline", func(ctx context.Context) (context.Context, func()) {
		ctx, cancel := context.WithTimeout(ctx, deadlineOfEnds)
		return ctx, context.CancelFunc(func() { <-ctx.Done(); cancel() })
	}, context.DeadlineExceeded},
}

// dated is a context whose deadline passes when the test calls for it.
type dated struct {
	context.Context
	done chan struct{}
}

func (d *dated) Done() <-chan struct{} { return d.done }

func (d *dated) Err() error {
	select {
	case <-d.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// eachEnd runs a test with every transport and every way to end a context.
func eachEnd(t *testing.T, test func(t *testing.T, l lane, ctx context.Context, end func(), want error)) {
	t.Helper()
	each(t, func(t *testing.T, l lane) {
		for _, e := range ends {
			t.Run(e.name, func(t *testing.T) {
				ctx, end := e.of(testkit.Context(t))
				test(t, l, ctx, end, e.want)
			})
		}
	})
}

func TestGivenUpBefore(t *testing.T) {
	eachEnd(t, func(t *testing.T, l lane, ctx context.Context, end func(), want error) {
		b := serve(t, (*link).plainly)
		client := l.start(t, bounds{})
		follow(t, client, b, 1)
		end()
		body := watch(strings.NewReader("hello"))
		r := send(ctx, t, "POST", b.url, body)
		r.ContentLength = 5
		if o := run(client, r); !errors.Is(o.err, want) {
			t.Errorf("got %+v, want %v", o, want)
		}
		body.wantClosed(t)
		follow(t, client, b, 1)
		if seen := b.seen(); len(seen) != 2 {
			t.Errorf("the backend saw %+v", seen)
		}
	})
}

func TestGivenUpWhileDialling(t *testing.T) {
	eachEnd(t, func(t *testing.T, l lane, ctx context.Context, end func(), want error) {
		b := serve(t, (*link).plainly)
		dialling, release := make(chan struct{}, 1), make(chan struct{})
		client := l.start(t, bounds{dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			select {
			case dialling <- struct{}{}:
			default:
			}
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-release:
				return new(net.Dialer).DialContext(ctx, network, address)
			}
		}})
		body := watch(strings.NewReader("hello"))
		r := send(ctx, t, "POST", b.url, body)
		r.ContentLength = 5
		done := background(client, r)
		testkit.Receive(t, "the dial", dialling)
		end()
		if o := testkit.Receive(t, "the error", done); !errors.Is(o.err, want) {
			t.Errorf("got %+v, want %v", o, want)
		}
		body.wantClosed(t)
		close(release)
		run(client, get(testkit.Context(t), t, b.url)).wantPlain(t)
		if seen := b.seen(); len(seen) != 1 {
			t.Errorf("the backend saw %+v", seen)
		}
	})
}

func TestGivenUpBeforeTheAnswer(t *testing.T) {
	for _, sent := range []string{"", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 103 Early Hints\r\n\r\n"} {
		t.Run(sent, func(t *testing.T) {
			eachEnd(t, func(t *testing.T, l lane, ctx context.Context, end func(), want error) {
				waiting := make(chan struct{})
				b := serve(t, onFirst(func(l *link) {
					l.request()
					l.send(sent)
					close(waiting)
					l.untilGone()
				}))
				client := l.start(t, bounds{maxConns: 1})
				done := background(client, get(ctx, t, b.url))
				testkit.Receive(t, "the request", waiting)
				end()
				if o := testkit.Receive(t, "the error", done); !errors.Is(o.err, want) {
					t.Errorf("got %+v, want %v", o, want)
				}
				b.waitGone(1)
				follow(t, client, b, 2)
			})
		})
	}
}

func TestGivenUpWithinTheBody(t *testing.T) {
	heads := map[string]string{
		"length":          "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
		"chunks":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"until it closes": "HTTP/1.1 200 OK\r\n\r\nhello",
	}
	for name, raw := range heads {
		t.Run(name, func(t *testing.T) {
			eachEnd(t, func(t *testing.T, l lane, ctx context.Context, end func(), want error) {
				b := serve(t, once(raw))
				client := l.start(t, bounds{maxConns: 1})
				res, err := client.RoundTrip(get(ctx, t, b.url))
				if err != nil {
					if errors.Is(err, context.DeadlineExceeded) && errors.Is(err, want) {
						return // the machine is slow, and so was the deadline kept
					}
					t.Fatal(err)
				}
				defer res.Body.Close()
				if _, err := io.ReadFull(res.Body, make([]byte, 5)); err != nil && !errors.Is(err, want) {
					t.Fatal(err)
				}
				read := make(chan error, 1)
				go func() {
					_, err := io.ReadAll(res.Body)
					read <- err
				}()
				end()
				if err := testkit.Receive(t, "the error", read); !errors.Is(err, want) {
					t.Errorf("the body ends with %v, want %v", err, want)
				}
				b.waitGone(1)
				follow(t, client, b, 2)
			})
		})
	}
}

// When a request is canceled and its body is not read, the connection still ends. A later
// read of the body returns the cause.
func TestGivenUpBetweenReads(t *testing.T) {
	eachEnd(t, func(t *testing.T, l lane, ctx context.Context, end func(), want error) {
		b := serve(t, once("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"))
		client := l.start(t, bounds{})
		res, err := client.RoundTrip(get(ctx, t, b.url))
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) && errors.Is(err, want) {
				return
			}
			t.Fatal(err)
		}
		end()
		b.waitGone(1)
		for range 2 {
			if _, err := io.ReadAll(res.Body); err == nil {
				t.Error("the body looks whole")
			}
		}
		res.Body.Close()
		follow(t, client, b, 2)
	})
}

// stuck is a body that returns its first part and then waits for the context, as the body
// of a server's request waits for its connection.
type stuck struct {
	first io.Reader
	ctx   context.Context
	at    chan struct{}
}

func (s *stuck) Read(p []byte) (int, error) {
	if n, err := s.first.Read(p); err == nil {
		return n, nil
	}
	select {
	case s.at <- struct{}{}:
	default:
	}
	<-s.ctx.Done()
	return 0, context.Cause(s.ctx)
}

func TestGivenUpWhileSending(t *testing.T) {
	lengths := map[string]int64{"small": 10, "large": 10 << 20, "unknown": -1}
	for name, length := range lengths {
		t.Run(name, func(t *testing.T) {
			eachEnd(t, func(t *testing.T, l lane, ctx context.Context, end func(), want error) {
				b := serve(t, (*link).plainly)
				client := l.start(t, bounds{})
				waits := &stuck{strings.NewReader("hello"), ctx, make(chan struct{}, 1)}
				body := watch(waits)
				r := send(ctx, t, "POST", b.url, body)
				r.ContentLength = length
				done := background(client, r)
				testkit.Receive(t, "the body to be read", waits.at)
				end()
				if o := testkit.Receive(t, "the error", done); !errors.Is(o.err, want) {
					t.Errorf("got %+v, want %v", o, want)
				}
				body.wantClosed(t)
				run(client, get(testkit.Context(t), t, b.url)).wantPlain(t)
				for _, r := range b.seen() {
					if r.line != "GET / HTTP/1.1" {
						t.Errorf("the backend saw %+v", r)
					}
				}
			})
		})
	}
}

// zeros is a body without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// The backend does not read, so the client cannot send more.
func TestGivenUpWhileNobodyReads(t *testing.T) {
	eachEnd(t, func(t *testing.T, l lane, ctx context.Context, end func(), want error) {
		arrived, release := make(chan struct{}, 1), make(chan struct{})
		b := serve(t, onFirst(func(l *link) {
			l.head()
			arrived <- struct{}{}
			<-release
			l.untilGone()
		}))
		client := l.start(t, bounds{})
		body := watch(zeros{})
		r := send(ctx, t, "POST", b.url, body)
		r.ContentLength = 1 << 40
		done := background(client, r)
		testkit.Receive(t, "the request", arrived)
		end()
		if o := testkit.Receive(t, "the error", done); !errors.Is(o.err, want) {
			t.Errorf("got %+v, want %v", o, want)
		}
		body.wantClosed(t)
		close(release)
		b.waitGone(1)
		run(client, get(testkit.Context(t), t, b.url)).wantPlain(t)
	})
}

// When the context ends after the answer has ended, it has no effect.
func TestGivenUpTooLate(t *testing.T) {
	answers := map[string]string{
		"length": plain, "no body": "HTTP/1.1 204 No Content\r\n\r\n",
		"chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nplain\r\n0\r\n\r\n",
	}
	each(t, func(t *testing.T, l lane) {
		for name, raw := range answers {
			t.Run(name, func(t *testing.T) {
				waiting, release := make(chan struct{}), make(chan struct{})
				b := serve(t, func(l *link) {
					l.request()
					l.send(raw)
					l.request()
					close(waiting)
					<-release
					l.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
					<-release
					l.send("world")
					l.plainly()
				})
				client := l.start(t, bounds{})
				ctx, cancel := context.WithCancel(testkit.Context(t))
				other, alsoCancel := context.WithCancel(testkit.Context(t))
				defer alsoCancel()
				if o := run(client, get(ctx, t, b.url)); o.err != nil || o.bodyErr != nil {
					t.Fatalf("got %+v", o)
				}
				done := background(client, get(other, t, b.url))
				testkit.Receive(t, "the second request", waiting)
				cancel()
				release <- struct{}{}
				release <- struct{}{}
				if o := testkit.Receive(t, "the second answer", done); o.err != nil || o.bodyErr != nil || o.body != "helloworld" {
					t.Errorf("got %+v", o)
				}
				alsoCancel()
				follow(t, client, b, 1)
			})
		}
	})
}

// A client that cancels at the very end leaves either a usable connection or none.
func TestGivenUpAtTheEnd(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		b := serve(t, (*link).plainly)
		client := l.start(t, bounds{maxConns: 1})
		for range 200 {
			ctx, cancel := context.WithCancel(testkit.Context(t))
			res, err := client.RoundTrip(get(ctx, t, b.url))
			if err != nil {
				t.Fatal(err)
			}
			go cancel()
			body, err := io.ReadAll(res.Body)
			if err == nil && string(body) != "plain" || err != nil && !errors.Is(err, context.Canceled) {
				t.Fatalf("%q, %v", body, err)
			}
			res.Body.Close()
			run(client, get(testkit.Context(t), t, b.url)).wantPlain(t)
			cancel()
		}
	})
}

// endless is a context that never ends, of its own type. Watching such a context leaves a
// goroutine behind.
type endless struct {
	context.Context
	done chan struct{}
}

func (e *endless) Done() <-chan struct{} { return e.done }

// After any end of an exchange, nothing watches its context.
func TestNobodyWatchesAfterwards(t *testing.T) {
	const watching = "context.(*cancelCtx).propagateCancel"
	cases := []struct{ name, raw string }{
		{"read to its end", plain},
		{"no body", "HTTP/1.1 204 No Content\r\n\r\n"},
		{"closed early", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nplain"},
		{"no answer", ""},
		{"garbage", "garbage\r\n\r\n"},
		{"broken off", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"},
	}
	each(t, func(t *testing.T, l lane) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				b := serve(t, func(l *link) {
					if l.number == 1 {
						l.request()
						l.send(c.raw)
						if c.raw == "" {
							return
						}
					}
					l.plainly()
				})
				client := l.start(t, bounds{})
				ctx := &endless{testkit.Context(t), make(chan struct{})}
				defer close(ctx.done)
				res, err := client.RoundTrip(get(ctx, t, b.url))
				if err == nil {
					if c.name != "closed early" {
						io.Copy(io.Discard, res.Body)
					}
					res.Body.Close()
				}
				testkit.WaitNoGoroutines(t, watching)
			})
		}
	})
}

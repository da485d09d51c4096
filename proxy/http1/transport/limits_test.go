package transport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// held is a backend whose answers wait until they are released, one each.
func held(t *testing.T) (b *backend, release chan struct{}) {
	t.Helper()
	release = make(chan struct{})
	b = serve(t, func(l *link) {
		for {
			if _, ok := l.request(); !ok {
				return
			}
			<-release
			l.send(plain)
		}
	})
	t.Cleanup(func() { close(release) })
	return b, release
}

func TestMaxConns(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		b, release := held(t)
		client := l.start(t, bounds{maxConns: 2})
		var all []<-chan outcome
		for range 7 {
			all = append(all, background(client, get(testkit.Context(t), t, b.url)))
		}
		b.waitSeen(2)
		for i := range all {
			release <- struct{}{}
			if i < 5 {
				b.waitSeen(i + 3)
			}
			if open := len(b.seen()) - i - 1; open > 2 {
				t.Errorf("%d requests under way", open)
			}
		}
		for _, done := range all {
			testkit.Receive(t, "an answer", done).wantPlain(t)
		}
		if made := b.made(); made > 2 {
			t.Errorf("%d connections", made)
		}
	})
}

// The limit applies to each host separately.
func TestMaxConnsOfEach(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		one, release := held(t)
		other := serve(t, (*link).plainly)
		client := l.start(t, bounds{maxConns: 1})
		done := background(client, get(testkit.Context(t), t, one.url))
		one.waitSeen(1)
		follow(t, client, other, 1)
		release <- struct{}{}
		testkit.Receive(t, "an answer", done).wantPlain(t)
	})
}

// A request that waits for a connection stops when its context ends, and uses up no
// connection.
func TestMaxConnsGivenUp(t *testing.T) {
	eachEnd(t, func(t *testing.T, l lane, ctx context.Context, end func(), want error) {
		b, release := held(t)
		client := l.start(t, bounds{maxConns: 1})
		first := background(client, get(testkit.Context(t), t, b.url))
		b.waitSeen(1)
		body := watch(strings.NewReader("hello"))
		r := send(ctx, t, "POST", b.url, body)
		r.ContentLength = 5
		waiting := background(client, r)
		end()
		if o := testkit.Receive(t, "the error", waiting); !errors.Is(o.err, want) {
			t.Errorf("got %+v, want %v", o, want)
		}
		body.wantClosed(t)
		last := background(client, get(testkit.Context(t), t, b.url))
		release <- struct{}{}
		release <- struct{}{}
		testkit.Receive(t, "the first answer", first).wantPlain(t)
		testkit.Receive(t, "the last answer", last).wantPlain(t)
		if seen := b.seen(); len(seen) != 2 || b.made() != 1 {
			t.Errorf("%d connections, %+v", b.made(), seen)
		}
	})
}

// Clients give up when a backend hangs. They must leave nothing that waits for a
// connection or connects later.
func TestMaxConnsGivenUpByMany(t *testing.T) {
	bodies := map[string]func() io.Reader{"none": nil, "small": text("hello"), "unknown": unknown("hello")}
	each(t, func(t *testing.T, l lane) {
		for name, content := range bodies {
			t.Run(name, func(t *testing.T) {
				b, release := held(t)
				client := l.start(t, bounds{maxConns: 1})
				first := background(client, get(t.Context(), t, b.url))
				b.waitSeen(1)
				ctx, cancel := context.WithTimeout(testkit.Context(t), 30*time.Millisecond)
				defer cancel()
				var all []<-chan outcome
				for range 10 {
					var body io.Reader
					if content != nil {
						body = content()
					}
					all = append(all, background(client, send(ctx, t, "POST", b.url, body)))
				}
				for _, done := range all {
					if o := testkit.Receive(t, "the error", done); class(o.err) != "deadline" {
						t.Errorf("got %+v", o)
					}
				}
				testkit.WaitNoGoroutines(t, "net/http.(*Transport).dialConnFor(")
				release <- struct{}{}
				testkit.Receive(t, "the first answer", first).wantPlain(t)
				if seen, made := len(b.seen()), b.made(); seen != 1 || made != 1 {
					t.Errorf("%d requests over %d connections", seen, made)
				}
			})
		}
	})
}

// After any end of an exchange, the next one gets a connection.
func TestMaxConnsFreed(t *testing.T) {
	cases := []struct {
		name   string
		script func(*link) // of the first connections, after a request
	}{
		{"read to its end", func(l *link) { l.send(plain); l.plainly() }},
		{"no body", func(l *link) { l.send("HTTP/1.1 204 No Content\r\n\r\n"); l.plainly() }},
		{"the backend closes", func(l *link) { l.send("HTTP/1.1 200 OK\r\n\r\nhello") }},
		{"the answer says close", func(l *link) {
			l.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello")
			l.untilGone()
		}},
		{"no answer", func(*link) {}},
		{"no good answer", func(l *link) { l.send("garbage\r\n\r\n"); l.untilGone() }},
		{"garbage after it", func(l *link) { l.send(plain + "evil"); l.untilGone() }},
		{"broken off", func(l *link) { l.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello") }},
		{"reset", func(l *link) { l.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"); l.reset() }},
		{"closed idle", func(l *link) { l.send(plain) }},
	}
	each(t, func(t *testing.T, l lane) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				b := serve(t, func(l *link) {
					if l.number <= 3 {
						if _, ok := l.request(); ok {
							c.script(l)
						}
						return
					}
					l.plainly()
				})
				client := l.start(t, bounds{maxConns: 1})
				for range 3 {
					o := run(client, send(testkit.Context(t), t, "POST", b.url, nil))
					if class(o.err) == "deadline" || class(o.bodyErr) == "deadline" {
						t.Fatalf("no place is free: %+v", o)
					}
				}
				if o := run(client, get(testkit.Context(t), t, b.url)); class(o.err) == "deadline" || class(o.bodyErr) == "deadline" {
					t.Fatalf("no place is free: %+v", o)
				}
			})
		}
	})
}

// A waiting request continues when another closes its answer before the end.
func TestMaxConnsFreedByClose(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		b := serve(t, once("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"))
		client := l.start(t, bounds{maxConns: 1})
		res, err := client.RoundTrip(get(testkit.Context(t), t, b.url))
		if err != nil {
			t.Fatal(err)
		}
		waiting := background(client, get(testkit.Context(t), t, b.url))
		res.Body.Close()
		testkit.Receive(t, "the next answer", waiting).wantPlain(t)
	})
}

func TestMaxConnsFreedByFailedDials(t *testing.T) {
	errDial := errors.New("no way")
	each(t, func(t *testing.T, l lane) {
		b := serve(t, (*link).plainly)
		var mu sync.Mutex
		fails := 5
		client := l.start(t, bounds{maxConns: 1, dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			if fails--; fails >= 0 {
				return nil, errDial
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		}})
		for range 5 {
			if o := run(client, get(testkit.Context(t), t, b.url)); !errors.Is(o.err, errDial) {
				t.Fatalf("got %+v", o)
			}
		}
		follow(t, client, b, 1)
	})
}

// Requests of every kind share the limit, in whichever way they are sent.
func TestMaxConnsOfEveryKind(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		var busy, most atomic.Int64
		b := serve(t, func(l *link) {
			for {
				if _, ok := l.request(); !ok {
					return
				}
				if now := busy.Add(1); now > most.Load() {
					most.Store(now)
				}
				runtime.Gosched()
				busy.Add(-1)
				l.send(plain)
			}
		})
		client := l.start(t, bounds{maxConns: 2})
		var all sync.WaitGroup
		for n := range 16 {
			all.Go(func() {
				for range 10 {
					var o outcome
					switch n % 4 {
					case 0:
						o = run(client, get(testkit.Context(t), t, b.url))
					case 1:
						o = run(client, send(testkit.Context(t), t, "POST", b.url, strings.NewReader("hello")))
					case 2:
						o = run(client, send(testkit.Context(t), t, "POST", b.url, hidden{strings.NewReader("hello")}))
					case 3:
						o = run(client, send(testkit.Context(t), t, "POST", b.url, strings.NewReader(strings.Repeat("x", 200_000))))
					}
					if o.err != nil || o.body != "plain" {
						t.Errorf("got %+v", o)
						return
					}
				}
			})
		}
		all.Wait()
		if got := most.Load(); got > 2 {
			t.Errorf("%d requests at once", got)
		}
	})
}

func TestMaxIdle(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		b, release := held(t)
		client := l.start(t, bounds{maxIdle: 2})
		var all []<-chan outcome
		for range 5 {
			all = append(all, background(client, get(testkit.Context(t), t, b.url)))
		}
		b.waitSeen(5)
		for range all {
			release <- struct{}{}
		}
		for _, done := range all {
			testkit.Receive(t, "an answer", done).wantPlain(t)
		}
		b.waitOpen(2)
		done := background(client, get(testkit.Context(t), t, b.url))
		release <- struct{}{}
		testkit.Receive(t, "an answer", done).wantPlain(t)
		if made := b.made(); made != 5 {
			t.Errorf("%d connections", made)
		}
	})
}

func TestCloseIdleConnections(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		b, release := held(t)
		client := l.start(t, bounds{})
		idle, busy := background(client, get(testkit.Context(t), t, b.url)), background(client, get(testkit.Context(t), t, b.url))
		b.waitSeen(2)
		release <- struct{}{}
		select {
		case o := <-idle:
			o.wantPlain(t)
			idle = busy
		case o := <-busy:
			o.wantPlain(t)
		}
		client.CloseIdleConnections()
		b.waitOpen(1)
		release <- struct{}{}
		testkit.Receive(t, "the answer on the busy one", idle).wantPlain(t)
		b.waitOpen(0) // until there is another request, nothing is kept
		client.CloseIdleConnections()
		done := background(client, get(testkit.Context(t), t, b.url))
		release <- struct{}{}
		testkit.Receive(t, "an answer", done).wantPlain(t)
		if made := b.made(); made != 3 {
			t.Errorf("%d connections", made)
		}
	})
}

// A connection is in use while the body of its answer is read.
func TestCloseIdleConnectionsWithinTheBody(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		release := make(chan struct{})
		b := serve(t, func(l *link) {
			l.request()
			l.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
			<-release
			l.send("world")
			l.plainly()
		})
		client := l.start(t, bounds{})
		res, err := client.RoundTrip(get(testkit.Context(t), t, b.url))
		if err != nil {
			t.Fatal(err)
		}
		client.CloseIdleConnections()
		close(release)
		body, err := io.ReadAll(res.Body)
		if err != nil || string(body) != "helloworld" {
			t.Errorf("%q, %v", body, err)
		}
		res.Body.Close()
	})
}

func TestIdleTimeout(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		b := serve(t, (*link).plainly)
		client := l.start(t, bounds{idleTimeout: 30 * time.Millisecond})
		for number := range 3 {
			began := time.Now()
			follow(t, client, b, number+1)
			b.waitGone(number + 1)
			if took := time.Since(began); took < 10*time.Millisecond || took > testkit.Timeout/2 {
				t.Errorf("the connection was kept for %v", took)
			}
		}
		wantNoGoroutines(t)
	})
}

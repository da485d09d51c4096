package transport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

func TestOneConnectionForAll(t *testing.T) {
	methods := []struct {
		name, method string
		body         func() io.Reader
	}{
		{"GET", "GET", nil},
		{"HEAD", "HEAD", nil},
		{"POST", "POST", text("hello")},
		{"PUT without a body", "PUT", nil},
		{"POST in chunks", "POST", unknown("hello")},
	}
	each(t, func(t *testing.T, l lane) {
		for _, m := range methods {
			t.Run(m.name, func(t *testing.T) {
				b := serve(t, (*link).plainly)
				client := l.start(t, bounds{})
				for range 100 {
					var body io.Reader
					if m.body != nil {
						body = m.body()
					}
					if o := run(client, send(testkit.Context(t), t, m.method, b.url, body)); o.err != nil || o.bodyErr != nil || o.status != 200 {
						t.Fatalf("got %+v", o)
					}
				}
				if made := b.made(); made != 1 {
					t.Errorf("%d connections for 100 requests", made)
				}
			})
		}
	})
}

// The connection becomes free at the end of the answer, not when its body is closed.
func TestReuseBeforeClose(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		b := serve(t, (*link).plainly)
		client := l.start(t, bounds{})
		res, err := client.RoundTrip(get(testkit.Context(t), t, b.url))
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(res.Body); err != nil || string(body) != "plain" {
			t.Fatalf("%q, %v", body, err)
		}
		follow(t, client, b, 1)
		// Reading or closing the old body late does not affect the connection.
		for range 2 {
			if n, err := res.Body.Read(make([]byte, 8)); n != 0 || err != io.EOF {
				t.Errorf("after the end: %d, %v", n, err)
			}
		}
		for range 2 {
			if err := res.Body.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		follow(t, client, b, 1)
		if _, err := res.Body.Read(make([]byte, 8)); err == nil {
			t.Error("a closed body can be read")
		}
	})
}

// Reading exactly the announced length does not yet mean reading to the end, unless the
// end came with it.
func TestExactRead(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		b := serve(t, (*link).plainly)
		client := l.start(t, bounds{})
		res, err := client.RoundTrip(get(testkit.Context(t), t, b.url))
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, 5)
		n, err := io.ReadFull(res.Body, body)
		if n != 5 || err != nil || string(body) != "plain" {
			t.Fatalf("%q, %v", body, err)
		}
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
		follow(t, client, b, 1)
	})
}

// Closing an answer before its end closes the connection, without waiting for the rest.
func TestCloseBeforeTheEnd(t *testing.T) {
	cases := []struct {
		name, raw string
		read      int
	}{
		{"a length, nothing read", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", 0},
		{"a length, some read", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", 3},
		{"all is there, nothing read", plain, 0},
		{"chunks, nothing read", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 0},
		{"chunks, some read", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 5},
		{"until it closes", "HTTP/1.1 200 OK\r\n\r\nhello", 5},
		{"a rest without end", "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\nhello", 5},
	}
	each(t, func(t *testing.T, l lane) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				b := serve(t, once(c.raw))
				client := l.start(t, bounds{})
				res, err := client.RoundTrip(get(testkit.Context(t), t, b.url))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(res.Body, make([]byte, c.read)); err != nil {
					t.Fatal(err)
				}
				for range 2 {
					if err := res.Body.Close(); err != nil {
						t.Errorf("close: %v", err)
					}
				}
				if n, err := res.Body.Read(make([]byte, 8)); n != 0 || err == nil || err == io.EOF {
					t.Errorf("a body that was closed early reads %d, %v: it looks whole", n, err)
				}
				b.waitGone(1)
				follow(t, client, b, 2)
			})
		}
	})
}

// Closing the body ends a running read.
func TestCloseDuringRead(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		for _, raw := range []string{
			"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
			"HTTP/1.1 200 OK\r\n\r\nhello",
		} {
			t.Run(raw, func(t *testing.T) {
				b := serve(t, once(raw))
				client := l.start(t, bounds{})
				res, err := client.RoundTrip(get(testkit.Context(t), t, b.url))
				if err != nil {
					t.Fatal(err)
				}
				begun, read := make(chan struct{}), make(chan error, 1)
				go func() {
					_, err := io.ReadFull(res.Body, make([]byte, 5))
					close(begun)
					if err == nil {
						_, err = io.ReadAll(res.Body)
					}
					read <- err
				}()
				testkit.Receive(t, "the first bytes", begun)
				if err := res.Body.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
				if err := testkit.Receive(t, "the end of the read", read); err == nil {
					t.Errorf("%q: what was cut off looks whole", raw)
				}
				b.waitGone(1)
				follow(t, client, b, 2)
			})
		}
	})
}

// An error in the middle of a body is also returned by later reads.
func TestErrorsStay(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		for _, raw := range []string{
			"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n5\r\nhello\r\n0\r\nX-A: b\r\n",
		} {
			t.Run(raw, func(t *testing.T) {
				b := serve(t, func(l *link) {
					l.request()
					l.send(raw)
				})
				client := l.start(t, bounds{})
				res, err := client.RoundTrip(get(testkit.Context(t), t, b.url))
				if err != nil {
					t.Fatal(err)
				}
				for range 3 {
					if _, err := io.ReadAll(res.Body); err == nil {
						t.Errorf("%q looks whole", raw)
					}
				}
				res.Body.Close()
			})
		}
	})
}

// Bytes that a backend sends on an idle connection are not an answer.
func TestSpokenWhileIdle(t *testing.T) {
	cases := []struct{ name, raw string }{
		{"an answer", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"},
		{"a timeout", "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"},
		{"an announcement", "HTTP/1.1 103 Early Hints\r\n\r\n"},
		{"a byte", "x"},
		{"a newline", "\r\n"},
	}
	each(t, func(t *testing.T, l lane) {
		for _, c := range cases {
			for _, end := range []string{"", " and closes"} {
				t.Run(c.name+end, func(t *testing.T) {
					idle, spoken := make(chan struct{}), make(chan struct{})
					b := serve(t, onFirst(func(l *link) {
						l.request()
						l.send(plain)
						<-idle
						l.send(c.raw)
						if end != "" {
							l.finish()
						}
						close(spoken)
						l.untilGone()
					}))
					client := l.start(t, bounds{})
					follow(t, client, b, 1)
					close(idle)
					testkit.Receive(t, "the backend's word", spoken)
					if l.watches {
						b.waitGone(1)
					}
					follow(t, client, b, 2)
					b.waitGone(1)
				})
			}
		}
	})
}

// A connection that the backend has closed while it was idle makes no request fail.
func TestClosedWhileIdle(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		for _, how := range []string{"close", "finish", "reset"} {
			for _, method := range []string{"GET", "POST"} {
				t.Run(method+" after "+how, func(t *testing.T) {
					idle, done := make(chan struct{}), make(chan struct{})
					b := serve(t, onFirst(func(l *link) {
						l.request()
						l.send(plain)
						<-idle
						switch how {
						case "close":
							l.Close()
						case "finish":
							l.finish()
							defer l.untilGone()
						case "reset":
							l.reset()
						}
						close(done)
					}))
					client := l.start(t, bounds{})
					follow(t, client, b, 1)
					close(idle)
					testkit.Receive(t, "the end of the connection", done)
					if l.watches && method == "POST" {
						// It goes over the old connection if the watcher has not
						// run yet. There is no telling when it has but this.
						wantNoGoroutines(t)
					}
					var body io.Reader
					if method == "POST" {
						body = strings.NewReader("hello")
					}
					run(client, send(testkit.Context(t), t, method, b.url, body)).wantPlain(t)
					if seen := b.seen(); len(seen) != 2 || seen[1].link != 2 {
						t.Errorf("the backend saw %+v", seen)
					}
				})
			}
		}
	})
}

// repeatable are requests. Each says whether it may be sent again when the backend closes
// a reused connection without a byte of an answer.
var repeatable = []struct {
	name, method string
	body         func() io.Reader
	key          string
	again        bool
}{
	{name: "GET", method: "GET", again: true},
	{name: "HEAD", method: "HEAD", again: true},
	{name: "OPTIONS", method: "OPTIONS", again: true},
	{name: "TRACE", method: "TRACE", again: true},
	{name: "POST", method: "POST"},
	{name: "POST with a body", method: "POST", body: text("hello")},
	{name: "POST in chunks", method: "POST", body: unknown("hello")},
	{name: "POST with a key", method: "POST", key: "Idempotency-Key", again: true},
	{name: "POST with a key of old", method: "POST", key: "X-Idempotency-Key", again: true},
	{name: "PATCH", method: "PATCH"},
	// RFC 9110 section 9.2.2 allows these two; net/http does not.
	{name: "PUT", method: "PUT"},
	{name: "DELETE", method: "DELETE"},
	{name: "a method of one's own", method: "PROPFIND"},
	{name: "GET with a body", method: "GET", body: unknown("hello")},
}

// A request is sent again only over another connection, only when certainly no byte of an
// answer came, and only when that is safe.
func TestSentAgain(t *testing.T) {
	ends := []struct {
		name string
		end  func(*link)
	}{
		{"closes", func(*link) {}},
		{"resets", (*link).reset},
		{"finishes", func(l *link) { l.finish(); l.untilGone() }},
	}
	each(t, func(t *testing.T, l lane) {
		for _, c := range repeatable {
			for _, e := range ends {
				t.Run(c.name+" that the backend "+e.name, func(t *testing.T) {
					b := serve(t, func(l *link) {
						l.request()
						if l.number == 1 {
							l.send(plain)
							l.request()
							e.end(l)
							return
						}
						if strings.HasPrefix(l.b.seen()[len(l.b.seen())-1].line, "HEAD ") {
							l.send(strings.TrimSuffix(plain, "plain"))
						} else {
							l.send(plain)
						}
						l.plainly()
					})
					client := l.start(t, bounds{})
					var body io.Reader
					if c.body != nil {
						body = hidden{c.body()} // what cannot be rewound
					}
					// Requests of unknown length may have their own connections.
					first := send(testkit.Context(t), t, "POST", b.url, nil)
					if _, chunked := body.(hidden); chunked && c.name != "POST with a body" {
						first = send(testkit.Context(t), t, "POST", b.url, hidden{strings.NewReader("first")})
					}
					run(client, first).wantPlain(t)
					r := send(testkit.Context(t), t, c.method, b.url+"/again", body)
					if c.name == "POST with a body" {
						r.ContentLength = 5
					}
					if c.key != "" {
						r.Header.Set(c.key, "1")
					}
					o := run(client, r)
					times := len(b.seen()) - 1
					switch {
					case c.again && (o.err != nil || o.status != 200 || times != 2):
						t.Errorf("got %+v after %d times, want the answer to the second", o, times)
					case !c.again && (class(o.err) != "EOF" && class(o.err) != "reset" || times != 1):
						t.Errorf("got %+v after %d times, want an error after one", o, times)
					}
				})
			}
		}
	})
}

// Only once, and never after a new connection.
func TestSentAgainOnce(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		b := serve(t, func(l *link) {
			l.request()
			if l.number == 1 {
				l.send(plain)
				l.request()
			}
		})
		client := l.start(t, bounds{})
		follow(t, client, b, 1)
		if o := run(client, get(testkit.Context(t), t, b.url)); class(o.err) != "EOF" {
			t.Errorf("got %+v", o)
		}
		if times := len(b.seen()) - 1; times != 2 {
			t.Errorf("the request was sent %d times", times)
		}
		if made := b.made(); made != 2 {
			t.Errorf("%d connections", made)
		}
	})
}

// Several stale connections, one after the other: no GET fails, and a POST fails with the
// first.
func TestManyStaleConnections(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		for _, maxConns := range []int{0, 3} {
			t.Run(strconv.Itoa(maxConns), func(t *testing.T) {
				release := make(chan struct{})
				b := serve(t, func(l *link) {
					if l.number > 3 {
						l.plainly()
						return
					}
					l.request()
					<-release
					l.send(plain)
					l.request()
				})
				client := l.start(t, bounds{maxConns: maxConns})
				var all []<-chan outcome
				for range 3 {
					all = append(all, background(client, get(testkit.Context(t), t, b.url)))
				}
				b.waitSeen(3)
				close(release)
				for _, done := range all {
					testkit.Receive(t, "an answer", done).wantPlain(t)
				}
				if o := run(client, send(testkit.Context(t), t, "POST", b.url, strings.NewReader("hello"))); class(o.err) != "EOF" || len(b.seen()) != 4 {
					// A body of bytes in memory could be sent again, but not by a transport that
					// follows RFC 9110.
					t.Errorf("got %+v after %d requests", o, len(b.seen()))
				}
				run(client, get(testkit.Context(t), t, b.url)).wantPlain(t)
				if times := len(b.seen()) - 4; times < 2 || times > 3 {
					t.Errorf("the GET was sent %d times", times)
				}
			})
		}
	})
}

// When a byte came, a backend has processed the request.
func TestNotSentAgainAfterAByte(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		for _, raw := range []string{"H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n", "x"} {
			t.Run(raw, func(t *testing.T) {
				b := serve(t, func(l *link) {
					l.request()
					if l.number == 1 {
						l.send(plain)
						l.request()
						l.send(raw)
						return
					}
					l.send(plain)
					l.plainly()
				})
				client := l.start(t, bounds{})
				follow(t, client, b, 1)
				if o := run(client, get(testkit.Context(t), t, b.url)); o.err == nil {
					t.Errorf("got %+v", o)
				}
				if times := len(b.seen()) - 1; times != 1 {
					t.Errorf("the request was sent %d times", times)
				}
				follow(t, client, b, 2)
			})
		}
	})
}

// When nothing listens, RoundTrip returns the error of the dial and closes the body.
func TestDialFails(t *testing.T) {
	errDial := errors.New("no way")
	each(t, func(t *testing.T, l lane) {
		dials := make(chan string, 8)
		client := l.start(t, bounds{maxConns: 1, dial: func(_ context.Context, network, address string) (net.Conn, error) {
			dials <- network + " " + address
			return nil, errDial
		}})
		for range 2 {
			body := watch(strings.NewReader("hello"))
			r := send(testkit.Context(t), t, http.MethodPost, "http://backend.example", body)
			r.ContentLength = 5
			if o := run(client, r); !errors.Is(o.err, errDial) {
				t.Errorf("got %+v", o)
			}
			body.wantClosed(t)
			if got := <-dials; got != "tcp backend.example:80" || len(dials) > 0 {
				t.Errorf("dialled %q", got)
			}
		}
	})
}

// The dialed address is host and port, in whichever form the URL has them.
func TestDialledAddress(t *testing.T) {
	errDial := errors.New("no way")
	addresses := map[string]string{
		"backend.example":            "backend.example:80",
		"backend.example:":           "backend.example:80",
		"backend.example:80":         "backend.example:80",
		"backend.example:8080":       "backend.example:8080",
		"Backend.Example":            "Backend.Example:80",
		"192.0.2.1":                  "192.0.2.1:80",
		"192.0.2.1:8080":             "192.0.2.1:8080",
		"[2001:db8::1]":              "[2001:db8::1]:80",
		"[2001:db8::1]:":             "[2001:db8::1]:80",
		"[2001:db8::1]:8080":         "[2001:db8::1]:8080",
		"[fe80::1%eth0]":             "[fe80::1%eth0]:80",
		"b\u00fccher.example":        "xn--bcher-kva.example:80",
		"b\u00fccher.example:8080":   "xn--bcher-kva.example:8080",
		"backend.example.:8080":      "backend.example.:8080",
		"under_score.example":        "under_score.example:80",
		"a.very-long.name.svc.local": "a.very-long.name.svc.local:80",
	}
	each(t, func(t *testing.T, l lane) {
		for host, want := range addresses {
			t.Run(host, func(t *testing.T) {
				dials := make(chan string, 8)
				client := l.start(t, bounds{dial: func(_ context.Context, network, address string) (net.Conn, error) {
					dials <- network + " " + address
					return nil, errDial
				}})
				r := get(testkit.Context(t), t, "http://backend.example")
				r.URL.Host = host
				if o := run(client, r); !errors.Is(o.err, errDial) {
					t.Fatalf("got %+v", o)
				}
				if got := <-dials; got != "tcp "+want {
					t.Errorf("dialled %q, want %q", got, want)
				}
			})
		}
	})
}

// A backend may send bytes, or close, before it gets a request on a new connection. Timing
// decides whether the client reads those bytes as the answer; neither side waits for the
// other.
func TestSpokenBeforeAsked(t *testing.T) {
	cases := []struct {
		name string
		do   func(*link)
	}{
		{"an answer", func(l *link) { l.send(plain) }},
		{"a refusal, and closes", func(l *link) {
			l.send("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			l.finish()
		}},
		{"garbage", func(l *link) { l.send("220 mail.example.com ESMTP\r\n") }},
		{"a byte, and closes", func(l *link) { l.send("x"); l.finish() }},
		{"nothing, and finishes", (*link).finish},
		{"nothing, and closes", func(l *link) { l.Close() }},
		{"nothing, and resets", (*link).reset},
	}
	each(t, func(t *testing.T, l lane) {
		for _, c := range cases {
			for _, method := range []string{"GET", "POST"} {
				t.Run(c.name+", to "+method, func(t *testing.T) {
					spoken := make(chan struct{}, 8)
					b := serve(t, func(l *link) {
						if l.number > 1 {
							spoken <- struct{}{}
							l.plainly()
							return
						}
						c.do(l)
						spoken <- struct{}{}
						l.request() // has its answer
						l.plainly()
					})
					client := l.start(t, bounds{dial: func(ctx context.Context, network, address string) (net.Conn, error) {
						made, err := new(net.Dialer).DialContext(ctx, network, address)
						if err == nil {
							<-spoken
						}
						return made, err
					}})
					var body io.Reader
					if method == "POST" {
						body = strings.NewReader("hello")
					}
					o := run(client, send(testkit.Context(t), t, method, b.url, body))
					if class(o.err) == "deadline" || class(o.bodyErr) == "deadline" {
						t.Fatalf("got %+v: it hangs", o)
					}
					if o.err != nil {
						b.waitGone(1)
					}
					run(client, get(testkit.Context(t), t, b.url)).wantPlain(t)
				})
			}
		}
	})
}

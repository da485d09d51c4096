// These tests are at the border between package wire and net/http. A caller must not
// notice which of them reads or writes a head.

package transport_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// sized returns an answer whose head has this length, with a body.
func sized(head, body int) (raw, content string) {
	content = strings.Repeat("0123456789", body/10+1)[:body]
	raw = fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Filling: ", body)
	return raw + strings.Repeat("x", head-len(raw)-len("\r\n\r\n")) + "\r\n\r\n" + content, content
}

// TestAnswersByPlainness checks answers that are just simple, and answers that are just
// not.
func TestAnswersByPlainness(t *testing.T) {
	length := http.Header{"Content-Length": {"5"}}
	with := func(name string, values ...string) http.Header {
		header := length.Clone()
		header[name] = values
		return header
	}
	cases := []answered{
		{name: "keep-alive", raw: "HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\nhello", header: with("Connection", "Keep-Alive"), length: 5, body: "hello"},
		{name: "CLOSE", raw: "HTTP/1.1 200 OK\r\nConnection: CLOSE\r\nContent-Length: 5\r\n\r\nhello", header: length, length: 5, body: "hello", fate: closed},
		{name: "cloſe", raw: "HTTP/1.1 200 OK\r\nConnection: clo\u017fe\r\nContent-Length: 5\r\n\r\nhello", header: with("Connection", "clo\u017fe"), length: 5, body: "hello"},
		{name: "closed", raw: "HTTP/1.1 200 OK\r\nConnection: closed\r\nContent-Length: 5\r\n\r\nhello", header: with("Connection", "closed"), length: 5, body: "hello"},
		{name: "Connection of another field", raw: "HTTP/1.1 200 OK\r\nConnection: x-a\r\nContent-Length: 5\r\n\r\nhello", header: with("Connection", "x-a"), length: 5, body: "hello"},
		{
			name: "close, in a field of its own", raw: "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
			header: length, length: 5, body: "hello", fate: closed,
		},
		{name: "HEAD that closes", method: "HEAD", raw: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n", header: length, length: 5, fate: closed},
		{name: "POST", method: "POST", raw: "HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello", status: 201, header: length, length: 5, body: "hello"},
		{name: "304 that closes", raw: "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n", status: 304, fate: closed},
		{name: "an upgrade on offer", raw: "HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhello", header: with("Upgrade", "h2c"), length: 5, body: "hello"},
		{name: "an empty field", raw: "HTTP/1.1 200 OK\r\nX-A:\r\nContent-Length: 5\r\n\r\nhello", header: with("X-A", ""), length: 5, body: "hello"},
		{name: "bytes beyond ASCII", raw: "HTTP/1.1 200 \xff\r\nX-A: \xc3\xa4\xff\r\nContent-Length: 5\r\n\r\nhello", header: with("X-A", "\xc3\xa4\xff"), length: 5, body: "hello"},
		{
			name: "announced, then close", raw: "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
			header: length, length: 5, body: "hello", fate: closed,
		},
		{name: "announced, then 204", raw: "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", status: 204},
		{
			name: "an empty line in the body", raw: "HTTP/1.1 200 OK\nContent-Length: 9\n\na: b\r\n\r\nc",
			header: http.Header{"Content-Length": {"9"}}, length: 9, body: "a: b\r\n\r\nc",
		},
		{
			name: "a long body that breaks off", raw: "HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + strings.Repeat("x", 50_000),
			header: http.Header{"Content-Length": {"70000"}}, length: 70_000, body: strings.Repeat("x", 50_000), bodyErr: "unexpected EOF", fate: ended,
		},
	}
	// The buffer has 4 KiB. These heads and bodies end at its end, or near it.
	for _, head := range []int{100, 4095, 4096, 4097, 8192, 8193} {
		for _, body := range []int{0, 1, 3996, 3997, 4096, 10_000} {
			raw, content := sized(head, body)
			filling := strings.TrimSuffix(raw[strings.Index(raw, "X-Filling: ")+len("X-Filling: "):], "\r\n\r\n"+content)
			cases = append(cases, answered{
				name: fmt.Sprintf("a head of %d, a body of %d", head, body), raw: raw, length: int64(body), body: content,
				header: http.Header{"Content-Length": {strconv.Itoa(body)}, "X-Filling": {filling}},
			})
		}
	}
	each(t, func(t *testing.T, l lane) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) { c.test(t, l) })
		}
	})
}

// A read of no bytes does not return the end, and consumes nothing.
func TestReadOfNothing(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		b := serve(t, once("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
		client := l.start(t, bounds{})
		res, err := client.RoundTrip(get(testkit.Context(t), t, b.url))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		for _, rest := range []string{"he", "llo"} {
			if n, err := res.Body.Read(nil); n != 0 || err != nil {
				t.Errorf("read %d, %v", n, err)
			}
			part := make([]byte, len(rest))
			if _, err := io.ReadFull(res.Body, part); err != nil || string(part) != rest {
				t.Errorf("read %q, %v; want %q", part, err, rest)
			}
		}
		for range 2 {
			if n, err := res.Body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("read %d, %v; want the end", n, err)
			}
		}
		follow(t, client, b, 1)
	})
}

// The head of a request that fills the buffer, or almost, arrives like any other.
func TestRequestHeadsOfEverySize(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		b := serve(t, (*link).plainly)
		client := l.start(t, bounds{})
		for _, method := range []string{"GET", "POST"} {
			for size := 3900; size < 4200; size += 7 {
				r := send(testkit.Context(t), t, method, b.url, nil)
				value := strings.Repeat("x", size)
				r.Header.Set("X-Long", value)
				run(client, r).wantPlain(t)
				seen := b.seen()
				if got := seen[len(seen)-1]; !slices.Contains(got.fields, "X-Long: "+value) || got.link != 1 {
					t.Fatalf("with %d bytes the backend saw %+v", size, got)
				}
			}
		}
	})
}

// A head larger than the buffer is written in parts. Nothing of it is written to a
// connection that was closed.
func TestLargeHeadAfterClose(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		for _, method := range []string{"GET", "POST"} {
			t.Run(method, func(t *testing.T) {
				idle, done := make(chan struct{}), make(chan struct{})
				b := serve(t, onFirst(func(l *link) {
					l.request()
					l.send(plain)
					<-idle
					l.finish()
					close(done)
					l.untilGone()
				}))
				client := l.start(t, bounds{})
				follow(t, client, b, 1)
				close(idle)
				testkit.Receive(t, "the end of the connection", done)
				if l.watches {
					b.waitGone(1)
				}
				r := send(testkit.Context(t), t, method, b.url, nil)
				r.Header.Set("X-Long", strings.Repeat("x", 20_000))
				run(client, r).wantPlain(t)
				if seen := b.seen(); len(seen) != 2 || seen[1].link != 2 {
					t.Errorf("the backend saw %d requests", len(seen))
				}
			})
		}
	})
}

// An invalid target is refused before a byte of it is written, with or without a body.
func TestTargetsThatAreNone(t *testing.T) {
	cases := map[string]func(*http.Request){
		"a line in the query":    func(r *http.Request) { r.URL.RawQuery = "a HTTP/1.1\r\nX-Evil: b" },
		"a newline in the query": func(r *http.Request) { r.URL.RawQuery = "a\n" },
		"a tab in the query":     func(r *http.Request) { r.URL.RawQuery = "a\tb" },
		"DEL in the query":       func(r *http.Request) { r.URL.RawQuery = "\x7f" },
		"a line in the opaque":   func(r *http.Request) { r.URL.Opaque = "/a HTTP/1.1\r\nX-Evil: b" },
		"a NUL in the opaque":    func(r *http.Request) { r.URL.Opaque = "/\x00" },
	}
	each(t, func(t *testing.T, l lane) {
		for name, change := range cases {
			for _, method := range []string{"GET", "POST"} {
				t.Run(name+", "+method, func(t *testing.T) {
					b := serve(t, (*link).plainly)
					client := l.start(t, bounds{})
					r := send(testkit.Context(t), t, method, b.url, nil)
					change(r)
					if o := run(client, r); o.err == nil {
						t.Errorf("got %+v, want an error", o)
					}
					b.waitGone(1)
					follow(t, client, b, 2)
					if seen := b.seen(); len(seen) != 1 {
						t.Errorf("the backend saw %+v", seen)
					}
				})
			}
		}
	})
}

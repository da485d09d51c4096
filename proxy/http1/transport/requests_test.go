package transport_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gatehouse/internal/testkit"

	"github.com/google/go-cmp/cmp"
)

// onWire is a request, with the bytes that must arrive.
type onWire struct {
	name    string
	method  string
	url     string // below the backend's
	body    func() io.Reader
	change  func(*http.Request)
	line    string
	fields  []string // besides Host, which is the backend's address where none is given
	content string
	trailer []string
}

func text(s string) func() io.Reader { return func() io.Reader { return strings.NewReader(s) } }

// hidden hides a body's type from net/http, and with it the length.
type hidden struct{ io.Reader }

func unknown(s string) func() io.Reader {
	return func() io.Reader { return hidden{strings.NewReader(s)} }
}

var wireCases = []onWire{
	{name: "GET", line: "GET / HTTP/1.1"},
	{name: "no method is GET", change: func(r *http.Request) { r.Method = "" }, line: "GET / HTTP/1.1"},
	{name: "HEAD", method: "HEAD", line: "HEAD / HTTP/1.1"},
	{name: "DELETE", method: "DELETE", line: "DELETE / HTTP/1.1"},
	{name: "a method of one's own", method: "PROPFIND", line: "PROPFIND / HTTP/1.1"},
	{name: "POST without a body", method: "POST", line: "POST / HTTP/1.1", fields: []string{"Content-Length: 0"}},
	{name: "PUT with NoBody", method: "PUT", body: func() io.Reader { return http.NoBody }, line: "PUT / HTTP/1.1", fields: []string{"Content-Length: 0"}},
	{name: "PATCH without a body", method: "PATCH", line: "PATCH / HTTP/1.1", fields: []string{"Content-Length: 0"}},
	{name: "OPTIONS", method: "OPTIONS", line: "OPTIONS / HTTP/1.1"},
	{name: "GET with NoBody", body: func() io.Reader { return http.NoBody }, line: "GET / HTTP/1.1"},
	{name: "POST", method: "POST", body: text("hello"), line: "POST / HTTP/1.1", fields: []string{"Content-Length: 5"}, content: "hello"},
	{name: "DELETE with a body", method: "DELETE", body: text("hello"), line: "DELETE / HTTP/1.1", fields: []string{"Content-Length: 5"}, content: "hello"},
	{name: "GET with a body", body: text("hello"), line: "GET / HTTP/1.1", fields: []string{"Content-Length: 5"}, content: "hello"},
	{
		name: "unknown length", method: "POST", body: unknown("hello"), line: "POST / HTTP/1.1",
		fields: []string{"Transfer-Encoding: chunked"}, content: "hello",
	},
	{
		name: "unknown length, empty", method: "POST", body: unknown(""), line: "POST / HTTP/1.1",
		fields: []string{"Transfer-Encoding: chunked"},
	},
	{name: "GET of unknown length, empty", body: unknown(""), line: "GET / HTTP/1.1"},
	{
		name: "GET of unknown length", body: unknown("hello"), line: "GET / HTTP/1.1",
		fields: []string{"Transfer-Encoding: chunked"}, content: "hello",
	},
	{
		name: "length -1", method: "PUT", body: text("hello"), change: func(r *http.Request) { r.ContentLength = -1 },
		line: "PUT / HTTP/1.1", fields: []string{"Transfer-Encoding: chunked"}, content: "hello",
	},
	{
		name: "trailer", method: "POST", body: unknown("hello"),
		change: func(r *http.Request) { r.Trailer = http.Header{"X-Sum": {"42"}} },
		line:   "POST / HTTP/1.1", fields: []string{"Transfer-Encoding: chunked", "Trailer: X-Sum"},
		content: "hello", trailer: []string{"X-Sum: 42"},
	},
	{name: "path and query", url: "/a%2Fb/c?d=e&f=%20", line: "GET /a%2Fb/c?d=e&f=%20 HTTP/1.1"},
	{name: "empty path", change: func(r *http.Request) { r.URL.Path = "" }, line: "GET / HTTP/1.1"},
	{name: "a lone question mark", change: func(r *http.Request) { r.URL.ForceQuery = true }, line: "GET /? HTTP/1.1"},
	{name: "a blank in the query", change: func(r *http.Request) { r.URL.RawQuery = "a b" }, line: "GET /?a b HTTP/1.1"},
	{name: "bytes in the query", change: func(r *http.Request) { r.URL.RawQuery = "\xff\xc3\xa4" }, line: "GET /?\xff\xc3\xa4 HTTP/1.1"},
	{name: "a blank in the path", change: func(r *http.Request) { r.URL.Path = "/a b\t\u00e4" }, line: "GET /a%20b%09%C3%A4 HTTP/1.1"},
	{
		name: "opaque like a URL", change: func(r *http.Request) { r.URL.Opaque = "//b.example/c" },
		line: "GET http://b.example/c HTTP/1.1",
	},
	{name: "fragment", url: "/a#b", line: "GET /a HTTP/1.1"},
	{name: "opaque", change: func(r *http.Request) { r.URL.Opaque = "/a%zz//../b" }, line: "GET /a%zz//../b HTTP/1.1"},
	{
		name: "opaque with a query", change: func(r *http.Request) { r.URL.Opaque, r.URL.RawQuery = "/a", "b=c" },
		line: "GET /a?b=c HTTP/1.1",
	},
	{
		name: "OPTIONS *", method: "OPTIONS", change: func(r *http.Request) { r.URL.Opaque = "*" }, line: "OPTIONS * HTTP/1.1",
	},
	{
		name: "Host", change: func(r *http.Request) { r.Host = "public.example.com:8443" },
		line: "GET / HTTP/1.1", fields: []string{"Host: public.example.com:8443"},
	},
	{
		name: "a host with a zone", change: func(r *http.Request) { r.Host = "[fe80::1%25en0]:80" },
		line: "GET / HTTP/1.1", fields: []string{"Host: [fe80::1]:80"},
	},
	{
		name: "a foreign host", change: func(r *http.Request) { r.Host = "b\u00fccher.example:80" },
		line: "GET / HTTP/1.1", fields: []string{"Host: xn--bcher-kva.example:80"},
	},
	{
		name: "a host that is none", change: func(r *http.Request) { r.Host = "a/b" },
		line: "GET / HTTP/1.1", fields: []string{"Host: "},
	},
	{
		name: "a line in the host", change: func(r *http.Request) { r.Host = "a\r\nX-Evil: b" },
		line: "GET / HTTP/1.1", fields: []string{"Host: "},
	},
	{
		name: "what belongs to the transport", method: "POST", body: text("hello"),
		change: func(r *http.Request) {
			r.Header.Set("Host", "evil.example.com")
			r.Header.Set("Content-Length", "999")
			r.Header.Set("Transfer-Encoding", "chunked")
			r.Header.Set("Trailer", "X-Evil")
		},
		line: "POST / HTTP/1.1", fields: []string{"Content-Length: 5"}, content: "hello",
	},
	{
		name: "User-Agent", change: func(r *http.Request) { r.Header.Set("User-Agent", "curl/8") },
		line: "GET / HTTP/1.1", fields: []string{"User-Agent: curl/8"},
	},
	{
		name: "two User-Agents", change: func(r *http.Request) { r.Header["User-Agent"] = []string{" curl/8 ", "evil"} },
		line: "GET / HTTP/1.1", fields: []string{"User-Agent: curl/8"},
	},
	{name: "a User-Agent of no value", change: func(r *http.Request) { r.Header["User-Agent"] = nil }, line: "GET / HTTP/1.1"},
	{
		name: "no User-Agent at all", change: func(r *http.Request) { r.Header.Del("User-Agent") },
		line: "GET / HTTP/1.1", fields: []string{"User-Agent: Go-http-client/1.1"},
	},
	{
		name: "headers as they are", change: func(r *http.Request) {
			r.Header["x-lower"] = []string{"a", "b", ""}
			r.Header["X-Bytes"] = []string{"\xff\xfe \t caf\xc3\xa9"}
			r.Header["Accept-Encoding"] = []string{"gzip"}
			r.Header["Connection"] = []string{"keep-alive"}
			r.Header["X-None"] = nil
			r.Header["X-Spaces"] = []string{"  around  "}
		},
		line: "GET / HTTP/1.1",
		fields: []string{
			"x-lower: a", "x-lower: b", "x-lower: ", "X-Bytes: \xff\xfe \t caf\xc3\xa9", "Accept-Encoding: gzip", "Connection: keep-alive",
			"X-Spaces: around",
		},
	},
	{
		name: "close", change: func(r *http.Request) { r.Close = true },
		line: "GET / HTTP/1.1", fields: []string{"Connection: close"},
	},
	{
		name: "close twice", change: func(r *http.Request) { r.Close = true; r.Header.Set("Connection", "close") },
		line: "GET / HTTP/1.1", fields: []string{"Connection: close"},
	},
	{
		name: "a long header", change: func(r *http.Request) { r.Header.Set("X-Long", strings.Repeat("x", 70_000)) },
		line: "GET / HTTP/1.1", fields: []string{"X-Long: " + strings.Repeat("x", 70_000)},
	},
	{
		name: "protocol of the past", change: func(r *http.Request) { r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.0", 1, 0 },
		line: "GET / HTTP/1.1",
	},
}

func TestRequestOnTheWire(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		for _, c := range wireCases {
			t.Run(c.name, func(t *testing.T) {
				b := serve(t, (*link).plainly)
				client := l.start(t, bounds{})
				var body io.Reader
				if c.body != nil {
					body = c.body()
				}
				r := send(testkit.Context(t), t, c.method, b.url+c.url, body)
				if c.change != nil {
					c.change(r)
				}
				before := r.Header.Clone()
				o := run(client, r)
				if o.err != nil || o.bodyErr != nil || o.status != 200 {
					t.Fatalf("got %+v", o)
				}
				if diff := cmp.Diff(before, r.Header); diff != "" {
					t.Errorf("the caller's header changed: %s", diff)
				}
				seen := b.seen()
				if len(seen) != 1 {
					t.Fatalf("the backend saw %d requests", len(seen))
				}
				c.check(t, b, seen[0])
			})
		}
	})
}

func (c onWire) check(t *testing.T, b *backend, got request) {
	t.Helper()
	wantLine(t, got, c.line)
	want := slices.Clone(c.fields)
	if !slices.ContainsFunc(want, func(field string) bool { return strings.HasPrefix(field, "Host: ") }) {
		want = append(want, "Host: "+b.address)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got.fields); diff != "" {
		t.Errorf("fields (-want +got): %s", diff)
	}
	if got.body != c.content {
		t.Errorf("body %q, want %q", got.body, c.content)
	}
	if diff := cmp.Diff(c.trailer, got.trailer); diff != "" {
		t.Errorf("trailer (-want +got): %s", diff)
	}
}

func TestBodiesOfEveryLength(t *testing.T) {
	lengths := []int{0, 1, 2, 511, 512, 4095, 4096, 4097, 8192, 32 << 10, 32<<10 + 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 1 << 20}
	each(t, func(t *testing.T, l lane) {
		b := serve(t, func(l *link) {
			for {
				r, ok := l.request()
				if !ok {
					return
				}
				l.send("HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(len(r.body)) + "\r\n\r\n" + r.body)
			}
		})
		client := l.start(t, bounds{})
		for _, known := range []bool{true, false} {
			for _, length := range lengths {
				t.Run(strconv.FormatBool(known)+" "+strconv.Itoa(length), func(t *testing.T) {
					content := bytes.Repeat([]byte("0123456789abcde\n"), length/16+1)[:length]
					body := watch(bytes.NewReader(content))
					r := send(testkit.Context(t), t, "POST", b.url, body)
					r.ContentLength = -1
					if known {
						r.ContentLength = int64(length)
					}
					o := run(client, r)
					if o.err != nil || o.bodyErr != nil || o.body != string(content) {
						t.Fatalf("got %d of %d bytes, %v, %v", len(o.body), length, o.err, o.bodyErr)
					}
					body.wantClosed(t)
				})
			}
		}
	})
}

// errBody is an error of the caller's body.
var errBody = errors.New("the body broke")

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBody }

// A body with a wrong length ends the request with an error, and the connection too. So
// the backend never reads the request as complete. A body that is too long may have got
// its answer before the error was found.
func TestBodiesThatLie(t *testing.T) {
	cases := []struct {
		name   string
		body   io.Reader
		length int64
		want   error
	}{
		{"breaks at once", broken{}, 10, errBody},
		{"breaks midway", io.MultiReader(strings.NewReader("hello"), broken{}), 10, errBody},
		{"breaks midway after much", io.MultiReader(strings.NewReader(strings.Repeat("x", 50_000)), broken{}), 60_000, errBody},
		{"breaks midway after very much", io.MultiReader(strings.NewReader(strings.Repeat("x", 500_000)), broken{}), 600_000, errBody},
		{"breaks in chunks", io.MultiReader(strings.NewReader("hello"), broken{}), -1, errBody},
		{"shorter", strings.NewReader("hello"), 10, nil},
		{"much shorter", strings.NewReader(strings.Repeat("x", 50_000)), 60_000, nil},
		{"empty", strings.NewReader(""), 10, nil},
		{"longer", strings.NewReader("hello, world"), 5, nil},
	}
	each(t, func(t *testing.T, l lane) {
		for _, c := range cases {
			for _, reused := range []string{"", " on a reused connection"} {
				t.Run(c.name+reused, func(t *testing.T) {
					b := serve(t, (*link).plainly)
					client := l.start(t, bounds{})
					seen := 0
					if reused != "" {
						follow(t, client, b, 1)
						seen = 1
					}
					body := watch(c.body)
					r := send(testkit.Context(t), t, "POST", b.url, body)
					r.ContentLength = c.length
					o := run(client, r)
					longer := c.name == "longer"
					if o.err == nil && !longer || c.want != nil && !errors.Is(o.err, c.want) {
						t.Fatalf("got %+v, want an error: %v", o, c.want)
					}
					body.wantClosed(t)
					run(client, get(testkit.Context(t), t, b.url+"/next")).wantPlain(t)
					client.CloseIdleConnections()
					b.waitOpen(0)
					for _, r := range b.seen()[seen:] {
						if r.line != "GET /next HTTP/1.1" && (!longer || r.body != "hello") {
							t.Errorf("the backend saw a whole request: %+v", r)
						}
					}
				})
			}
		}
	})
}

// An invalid request is refused, its body is closed, and no connection is opened.
func TestRequestsThatAreNone(t *testing.T) {
	cases := []struct {
		name   string
		change func(*http.Request)
	}{
		{"no header", func(r *http.Request) { r.Header = nil }},
		{"no URL", func(r *http.Request) { r.URL = nil }},
		{"no host", func(r *http.Request) { r.URL = &url.URL{Scheme: "http", Path: "/"} }},
		{"no scheme", func(r *http.Request) { r.URL.Scheme = "" }},
		{"another scheme", func(r *http.Request) { r.URL.Scheme = "gopher" }},
		{"a method with a blank", func(r *http.Request) { r.Method = "GET /" }},
		{"a line in a header", func(r *http.Request) { r.Header.Set("X-A", "b\r\nX-Evil: c") }},
		{"a NUL in a header", func(r *http.Request) { r.Header.Set("X-A", "b\x00") }},
		{"a header's name with a blank", func(r *http.Request) { r.Header["X A"] = []string{"b"} }},
		{"a header without a name", func(r *http.Request) { r.Header[""] = []string{"b"} }},
		{"a line in a trailer", func(r *http.Request) { r.Trailer = http.Header{"X-A": {"b\r\nX-Evil: c"}} }},
		{"a length without a body", func(r *http.Request) { r.Body = nil }},
	}
	each(t, func(t *testing.T, l lane) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				b := serve(t, (*link).plainly)
				client := l.start(t, bounds{})
				body := watch(strings.NewReader("hello"))
				r := send(testkit.Context(t), t, "POST", b.url, body)
				r.ContentLength = 5
				c.change(r)
				if o := run(client, r); o.err == nil {
					t.Errorf("got %+v, want an error", o)
				}
				if r.Body != nil {
					body.wantClosed(t)
				}
				if seen := b.seen(); len(seen) > 0 {
					t.Errorf("the backend saw %+v", seen)
				}
			})
		}
	})
}

// A context that can never end does not change the answer.
func TestContextWithoutEnd(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		b := serve(t, (*link).plainly)
		client := l.start(t, bounds{})
		for range 3 {
			run(client, get(context.Background(), t, b.url)).wantPlain(t)
		}
		if made := b.made(); made != 1 {
			t.Errorf("%d connections for three requests", made)
		}
	})
}

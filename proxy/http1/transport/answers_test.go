package transport_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"gatehouse/internal/testkit"

	"github.com/google/go-cmp/cmp"
)

// fate is what happens to the connection.
type fate int

const (
	kept    fate = iota // the next request goes over it
	closed              // the transport closes it as soon as the answer was read
	spoiled             // the transport may notice late, but never uses it again
	ended               // the backend closes it
)

// answered is one raw answer, with the result that a caller must get.
type answered struct {
	name    string
	method  string // GET unless said
	raw     string
	status  int // 200 unless said
	proto   string
	header  http.Header
	length  int64
	body    string
	trailer http.Header
	bodyErr string // its class
	fate    fate
}

var answerCases = []answered{
	{
		name: "length", raw: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello",
		header: http.Header{"Content-Length": {"5"}, "X-A": {"b"}}, length: 5, body: "hello",
	},
	{
		name: "length 0", raw: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		header: http.Header{"Content-Length": {"0"}},
	},
	{
		name: "a long body", raw: "HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + strings.Repeat("x", 70_000),
		header: http.Header{"Content-Length": {"70000"}}, length: 70_000, body: strings.Repeat("x", 70_000),
	},
	{
		name: "chunked", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;ext=1\r\nlo\r\n0\r\n\r\n",
		length: -1, body: "hello",
	},
	{
		name: "chunked, empty", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		length: -1,
	},
	{
		name: "chunked in capitals", raw: "HTTP/1.1 200 OK\r\ntransfer-encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		length: -1, body: "hello",
	},
	{
		name: "chunked, with trailers",
		raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, x-other\r\n\r\n" +
			"5\r\nhello\r\n0\r\nX-Sum: 42\r\nx-other: b\r\nX-Unannounced: c\r\n\r\n",
		length: -1, body: "hello",
		trailer: http.Header{"X-Sum": {"42"}, "X-Other": {"b"}, "X-Unannounced": {"c"}},
	},
	{
		name: "chunked, with a trailer that was announced only",
		raw:  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\n\r\n", length: -1, body: "hello",
		trailer: http.Header{"X-Sum": nil},
	},
	{
		name: "until it closes", raw: "HTTP/1.1 200 OK\r\n\r\nhello",
		length: -1, body: "hello", fate: ended,
	},
	{
		name: "until it closes, empty", raw: "HTTP/1.1 200 OK\r\n\r\n",
		length: -1, fate: ended,
	},
	{
		name: "HTTP/1.0", raw: "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", proto: "HTTP/1.0",
		header: http.Header{"Content-Length": {"5"}}, length: 5, body: "hello", fate: closed,
	},
	{
		name: "HTTP/1.0, kept", raw: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", proto: "HTTP/1.0",
		header: http.Header{"Connection": {"keep-alive"}, "Content-Length": {"5"}}, length: 5, body: "hello",
	},
	{
		name: "HTTP/1.0, until it closes", raw: "HTTP/1.0 200 OK\r\n\r\nhello", proto: "HTTP/1.0",
		length: -1, body: "hello", fate: ended,
	},
	{
		name: "HTTP/1.0, in chunks that are none", raw: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello", proto: "HTTP/1.0",
		header: http.Header{"Content-Length": {"5"}}, length: 5, body: "hello", fate: closed,
	},
	{
		name: "Connection: close", raw: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
		header: http.Header{"Content-Length": {"5"}}, length: 5, body: "hello", fate: closed,
	},
	{
		name: "Connection: close among others", raw: "HTTP/1.1 200 OK\r\nConnection: x-a, Close\r\nContent-Length: 5\r\n\r\nhello",
		header: http.Header{"Content-Length": {"5"}}, length: 5, body: "hello", fate: closed,
	},
	{
		name: "Connection: close, in chunks", raw: "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		length: -1, body: "hello", fate: closed,
	},
	{
		name: "Connection: close, empty", raw: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		header: http.Header{"Content-Length": {"0"}}, fate: closed,
	},
	{name: "204", raw: "HTTP/1.1 204 No Content\r\n\r\n", status: 204},
	{
		name: "204 with a length", raw: "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", status: 204,
		header: http.Header{"Content-Length": {"0"}},
	},
	{
		name: "204 with a body", raw: "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", status: 204,
		header: http.Header{"Content-Length": {"5"}}, fate: spoiled,
	},
	{
		name: "204 that closes", raw: "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", status: 204, fate: closed,
	},
	{
		name: "304", raw: "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\nEtag: \"a\"\r\n\r\n", status: 304,
		header: http.Header{"Content-Length": {"500"}, "Etag": {`"a"`}},
	},
	{
		name: "304 in chunks", raw: "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", status: 304,
	},
	{
		name: "HEAD", method: "HEAD", raw: "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n",
		header: http.Header{"Content-Length": {"500"}}, length: 500,
	},
	{name: "HEAD without a length", method: "HEAD", raw: "HTTP/1.1 200 OK\r\n\r\n", length: -1},
	{name: "HEAD in chunks", method: "HEAD", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", length: -1},
	{
		name: "HEAD with a body", method: "HEAD", raw: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		header: http.Header{"Content-Length": {"5"}}, length: 5, fate: spoiled,
	},
	{name: "status without a reason", raw: "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n", status: 299, header: http.Header{"Content-Length": {"0"}}},
	{name: "status 999", raw: "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", status: 999, header: http.Header{"Content-Length": {"0"}}},
	{
		name: "bare newlines", raw: "HTTP/1.1 200 OK\nContent-Length: 5\nX-A: b\n\nhello",
		header: http.Header{"Content-Length": {"5"}, "X-A": {"b"}}, length: 5, body: "hello",
	},
	{
		name: "odd headers", raw: "HTTP/1.1 200 OK\r\ncontent-length:5\r\nx-a:   b  \r\nX-A:\r\nX-FOLDED: a\r\n b\r\nset-cookie: a=b\r\nSet-Cookie: c=d\r\n\r\nhello",
		header: http.Header{"Content-Length": {"5"}, "X-A": {"b", ""}, "X-Folded": {"a b"}, "Set-Cookie": {"a=b", "c=d"}}, length: 5, body: "hello",
	},
	{
		name: "a header's name with a blank", raw: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX A: b\r\n\r\nhello",
		header: http.Header{"Content-Length": {"5"}, "X A": {"b"}}, length: 5, body: "hello",
	},
	{
		name: "a length that is none, for its blank", raw: "HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\nhello",
		header: http.Header{"Content-Length ": {"3"}}, length: -1, body: "hello", fate: ended,
	},
	{
		name: "Pragma", raw: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nPragma: no-cache\r\n\r\n",
		header: http.Header{"Content-Length": {"0"}, "Pragma": {"no-cache"}, "Cache-Control": {"no-cache"}},
	},
	{
		name: "the same length twice", raw: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
		header: http.Header{"Content-Length": {"5"}}, length: 5, body: "hello",
	},
	{
		name: "length and chunks", raw: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		length: -1, body: "hello",
	},
	{
		name: "compressed", raw: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
		header: http.Header{"Content-Encoding": {"gzip"}, "Content-Length": {"5"}}, length: 5, body: "hello",
	},
	{
		name: "a large head", raw: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Large: " + strings.Repeat("x", 200<<10) + "\r\n\r\nhello",
		header: http.Header{"Content-Length": {"5"}, "X-Large": {strings.Repeat("x", 200<<10)}}, length: 5, body: "hello",
	},
	{
		name: "a trailer without chunks", raw: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTrailer: X-Sum\r\n\r\nhello",
		header: http.Header{"Content-Length": {"5"}, "Trailer": {"X-Sum"}}, length: 5, body: "hello",
	},

	// Lengths that are wrong, and invalid chunks.
	{
		name: "longer than its length", raw: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhello",
		header: http.Header{"Content-Length": {"3"}}, length: 3, body: "hel", fate: spoiled,
	},
	{
		name: "two answers", raw: plain + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
		header: http.Header{"Content-Length": {"5"}}, length: 5, body: "plain", fate: spoiled,
	},
	{
		name: "two answers in chunks", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
		length: -1, body: "hello", fate: spoiled,
	},
	{
		name: "two answers without a body", raw: "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
		status: 204, fate: spoiled,
	},
	{
		name: "garbage after a long body", raw: "HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + strings.Repeat("x", 70_000) + "evil",
		header: http.Header{"Content-Length": {"70000"}}, length: 70_000, body: strings.Repeat("x", 70_000), fate: spoiled,
	},
	{
		name: "a newline too many", raw: plain + "\r\n",
		header: http.Header{"Content-Length": {"5"}}, length: 5, body: "plain", fate: spoiled,
	},
	{
		name: "a timeout told at the end", raw: plain + "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		header: http.Header{"Content-Length": {"5"}}, length: 5, body: "plain", fate: spoiled,
	},
	{
		name: "shorter than its length", raw: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
		header: http.Header{"Content-Length": {"9"}}, length: 9, body: "hello", bodyErr: "unexpected EOF", fate: ended,
	},
	{
		name: "a head and no body", raw: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
		header: http.Header{"Content-Length": {"9"}}, length: 9, bodyErr: "unexpected EOF", fate: ended,
	},
	{
		name: "chunks that end early", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		length: -1, body: "hello", bodyErr: "unexpected EOF", fate: ended,
	},
	{
		name: "a chunk that ends early", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello",
		length: -1, body: "hello", bodyErr: "unexpected EOF", fate: ended,
	},
	{
		name: "a chunk of no size", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
		length: -1, bodyErr: "other", fate: closed,
	},
	{
		name: "a chunk of negative size", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
		length: -1, bodyErr: "other", fate: closed,
	},
	{
		name: "a chunk of enormous size", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
		length: -1, bodyErr: "other", fate: closed,
	},
	{
		name: "a chunk longer than its size", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n",
		length: -1, body: "hel", bodyErr: "other", fate: closed,
	},
	{
		name: "a trailer that is none", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nno colon\r\n\r\n",
		length: -1, body: "hello", bodyErr: "other", fate: closed,
	},
	{
		name: "an endless trailer", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Long: " + strings.Repeat("x", 100_000),
		length: -1, body: "hello", bodyErr: "other", fate: closed,
	},

	// Informational answers.
	{
		name: "100 unasked", raw: "HTTP/1.1 100 Continue\r\n\r\n" + plain,
		header: http.Header{"Content-Length": {"5"}}, length: 5, body: "plain",
	},
	{
		name: "102 and 103 that nobody looks at", raw: "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + plain,
		header: http.Header{"Content-Length": {"5"}}, length: 5, body: "plain",
	},
	{
		name: "103 with a length", raw: "HTTP/1.1 103 Early Hints\r\nContent-Length: 500\r\n\r\n" + plain,
		header: http.Header{"Content-Length": {"5"}}, length: 5, body: "plain",
	},
}

func TestAnswers(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		for _, c := range answerCases {
			t.Run(c.name, func(t *testing.T) { c.test(t, l) })
		}
	})
}

func (c answered) test(t *testing.T, l lane) {
	b := serve(t, func(l *link) {
		if l.number == 1 {
			if _, ok := l.request(); !ok {
				return
			}
			l.send(c.raw)
			if c.fate == ended {
				return
			}
		}
		l.plainly()
	})
	client := l.start(t, bounds{})
	o := run(client, send(testkit.Context(t), t, c.method, b.url, nil))
	if o.err != nil {
		t.Fatal(o.err)
	}
	c.check(t, o)
	next := 2
	switch {
	case c.fate == kept:
		next = 1
	case c.fate == closed, c.fate == spoiled && l.watches:
		b.waitGone(1)
	}
	follow(t, client, b, next)
	if c.fate == spoiled {
		b.waitGone(1)
	}
}

func (c answered) check(t *testing.T, o outcome) {
	t.Helper()
	if c.status == 0 {
		c.status = 200
	}
	if c.proto == "" {
		c.proto = "HTTP/1.1"
	}
	if c.header == nil {
		c.header = http.Header{}
	}
	if o.status != c.status || o.proto != c.proto || o.length != c.length || o.body != c.body {
		t.Errorf("%s %d, length %d, body %.80q; want %s %d, %d, %.80q", o.proto, o.status, o.length, o.body, c.proto, c.status, c.length, c.body)
	}
	if got := class(o.bodyErr); got != c.bodyErr {
		t.Errorf("the body ends with %q (%v), want %q", got, o.bodyErr, c.bodyErr)
	}
	if diff := cmp.Diff(c.header, o.header); diff != "" {
		t.Errorf("header (-want +got): %s", diff)
	}
	if diff := cmp.Diff(c.trailer, o.trailer); diff != "" {
		t.Errorf("trailer (-want +got): %s", diff)
	}
}

// An answer that cannot be parsed is an error of RoundTrip and ends its connection.
func TestAnswersThatAreNone(t *testing.T) {
	head := func(fields string) string { return "HTTP/1.1 200 OK\r\n" + fields + "\r\nhello" }
	cases := []struct{ name, raw string }{
		{"garbage", "\x00\x01\x02\x03\r\n\r\n"},
		{"another protocol", "SSH-2.0-OpenSSH_9.9\r\n"},
		{"TLS", "\x15\x03\x01\x00\x02\x02\x16\r\n"},
		{"HTTP/2", "\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80\r\n"},
		{"status of two digits", "HTTP/1.1 20 OK\r\n\r\n"},
		{"status of four digits", "HTTP/1.1 2000 OK\r\n\r\n"},
		{"status of letters", "HTTP/1.1 abc OK\r\n\r\n"},
		{"status below nothing", "HTTP/1.1 -20 OK\r\n\r\n"},
		{"no status", "HTTP/1.1\r\n\r\n"},
		{"no version", "HTTP 200 OK\r\n\r\n"},
		{"an odd version", "HTTP/1.x 200 OK\r\n\r\n"},
		{"a body where a status ought to be", "hello, world\r\n\r\n"},
		{"a newline first", "\r\n" + plain},
		{"a header without a colon", head("no colon\r\n")},
		{"a header without a name", head(": a\r\n")},
		{"a NUL in a header", head("X-A: b\x00\r\n")},
		{"a fold at the start", head(" X-A: b\r\n")},
		{"length below nothing", head("Content-Length: -5\r\n")},
		{"length with a sign", head("Content-Length: +5\r\n")},
		{"length with a fraction", head("Content-Length: 5.0\r\n")},
		{"length in hex", head("Content-Length: 0x5\r\n")},
		{"length beyond counting", head("Content-Length: 99999999999999999999\r\n")},
		{"no length", head("Content-Length:\r\n")},
		{"two lengths in one", head("Content-Length: 5, 5\r\n")},
		{"two lengths", head("Content-Length: 5\r\nContent-Length: 3\r\n")},
		{"a bad length and chunks", head("Content-Length: x\r\nTransfer-Encoding: chunked\r\n")},
		{"another coding", head("Transfer-Encoding: gzip\r\n")},
		{"two codings", head("Transfer-Encoding: gzip, chunked\r\n")},
		{"chunked twice", head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")},
		{"identity", head("Transfer-Encoding: identity\r\n")},
		{"a trailer that must not be one", head("Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n")},
		{"a head without bound", "HTTP/1.1 200 OK\r\nX-Large: " + strings.Repeat("x", maxHeaderBytes+4096) + "\r\n\r\n"},
		{"headers without bound", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: b\r\n", maxHeaderBytes/8+512) + "\r\n"},
		{"a status line without bound", "HTTP/1.1 200 " + strings.Repeat("x", maxHeaderBytes+4096) + "\r\n\r\n"},
		{"a bad announcement", "HTTP/1.1 103 Early Hints\r\nno colon\r\n\r\n" + plain},
		{"announcements without bound", strings.Repeat("HTTP/1.1 103 Early Hints\r\nX-A: b\r\n\r\n", maxHeaderBytes/36+256) + plain},
	}
	each(t, func(t *testing.T, l lane) {
		for _, c := range cases {
			for _, method := range []string{"GET", "HEAD", "POST"} {
				t.Run(c.name+" to "+method, func(t *testing.T) {
					b := serve(t, once(c.raw))
					client := l.start(t, bounds{})
					var body io.Reader
					if method == "POST" {
						body = strings.NewReader("hello")
					}
					o := run(client, send(testkit.Context(t), t, method, b.url, body))
					if got := class(o.err); got != "other" {
						t.Fatalf("got %+v (%s), want an error", o, got)
					}
					b.waitGone(1)
					if seen := b.seen(); len(seen) != 1 {
						t.Errorf("the backend saw the request %d times", len(seen))
					}
					follow(t, client, b, 2)
				})
			}
		}
	})
}

// An empty answer is an error too, and so is a part of a head.
func TestAnswersThatBreakOff(t *testing.T) {
	cases := []struct{ name, raw, class string }{
		{"nothing", "", "EOF"},
		{"half a status", "HTTP/1.1 2", "other"}, // a last line needs no end, says textproto
		{"half a line", "HTTP/1.1 200 O", "unexpected EOF"},
		{"half a header", "HTTP/1.1 200 OK\r\nContent-Le", "other"},
		{"no end of the head", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", "unexpected EOF"},
		{"an announcement only", "HTTP/1.1 103 Early Hints\r\n\r\n", "unexpected EOF"},
	}
	each(t, func(t *testing.T, l lane) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				b := serve(t, onFirst(func(l *link) {
					l.request()
					l.send(c.raw)
				}))
				client := l.start(t, bounds{})
				if o := run(client, get(testkit.Context(t), t, b.url)); class(o.err) != c.class {
					t.Errorf("got %+v, want %q", o, c.class)
				}
				if seen := b.seen(); len(seen) != 1 {
					t.Errorf("the backend saw the request %d times over a fresh connection", len(seen))
				}
				follow(t, client, b, 2)
			})
		}
	})
}

// announced is a call of Got1xxResponse.
type announced struct {
	Code   int
	Header textproto.MIMEHeader
}

func TestAnnouncements(t *testing.T) {
	raw := "HTTP/1.1 100 Continue\r\n\r\n" +
		"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nlink: </b>\r\n\r\n" +
		"HTTP/1.1 103 Early Hints\r\nLink: </c>\r\n\r\n" + plain
	want := []announced{
		{100, textproto.MIMEHeader{}},
		{103, textproto.MIMEHeader{"Link": {"</a>", "</b>"}}},
		{103, textproto.MIMEHeader{"Link": {"</c>"}}},
	}
	each(t, func(t *testing.T, l lane) {
		b := serve(t, once(raw))
		client := l.start(t, bounds{})
		var got []announced
		ctx := httptrace.WithClientTrace(testkit.Context(t), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
				got = append(got, announced{code, header})
				return nil
			},
		})
		run(client, get(ctx, t, b.url)).wantPlain(t)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("announcements (-want +got): %s", diff)
		}
		follow(t, client, b, 1)
	})
}

// Each informational answer is reported when it was sent, not together with the final
// answer.
func TestAnnouncementsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		heard := make(chan int, 8)
		b := serve(t, func(l *link) {
			l.request()
			for range 3 {
				l.send("HTTP/1.1 103 Early Hints\r\n\r\n")
				<-heard
			}
			l.send(plain)
			l.plainly()
		})
		client := l.start(t, bounds{})
		ctx := httptrace.WithClientTrace(testkit.Context(t), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
				heard <- code
				return nil
			},
		})
		run(client, get(ctx, t, b.url)).wantPlain(t)
		follow(t, client, b, 1)
	})
}

// With Got1xxResponse, the caller limits informational answers; the limit on heads does
// not apply.
func TestAnnouncementsListenedTo(t *testing.T) {
	errEnough := errors.New("enough")
	each(t, func(t *testing.T, l lane) {
		endless := func(l *link) {
			if l.number > 1 {
				l.plainly()
				return
			}
			l.request()
			for {
				if _, err := fmt.Fprintf(l, "HTTP/1.1 103 Early Hints\r\nX-A: %s\r\n\r\n", strings.Repeat("b", 8192)); err != nil {
					l.lost()
					return
				}
			}
		}
		b := serve(t, endless)
		client := l.start(t, bounds{})
		heard := 0
		ctx := httptrace.WithClientTrace(testkit.Context(t), &httptrace.ClientTrace{
			Got1xxResponse: func(int, textproto.MIMEHeader) error {
				if heard++; heard == 100 { // 800 KiB, thrice the bound
					return errEnough
				}
				return nil
			},
		})
		if o := run(client, get(ctx, t, b.url)); !errors.Is(o.err, errEnough) {
			t.Errorf("got %+v, want the error of who listens", o)
		}
		b.waitGone(1)
		follow(t, client, b, 2)
	})
}

// A switch of protocols that was not asked for ends when the caller closes it.
func TestUnaskedSwitch(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		b := serve(t, once("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: evil\r\n\r\n"))
		client := l.start(t, bounds{})
		res, err := client.RoundTrip(get(testkit.Context(t), t, b.url))
		if err == nil {
			if res.StatusCode != http.StatusSwitchingProtocols {
				t.Errorf("status %d", res.StatusCode)
			}
			res.Body.Close()
		}
		b.waitGone(1)
		follow(t, client, b, 2)
	})
}

// Trailers are announced before the body is read, and get their values at its end.
func TestTrailersInTime(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		b := serve(t, once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n"))
		client := l.start(t, bounds{})
		r := get(testkit.Context(t), t, b.url)
		res, err := client.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if diff := cmp.Diff(http.Header{"X-Sum": nil}, res.Trailer); diff != "" {
			t.Errorf("before the body: %s", diff)
		}
		if !slices.Equal(res.TransferEncoding, []string{"chunked"}) || res.Request != r || res.Close {
			t.Errorf("answer %+v", res)
		}
		if _, err := io.ReadAll(res.Body); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(http.Header{"X-Sum": {"42"}}, res.Trailer); diff != "" {
			t.Errorf("after the body: %s", diff)
		}
		follow(t, client, b, 1)
	})
}

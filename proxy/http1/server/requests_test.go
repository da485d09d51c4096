package server

import (
	"net/http"
	"strings"
	"testing"
)

// with returns a request with a request line, field lines and a body.
func with(line string, fields ...string) string {
	return line + "\r\n" + strings.Join(fields, "\r\n") + "\r\n\r\n"
}

func get(fields ...string) string {
	return with("GET /a HTTP/1.1", append([]string{"Host: h"}, fields...)...)
}

func post(body string, fields ...string) string {
	return with("POST /a HTTP/1.1", append([]string{"Host: h"}, fields...)...) + body
}

// requestLines are first lines, each with the fields of get.
var requestLines = []string{
	"GET / HTTP/1.1", "HEAD / HTTP/1.1", "POST / HTTP/1.1", "PUT / HTTP/1.1", "PATCH / HTTP/1.1", "DELETE / HTTP/1.1",
	"OPTIONS / HTTP/1.1", "TRACE / HTTP/1.1", "CONNECT / HTTP/1.1", "CONNECT h:80 HTTP/1.1", "get / HTTP/1.1", "PROPFIND / HTTP/1.1",
	"G(T / HTTP/1.1", " / HTTP/1.1", "GET  / HTTP/1.1", "GET /  HTTP/1.1", " GET / HTTP/1.1", "GET / HTTP/1.1 ", "GET\t/ HTTP/1.1",
	"GET /", "GET", "", "GET HTTP/1.1", "garbage", "\x16\x03\x01\x02\x00\x01\x00",
	"GET / HTTP/1.0", "GET / HTTP/0.9", "GET / HTTP/1.2", "GET / HTTP/2.0", "GET / HTTP/3.0", "GET / http/1.1", "GET / HTTP/1", "GET / HTTP/11.1", "GET / HTTP/1.1\r",
	"OPTIONS * HTTP/1.1", "GET * HTTP/1.1", "GET http://other/x?y HTTP/1.1", "GET http://user:word@other/x HTTP/1.1", "GET https://other HTTP/1.1",
	"GET other:80 HTTP/1.1", "GET a HTTP/1.1", "GET ?a HTTP/1.1", "GET #a HTTP/1.1",
	"GET //a//b HTTP/1.1", "GET //h/b HTTP/1.1", "GET ///a HTTP/1.1", "GET /a/../b/./c HTTP/1.1", "GET /.. HTTP/1.1", "GET /a;b=c,d@e:f HTTP/1.1",
	"GET /%41 HTTP/1.1", "GET /%2F%2f HTTP/1.1", "GET /%00 HTTP/1.1", "GET /%zz HTTP/1.1", "GET /% HTTP/1.1", "GET /%e4%b8 HTTP/1.1",
	"GET /ä HTTP/1.1", "GET /\xff HTTP/1.1", "GET /\x7f HTTP/1.1", "GET /a\x01 HTTP/1.1", "GET /a\tb HTTP/1.1", "GET /a\x00 HTTP/1.1",
	"GET /a?b\tc HTTP/1.1", "GET /a?b\x01c HTTP/1.1", "GET /a?b\x7f HTTP/1.1", "GET /a?ä\xff HTTP/1.1", "GET /a?%zz HTTP/1.1", "GET /a?b c HTTP/1.1",
	"GET /? HTTP/1.1", "GET /?? HTTP/1.1", "GET /a?b? HTTP/1.1", "GET /a? HTTP/1.1", "GET /a#b HTTP/1.1", "GET /a?b#c HTTP/1.1", "GET /a#b?c HTTP/1.1",
	"GET /[a]{b}|c^d`e\"f<g>h\\i HTTP/1.1", "GET /!$&'()*+,;=:@-._~ HTTP/1.1", "GET /a?[a]{b}|\"<>\\^` HTTP/1.1", "GET /a:b HTTP/1.1", "GET /:80 HTTP/1.1",
	"GET /" + strings.Repeat("a", 3000) + " HTTP/1.1",
	"PRI * HTTP/2.0",
}

func TestRequestLines(t *testing.T) {
	p := newPair(t, report)
	for _, line := range requestLines {
		p.same(t, with(line, "Host: h", "Content-Length: 3")+"abc")
		p.same(t, with(line, "Host: h"))
	}
	p.same(t, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
}

// fieldLines are those after a request line.
var fieldLines = [][]string{
	{},
	{"Host:"},
	{"Host: a", "Host: a"},
	{"Host: a", "Host: b"},
	{"Host: a b"},
	{"Host: a/b"},
	{"Host: a:80"},
	{"Host: [::1]:80"},
	{"host: a"},
	{"HOST: a"},
	{"Host: ä"},
	{"Host: a,b"},
	{"Host: a\x01"},
	{"Host : a"},
	{"Host: a@b"},
	{"Host: %41"},
	{"Host"},
	{"Host: h", "x-odd-CASE: 1"},
	{"Host: h", "X_under: 1"},
	{"Host: h", "x: 1", "X: 2", "x: 3"},
	{"Host: h", "X:"},
	{"Host: h", "X: \t "},
	{"Host: h", "X:1"},
	{"Host: h", "X: \ta\t b \t"},
	{"Host: h", "X: ä\xff"},
	{"Host: h", "X: a\x00b"},
	{"Host: h", "X: a\x01b"},
	{"Host: h", "X: a\x7fb"},
	{"Host: h", "X: a\x0bb"},
	{"Host: h", "X : 1"},
	{"Host: h", "X\t: 1"},
	{"Host: h", " X: 1"},
	{"Host: h", ": 1"},
	{"Host: h", "X"},
	{"Host: h", "X(: 1"},
	{"Host: h", "Ä: 1"},
	{"Host: h", "X Y: 1"},
	{"Host: h", "X: a", " b"},
	{"Host: h", "X: a", "\tb"},
	{" Host: h"},
	{"Host: h", ""},
	{"Host: h", "X: a\rb"},
	{"Host: h", "X: a\nY: b"},
	{"Host: h", "X: a\r"},
	{"Host: h\nX: 1"},
	{"Host: h", "X: 1", "!#$%&'*+-.^_`|~: 1"},
	{"Host: h", "X: a:b:c"},
	{"Host: h", "--x--y: 1"},
	{"Host: h", "Connection: close"},
	{"Host: h", "Connection: CLOSE"},
	{"Host: h", "Connection: keep-alive"},
	{"Host: h", "Connection: Keep-Alive"},
	{"Host: h", "Connection:"},
	{"Host: h", "Connection: close, foo"},
	{"Host: h", "Connection: foo,close"},
	{"Host: h", "Connection: foo"},
	{"Host: h", "Connection: keep-alive, close"},
	{"Host: h", "Connection: keep-alive", "Connection: close"},
	{"Host: h", "Connection: close", "Connection: keep-alive"},
	{"Host: h", "Connection: te", "TE: trailers"},
	{"Host: h", "Proxy-Connection: keep-alive"},
	{"Host: h", "Keep-Alive: 5"},
	{"Host: h", "Pragma: no-cache"},
	{"Host: h", "Pragma: no-cache", "Cache-Control: max-age=1"},
	{"Host: h", "Pragma: x", "Pragma: no-cache"},
	{"Host: h", "Pragma: no-cache", "Cache-Control:"},
	{"Host: h", "Upgrade: websocket", "Connection: Upgrade"},
	{"Host: h", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"},
	{"Host: h", "Upgrade: x"},
	{"Host: h", "Connection: upgrade"},
	{"Host: h", "Trailer: X"},
	{"Host: h", "Expect: 100-continue"},
	{"Host: h", "Expect: other"},
	{"Host: h", "Expect:"},
	{"Host: h", "Cookie: a=b; c=d", "Cookie: e"},
	{"Host: h", "X: " + strings.Repeat("a", 5000)},
	{"Host: h", "X: " + strings.Repeat("a", 20000)},
}

func TestFieldLines(t *testing.T) {
	p := newPair(t, report)
	for _, fields := range fieldLines {
		for _, line := range []string{"GET /a HTTP/1.1", "GET /a HTTP/1.0", "POST /a HTTP/1.1"} {
			p.same(t, with(line, fields...))
		}
	}
}

// framings define where a body ends.
var framings = [][]string{
	{"Content-Length: 0"},
	{"Content-Length: 5"},
	{"Content-Length: 3"},
	{"Content-Length: 05"},
	{"Content-Length: 0000000000000000000000005"},
	{"Content-Length: +5"},
	{"Content-Length: -5"},
	{"Content-Length: 5", "Content-Length: 5"},
	{"Content-Length: 5", "Content-Length: 6"},
	{"Content-Length: 5, 5"},
	{"Content-Length:"},
	{"Content-Length: 5 "},
	{"Content-Length: 0x5"},
	{"Content-Length: 5.0"},
	{"Content-Length: 5a"},
	{"Content-Length: 5_0"},
	{"Content-Length: 99999999999999999999"},
	{"Content-Length: 999999999999999999"},
	{"Content-Length: 9223372036854775807"},
	{"Content-Length: 9223372036854775808"},
	{"Content-Length: 6"},
	{"content-length: 5"},
	{"Content-Length : 5"},
	{"Content-Length: 5", "Transfer-Encoding: chunked"},
	{"Transfer-Encoding: chunked"},
	{"Transfer-Encoding: Chunked"},
	{"Transfer-Encoding: gzip, chunked"},
	{"Transfer-Encoding: identity"},
	{"Transfer-Encoding:"},
	{"Transfer-Encoding: chunked", "Transfer-Encoding: chunked"},
	{"Transfer-Encoding: chunked", "Trailer: X"},
	{"Transfer-Encoding: chunked", "Connection: close"},
	{"Content-Length: 5", "Connection: close"},
	{"Content-Length: 5", "Trailer: X"},
	{"Content-Length: 5", "Expect: 100-continue"},
	{"Content-Length: 0", "Expect: 100-continue"},
	{"Content-Length: 5", "Expect: 200-ok"},
}

var bodies = []string{"", "hello", "hello" + "GET /next HTTP/1.1\r\nHost: h\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\nX: y\r\n\r\n", "5;a=b\r\nhello\r\n", "zz\r\n"}

func TestFramings(t *testing.T) {
	p := newPair(t, report)
	for _, fields := range framings {
		for _, body := range bodies {
			p.same(t, post(body, fields...))
			p.same(t, with("GET /a HTTP/1.1", append(fields, "Host: h")...)+body)
			p.same(t, with("POST /a HTTP/1.0", append(fields, "Host: h")...)+body)
		}
	}
}

// conversations are several requests, or less than one.
var conversations = []string{
	"", "\r\n", "\n", "G", "GET", "GET / HTTP/1.1", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: h", "GET / HTTP/1.1\r\nHost: h\r\n", "GET / HTTP/1.1\r\nHost: h\r\n\r",
	get() + "G", get() + "GET", get() + "GET ", get() + "GET / HTTP/1.1\r\n", post("", "Content-Length: 0") + "\r\nG", post("", "Content-Length: 0") + "\r\nGET",
	"\r\n" + get(), "\n" + get(), "\r\n\r\n" + get(), get() + "\r\n" + get(), get() + "\n" + get(), get() + "\r\n\r\n" + get(),
	post("hello", "Content-Length: 5") + "\r\n" + get(), post("hello", "Content-Length: 5") + "\n" + get(), post("hello", "Content-Length: 5") + "\r\r\n\n" + get(),
	post("hello", "Content-Length: 5") + "\r\n\r\n" + get(), post("hello", "Content-Length: 5") + "\r\n\r\n\r\n" + get(), post("hello", "Content-Length: 5") + "\r\n" + with("GET / HTTP/1.0"),
	post("hello", "Content-Length: 5") + "\r\n" + with("GET * HTTP/1.1"), post("hello", "Content-Length: 5") + "\r\n", post("hello", "Content-Length: 5") + "\r\n" + post("hello", "Content-Length: 5") + "\r\n",
	"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab\r\n" + get(),
	get() + get() + get(), get() + post("hello", "Content-Length: 5") + get(), get() + post("5\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked") + get(), get() + with("GET / HTTP/1.0") + get(),
	get() + "garbage\r\n\r\n" + get(), get("Connection: close") + get(), get() + with("HEAD / HTTP/1.1", "Host: h") + get(), get() + with("GET / HTTP/1.0", "Connection: keep-alive") + get(),
	"GET / HTTP/1.1\nHost: h\n\n", "GET / HTTP/1.1\r\nHost: h\n\r\n", "GET / HTTP/1.1\nHost: h\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\n\n", "POST / HTTP/1.1\nHost: h\nContent-Length: 5\n\nhello" + get(),
	get("X: " + strings.Repeat("a", 4<<10)), get("X: "+strings.Repeat("a", 4<<10)) + get(), get() + get("X: "+strings.Repeat("a", 4<<10)) + get("X: "+strings.Repeat("b", 4<<10)) + get(),
	get("X: " + strings.Repeat("a", 16<<10)), get() + get("X: "+strings.Repeat("a", 16<<10)) + get(), get() + get("X: "+strings.Repeat("a", 12<<10)) + post(strings.Repeat("b", 20<<10), "Content-Length: 20480") + get(),
	strings.Repeat(get(), 100), get() + strings.Repeat("\r\n", 100), strings.Repeat("x", 5000), strings.Repeat("x", 20000),
}

func TestConversations(t *testing.T) {
	p := newPair(t, report)
	for _, text := range conversations {
		p.same(t, text)
	}
}

func TestHeadsOfEverySize(t *testing.T) {
	p := newPair(t, report)
	overhead := len(get("X: "))
	for _, edge := range []int{bufferSize, maxHead} {
		for size := edge - 3; size <= edge+3; size++ {
			p.same(t, get("X: "+strings.Repeat("a", size-overhead))+get())
			p.same(t, get()+get("X: "+strings.Repeat("a", size-overhead-len(get()))))
		}
	}
}

// net/http's server reads a buffer more than MaxHeaderBytes.
func TestMaxHeaderBytes(t *testing.T) {
	for _, most := range []int{100, 6 << 10, 32 << 10} {
		p := newPair(t, report, func(s *http.Server) { s.MaxHeaderBytes = most })
		for _, size := range []int{50, most / 2, most, most + 4<<10 - 200, most + 4<<10 + 10, most + 20<<10} {
			p.same(t, get("X: "+strings.Repeat("a", size)))
			if size < most+4<<10 || size > most+8<<10 { // and another buffer behind another request
				p.same(t, get(), get("X: "+strings.Repeat("a", size)))
			}
		}
	}
}

func TestEverySplit(t *testing.T) {
	p := newPair(t, report)
	for _, text := range []string{
		get("X: a") + post("hello", "Content-Length: 5") + "\r\n" + get(),
		post("5\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked") + get(),
		get() + "\r\n" + get(), "GET / HTTP/1.1\nHost: h\n\n",
	} {
		for at := 1; at < len(text); at++ {
			p.compare(t, true, []string{text[:at], text[at:], probe})
		}
		p.same(t, strings.Split(text, "")...)
	}
}

// An error is answered as soon as it is found, even if the client has more to send.
func TestAnsweredBeforeTheEnd(t *testing.T) {
	p := newPair(t, report)
	for _, text := range []string{
		"\r\n", "garbage\r\n", "garbage\n", "\x16\x03\x01\n", "GET / HTTP/1.1\r\nHost\r\nX", "GET / HTTP/9.1\r\nHost: h\r\n\r\n",
		"GET http://[/ HTTP/1.1\r\n", "GET /\x01 HTTP/1.1\r\n", "GET / HTTP/1.1\r\n : a\r\nY: b\r\n", get("Connection: close"), "GET / HTTP/1.0\r\n\r\n",
		"GET / HTTP/1.1\nHost: h\nConnection: close\n\n", get() + "garbage\r\n", get() + "GET / HTTP/1.1\nHost: h\nConnection: close\n\n",
	} {
		for _, pieces := range [][]string{{text}, strings.Split(text, "")} {
			if told := p.compare(t, false, pieces); strings.Contains(told, "stays open") {
				t.Errorf("%q: net/http waits for more", text)
			}
		}
	}
}

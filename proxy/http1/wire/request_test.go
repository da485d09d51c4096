package wire

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http/httpguts"
)

// requestCases are heads. Each says whether it is simple. net/http defines the right
// result.
var requestCases = []struct {
	name, head string
	plain      bool
}{
	{"small", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
	{"a browser's", "GET /a/b?c=d HTTP/1.1\r\nhost: a.example:8443\r\nuser-agent: x\r\nACCEPT: */*\r\nCookie: a=b; c=d\r\nCookie: e=f\r\n\r\n", true},
	{"white space around values", "GET / HTTP/1.1\r\nHost:a\r\nX-A: \t b \t \r\nX-B:\r\nX-C: \r\n\r\n", true},
	{"bytes beyond ASCII", "GET / HTTP/1.1\r\nHost: a\r\nX-A: \xff\xe4\xfc caf\xc3\xa9\r\n\r\n", true},
	{"odd names", "GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~09: b\r\nx--y-: c\r\n\r\n", true},
	{"a name of every case", "GET / HTTP/1.1\r\nHost: a\r\nx-a: 1\r\nX-A: 2\r\nX-a: 3\r\n\r\n", true},
	{"host in brackets", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", true},
	{"an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", true},
	{"length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", true},
	{"length 0", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", true},
	{"length with noughts", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 000000000000000005\r\n\r\nhello", true},
	{"the longest length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999999999\r\n\r\n", true},
	{"GET with a length", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", true},
	{"close", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", true},
	{"keep-alive", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n", true},
	{"Pragma", "GET / HTTP/1.1\r\nHost: a\r\nPragma: no-cache\r\n\r\n", true},
	{"Pragma beside Cache-Control", "GET / HTTP/1.1\r\nHost: a\r\nPragma: no-cache\r\nCache-Control: private\r\n\r\n", true},
	{"Pragma of another kind", "GET / HTTP/1.1\r\nHost: a\r\nPragma: No-Cache\r\n\r\n", true},
	{"an encoded path", "GET /a%2Fb/%7e HTTP/1.1\r\nHost: a\r\n\r\n", true},
	{"a path of two slashes", "GET //evil.example/a HTTP/1.1\r\nHost: a\r\n\r\n", true},
	{"a path of three slashes", "GET ///a HTTP/1.1\r\nHost: a\r\n\r\n", true},
	{"a path like a URL", "GET /http://evil.example/a HTTP/1.1\r\nHost: a\r\n\r\n", true},
	{"a fragment", "GET /a#b?c#d HTTP/1.1\r\nHost: a\r\n\r\n", true},
	{"a lone question mark", "GET /? HTTP/1.1\r\nHost: a\r\n\r\n", true},
	{"question marks", "GET /a??b? HTTP/1.1\r\nHost: a\r\n\r\n", true},
	{"two requests", "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", true},
	{"cloſe is not close", "GET / HTTP/1.1\r\nHost: a\r\nConnection: clo\u017fe\r\n\r\n", false},
	{"\u212aeep-alive is not keep-alive", "GET / HTTP/1.1\r\nHost: a\r\nConnection: \u212aeep-alive\r\n\r\n", false},

	{"nothing", "\r\n\r\n", false},
	{"a newline first", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"no host", "GET / HTTP/1.1\r\n\r\n", false},
	{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", false},
	{"a host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", false},
	{"a host beyond ASCII", "GET / HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n", false},
	{"two hosts in one", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", false},
	{"HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", false},
	{"HTTP/1.10", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", false},
	{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false},
	{"no protocol", "GET /\r\nHost: a\r\n\r\n", false},
	{"a blank behind the protocol", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", false},
	{"two blanks", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"a target of two parts", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"no target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"a tab in the path", "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"a tab in the query", "GET /a?b\tc HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"a NUL in the query", "GET /a?b\x00c HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"DEL in the query", "GET /a?b\x7fc HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"an encoding that is none", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"half an encoding", "GET /a%2 HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"absolute form", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"asterisk form", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"authority form", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"a tunnel to a path", "CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"a method of one's own", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"a method in small letters", "get / HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"bare newlines", "GET / HTTP/1.1\nHost: a\n\nX: y\r\n\r\n", false},
	{"a bare newline between fields", "GET / HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n", false},
	{"a bare end before the end", "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\n\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"a carriage return in a value", "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\rc\r\n\r\n", false},
	{"a carriage return before the end of a line", "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\r\n\r\n", false},
	{"a carriage return in the target", "GET /a\rb HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"a line that goes on", "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n", false},
	{"a line that goes on with a tab", "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\tc: d\r\n\r\n", false},
	{"a fold at the start", "GET / HTTP/1.1\r\n X-A: b\r\nHost: a\r\n\r\n", false},
	{"a line of blanks", "GET / HTTP/1.1\r\nHost: a\r\n  \r\n\r\n", false},
	{"no colon", "GET / HTTP/1.1\r\nHost: a\r\nX-A\r\n\r\n", false},
	{"no name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", false},
	{"a blank before the colon", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n", false},
	{"a name beyond ASCII", "GET / HTTP/1.1\r\nHost: a\r\nX-\xc3\xa4: b\r\n\r\n", false},
	{"a NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\x00c\r\n\r\n", false},
	{"DEL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\x7f\r\n\r\n", false},
	{"chunks", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false},
	{"chunks and a length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", false},
	{"an empty coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", false},
	{"the same length twice", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\nhello", false},
	{"two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", false},
	{"two lengths in one", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello", false},
	{"a length with a sign", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello", false},
	{"a length below nothing", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nhello", false},
	{"a length in hex", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello", false},
	{"no length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", false},
	{"a length beyond counting", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", false},
	{"an upgrade", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", false},
	{"an upgrade that the connection does not name", "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n", false},
	{"Expect", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", false},
	{"a trailer", "POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-A\r\nContent-Length: 0\r\n\r\n", false},
	{"Connection names a field", "GET / HTTP/1.1\r\nHost: a\r\nConnection: X-A\r\nX-A: b\r\n\r\n", false},
	{"close among others", "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n", false},
	{"Connection twice", "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", false},
}

func TestRequest(t *testing.T) {
	for _, c := range requestCases {
		t.Run(c.name, func(t *testing.T) {
			for _, before := range []*url.URL{nil, dirtyURL()} {
				if ok := wantAsServer(t, []byte(c.head), before); ok != c.plain {
					t.Errorf("ok is %t, want %t", ok, c.plain)
				}
			}
		})
	}
}

// FuzzRequest checks that a parsed request equals the one that net/http's server passes to
// its handler.
func FuzzRequest(f *testing.F) {
	for _, c := range requestCases {
		f.Add([]byte(c.head))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if with, without := wantAsServer(t, data, dirtyURL()), wantAsServer(t, data, nil); with != without {
			t.Errorf("%q is plain depending on the URL that was there before", data)
		}
	})
}

// dirtyURL is a URL with values that must not remain.
func dirtyURL() *url.URL {
	return &url.URL{
		Scheme: "old", Opaque: "old", User: url.User("old"), Host: "old", Path: "old", RawPath: "old", OmitHost: true,
		ForceQuery: true, RawQuery: "old", Fragment: "old", RawFragment: "old",
	}
}

// readAs returns the request that net/http's server passes to a handler for a head.
type readAs struct {
	Method, RequestURI, Proto, Host string
	Major, Minor                    int
	URL                             url.URL
	Header                          http.Header
	Length                          int64
	Close                           bool
	Coding                          []string
	Trailer                         http.Header
}

func asRead(r *http.Request) readAs {
	return readAs{r.Method, r.RequestURI, r.Proto, r.Host, r.ProtoMajor, r.ProtoMinor, *r.URL, r.Header, r.ContentLength, r.Close, r.TransferEncoding, r.Trailer}
}

// wantAsServer fails when Request parses the head of data, but not as net/http's server
// does.
func wantAsServer(t *testing.T, data []byte, before *url.URL) (ok bool) {
	t.Helper()
	end := HeadEnd(data)
	if end == 0 {
		return false
	}
	got := &http.Request{URL: before}
	if !Request(string(data[:end]), got) {
		return false
	}
	in := bufio.NewReaderSize(bytes.NewReader(data), len(data)+16)
	want, err := http.ReadRequest(in)
	if err != nil {
		t.Fatalf("%q is taken, of which net/http says: %v", data, err)
	}
	if diff := cmp.Diff(asRead(want), asRead(got), cmp.AllowUnexported(url.Userinfo{})); diff != "" {
		t.Errorf("%q (-net/http +ours): %s", data, diff)
	}
	if read := len(data) - in.Buffered(); read != end {
		t.Errorf("%q ends at %d for net/http, at %d for us", data, read, end)
	}
	wantNotRefused(t, data[:end])
	return true
}

// wantNotRefused fails for a request that net/http's server refuses by its other checks.
func wantNotRefused(t *testing.T, head []byte) {
	t.Helper()
	in := textproto.NewReader(bufio.NewReader(bytes.NewReader(head)))
	_, _ = in.ReadLine()
	header, err := in.ReadMIMEHeader()
	if err != nil {
		t.Fatal(err)
	}
	if hosts := header["Host"]; len(hosts) != 1 || !httpguts.ValidHostHeader(hosts[0]) {
		t.Errorf("%q is taken with the hosts %q", head, hosts)
	}
	for name, values := range header {
		for _, value := range values {
			if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
				t.Errorf("%q is taken with the field %q: %q", head, name, value)
			}
		}
	}
}

// net/http's own server serves all simple requests, and passes the same to its handler.
func TestRequestAtServer(t *testing.T) {
	seen := make(chan *http.Request, 1)
	server := serveOne(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		w.Header().Set("Connection", "close")
	})
	for _, c := range requestCases {
		if !c.plain {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			head := c.head[:HeadEnd([]byte(c.head))]
			var got http.Request
			if !Request(head, &got) {
				t.Fatal("it is not plain")
			}
			answer := server(head)
			if !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
				t.Fatalf("net/http says %q", answer)
			}
			if diff := cmp.Diff(asRead(<-seen), asRead(&got)); diff != "" {
				t.Errorf("(-net/http +ours): %s", diff)
			}
		})
	}
}

// serveOne starts a server. It returns a function that sends raw text and reads the whole
// answer.
func serveOne(t *testing.T, handler http.HandlerFunc) (ask func(raw string) string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return func(raw string) string {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, raw); err != nil {
			t.Fatal(err)
		}
		_ = conn.(*net.TCPConn).CloseWrite() // there is no body
		answer, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		return string(answer)
	}
}

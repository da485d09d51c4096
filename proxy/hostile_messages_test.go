package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
	"gatehouse/proxy/upstream"
)

// healthyBackend reads every request to its end and answers it.
func healthyBackend(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	for name := range r.Header {
		w.Header().Add("Seen", name)
	}
	for name := range r.Trailer {
		w.Header().Add("Seen", name)
	}
	_, _ = io.WriteString(w, "ok")
}

// withStandard makes the kit reach its backends through net/http's transport.
func (k *kit) withStandard(table string) *kit {
	k.t.Helper()
	k.parts.Transports = upstream.NewPool(upstream.PoolOptions{MaxIdle: 64, Standard: true})
	k.gateway.transports = k.parts.Transports
	k.gateway.Swap(k.compile(table))
	k.t.Cleanup(func() { k.parts.Transports.Activate(upstream.Set{}) })
	return k
}

// eachTransport runs a test over HTTP/1.1 with either transport.
func eachTransport(t *testing.T, table, backend string, test func(t *testing.T, k *kit)) {
	for _, standard := range []bool{false, true} {
		t.Run(map[bool]string{false: "lean", true: "standard"}[standard], func(t *testing.T) {
			k := newKit(t, table, backend)
			if standard {
				k.withStandard(table)
			}
			k.serve()
			test(t, k)
		})
	}
}

// oddTrailers are names that are invalid for a trailer, or that a proxy must not forward.
var oddTrailers = []string{
	"a b", ":path", `"x"`, "x;y", "x:y", "é", "x\ty", "(", "Host", "Connection", "TE", "Content-Type", "If-Match", "x_y", "X-User-Id", "Keep-Alive",
}

// TestOddTrailersAreNotForwarded announces trailers that no transport would write. The
// backend must not get the blame.
func TestOddTrailersAreNotForwarded(t *testing.T) {
	t.Parallel()
	backend := testkit.Serve(t, healthyBackend)
	eachTransport(t, openTable, backend, func(t *testing.T, k *kit) {
		for _, name := range oddTrailers {
			res := k.raw("POST /a HTTP/1.1\r\nHost: x\r\nTrailer: X-Good, " + name + "\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Good: a\r\n\r\n")
			if seen := res.Header["Seen"]; res.StatusCode != 200 || !strings.Contains(strings.Join(seen, " "), "X-Good") {
				t.Errorf("Trailer: %q = %d, the backend saw %q", name, res.StatusCode, seen)
			}
		}
		// A valid name may have an invalid value, which net/http refuses.
		res := k.raw("POST /a HTTP/1.1\r\nHost: x\r\nTrailer: X-Good\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Good: a\x01b\r\n\r\n")
		if blamesTheBackend(res.StatusCode) || strings.Contains(strings.Join(res.Header["Seen"], " "), "X-Good") {
			t.Errorf("a control character in a trailer = %d, the backend saw %q", res.StatusCode, res.Header["Seen"])
		}
	})
	eachHTTP2(t, openTable, backend, func(t *testing.T, k *kit) {
		for _, name := range oddTrailers {
			w := k.dial2()
			w.open(1, false, "trailer", "x-good, "+name)
			_ = w.WriteData(1, true, []byte("abc"))
			if got := w.outcome(); got != "200" {
				t.Errorf("trailer: %q = %s", name, got)
			}
		}
	})
}

// TestHTTP2EndsTooEarly ends requests before the length that they announce.
func TestHTTP2EndsTooEarly(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t testing.TB, table, backend string) *kit{"TLS": startTLS, "h2c": startH2C} {
		t.Run(name, func(t *testing.T) { testEndsTooEarly(t, start) })
	}
}

func testEndsTooEarly(t *testing.T, start func(t testing.TB, table, backend string) *kit) {
	backend := count(t)
	k := start(t, openTable, backend.url)
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE"} {
		w := k.dial2()
		w.open(1, true, ":method", method, "content-length", "5")
		if got := w.outcome(); got != "400" {
			t.Errorf("%s without its body = %s", method, got)
		}
	}
	w := k.dial2()
	w.open(1, false, "content-length", "5")
	_ = w.WriteData(1, true, nil)
	if got := w.outcome(); got != "400" {
		t.Errorf("an empty body in place of 5 bytes = %s", got)
	}
	if seen := backend.seen(); len(seen) > 0 {
		t.Errorf("the backend saw %q", seen)
	}
	w = k.dial2()
	w.open(1, true, "content-length", "0")
	if got := w.outcome(); got != "200" {
		t.Errorf("a body of no length = %s", got)
	}
}

// TestFoldedFramingIsRemoved sends headers that a backend that folds names would read as
// headers of the framing or the connection.
func TestFoldedFramingIsRemoved(t *testing.T) {
	t.Parallel()
	eachTransport(t, openTable, testkit.Serve(t, healthyBackend), func(t *testing.T, k *kit) {
		for _, name := range []string{
			"Transfer_Encoding", "transfer.encoding", "TRANSFER_ENCODING", "Content_Length", "Content.Length", "Keep_Alive",
			"Proxy_Connection", "Proxy_Authorization", "Proxy_Authenticate", "HTTP2_Settings",
		} {
			for _, body := range []string{"", "abc"} {
				res := k.do(http.MethodPost, "/a", strings.NewReader(body), name+": 3", "X-Other_Name: 3")
				seen := strings.ToLower(strings.Join(res.Header["Seen"], " "))
				if res.StatusCode != 200 || strings.Contains(seen, strings.ToLower(name)) || !strings.Contains(seen, "x-other_name") {
					t.Errorf("%s with %q = %d, the backend saw %s", name, body, res.StatusCode, seen)
				}
			}
		}
	})
}

// TestTraceIsRefused checks that TRACE is refused. A backend would answer it with the
// request, including the token.
func TestTraceIsRefused(t *testing.T) {
	t.Parallel()
	backend := count(t)
	k := startBefore(t, openTable, backend.url)
	for _, method := range []string{"TRACE", "TRACK", "trace", "Track"} {
		for _, path := range []string{"/a", "/health", "/"} {
			res := k.do(method, path, nil, "Authorization: "+k.member())
			res.wantDetail(t, http.StatusMethodNotAllowed, "Method Not Allowed")
			if res.Header.Get("Allow") == "" {
				t.Errorf("%s %s has no Allow", method, path)
			}
		}
	}
	if seen := backend.seen(); len(seen) > 0 {
		t.Errorf("the backend saw %q", seen)
	}
}

// TestOddUpgradeIsDropped asks for protocols that a careless reader would read as a listed
// one.
func TestOddUpgradeIsDropped(t *testing.T) {
	t.Parallel()
	eachTransport(t, openTable, testkit.Serve(t, healthyBackend), func(t *testing.T, k *kit) {
		for _, protocol := range []string{"websoc\u212aet", "websocket/\xff", "websocket/1 3", "websocket/", "websocket;a"} {
			res := k.raw("GET /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\n\r\n")
			if seen := strings.Join(res.Header["Seen"], " "); res.StatusCode != 200 || strings.Contains(seen, "Upgrade") {
				t.Errorf("Upgrade: %q = %d, the backend saw %s", protocol, res.StatusCode, seen)
			}
		}
	})
}

// TestHeadersTooLargeForTheBackend sends more headers than an HTTP/2 backend accepts.
func TestHeadersTooLargeForTheBackend(t *testing.T) {
	t.Parallel()
	backend := testkit.ServeH2C(t, healthyBackend, func(s *http.Server) { s.MaxHeaderBytes = 4 << 10 })
	k := startBefore(t, `
users: off
routes:
  - {name: open, prefix: /, backend: "${BACKEND}", auth: none, protocol: h2c}
`, backend)
	if res := k.get("/"); res.StatusCode != 200 { // then the transport knows the backend's settings
		t.Fatalf("status %d", res.StatusCode)
	}
	for range 3 {
		if res := k.get("/", "X-Large: "+strings.Repeat("x", 20<<10)); res.StatusCode != 431 {
			t.Errorf("status %d, %s", res.StatusCode, res.body)
		}
	}
	if res := k.get("/"); res.StatusCode != 200 {
		t.Errorf("then status %d", res.StatusCode)
	}
}

// blamesTheBackend reports whether a status means that the backend is at fault.
func blamesTheBackend(status int) bool {
	return status == 500 || status == 502 || status == 503 || status == 504
}

// fuzzBefore returns gateways in front of a healthy backend, one for each transport.
func fuzzBefore(f *testing.F) (urls []string) {
	backend := testkit.Serve(f, healthyBackend)
	for _, standard := range []bool{false, true} {
		k := newKit(f, healthyTable, backend)
		if standard {
			k.withStandard(healthyTable)
		}
		k.serve()
		urls = append(urls, k.url)
	}
	return urls
}

const healthyTable = `
users: off
routes:
  - {name: open, prefix: /, backend: "${BACKEND}", auth: none}
  - {name: kept, prefix: /kept, backend: "${BACKEND}", auth: none, preserve_host: true, strip_prefix: true}
`

// FuzzHealthyBackend sends any bytes to a gateway, and then nothing more. The backend
// answers every request, so no answer may blame it.
func FuzzHealthyBackend(f *testing.F) {
	for _, line := range []string{
		"GET / HTTP/1.1", "GET /kept?a=b HTTP/1.1", "GET //x HTTP/1.1", "GET /?\xff HTTP/1.1", "GET http://u:p@x/a HTTP/1.1", "GET /%zz HTTP/1.1",
		"POST /a HTTP/1.1", "HEAD /a HTTP/1.1", "OPTIONS * HTTP/1.1", "BREW /a HTTP/1.1", "TRACE / HTTP/1.1", "GET / HTTP/1.0", "POST /a HTTP/1.0",
		"PRI * HTTP/2.0", "CONNECT x:80 HTTP/1.1", "!#$%&'*+-.^_`|~ /kept HTTP/1.1", "GET /[]{}|^\" HTTP/1.1", "GET /kept/:a@b HTTP/1.1",
	} {
		f.Add(line, "", "")
	}
	for _, field := range []string{
		"Host: x", "Host: \xc3\xa9", "Host: x:", "Host: [::1]:80", "Host: x_y", "Host: a%20b", "Expect: 100-continue", "Expect: more", "Connection: close",
		"Connection: a b, :x, Host", "Connection: Content-Length", "TE: trailers", "TE: gzip, trailers", "Upgrade: websocket\r\nConnection: upgrade",
		"Upgrade: \xe2\x84\xaa\r\nConnection: upgrade", "Content-Length: 0", "Content-Length: 0, 0", "Content-Length: 0\r\nContent-Length: 0", "Content-Length: +0",
		"Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Transfer_Encoding: chunked", "Trailer: a b", "Cookie: \x80", "X: \xff", "X\x80: a", "x y: a",
		"Keep-Alive: 5", "Proxy-Connection: x", "User-Agent:", "Authorization: Bearer \xff", "X-Forwarded-For: \xff", "Idempotency-Key: a", "Content-Type: \xff",
		"HTTP2-Settings: \xff", "Accept-Encoding: \xff", "Range: bytes=a", "Pragma: no-cache", "Referer: \x7f",
	} {
		for _, line := range []string{"GET /kept HTTP/1.1", "POST /a HTTP/1.1"} {
			f.Add(line, field, "")
		}
	}
	for _, name := range oddTrailers {
		f.Add("POST /a HTTP/1.1", "Transfer-Encoding: chunked\r\nTrailer: "+name, "3\r\nabc\r\n0\r\n"+name+": a\r\n\r\n")
	}
	for _, body := range []string{"0\r\n\r\n", "3\r\nabc\r\n0\r\nX: \x01\r\n\r\n", "3;a=\xff\r\nabc\r\n0\r\n\r\n", "zz\r\n", "3\r\nab"} {
		f.Add("POST /a HTTP/1.1", "Transfer-Encoding: chunked\r\nTrailer: X", body)
	}
	for _, body := range []string{"", "ab", "abc", "abcGET /a HTTP/1.1\r\n\r\n"} {
		f.Add("POST /a HTTP/1.1", "Content-Length: 3", body)
		f.Add("GET /a HTTP/1.1", "Content-Length: 3\r\nUpgrade: websocket\r\nConnection: Upgrade", body)
		f.Add("POST /a HTTP/1.1", "Content-Length: 3\r\nExpect: 100-continue", body)
	}
	urls := fuzzBefore(f)
	f.Fuzz(func(t *testing.T, line, fields, body string) {
		head := line + "\r\n"
		if !strings.Contains(strings.ToLower(fields), "host:") {
			head += "Host: x\r\n"
		}
		if fields != "" {
			head += fields + "\r\n"
		}
		for _, url := range urls {
			w := testkit.Dial(t, url)
			_, _ = io.WriteString(w.Conn, head+"\r\n"+body)
			_ = w.CloseWrite()
			all, _ := io.ReadAll(w.In)
			for answer := range bytes.SplitSeq(all, []byte("HTTP/1.1 ")) {
				var status int
				if n, _ := fmt.Sscanf(string(answer), "%d", &status); n == 1 && blamesTheBackend(status) {
					t.Errorf("%q %q = %s", head, body, answer)
				}
			}
		}
	})
}

// FuzzHealthyBackendHTTP2 is like FuzzHealthyBackend, over HTTP/2.
func FuzzHealthyBackendHTTP2(f *testing.F) {
	for _, path := range []string{"/", "/kept", "/a?b c", "*", "//", "/\xff", "", "/a#b", "http://x/a", "/kept/\x80"} {
		f.Add("GET", path, "x", "x-a", "b", "")
	}
	for _, authority := range []string{"", "x:", "[::1]", "é", "u@x", "x/y", "x y", "\x80"} {
		f.Add("GET", "/kept", authority, "x-a", "b", "")
	}
	for _, method := range []string{"POST", "TRACE", "CONNECT", "", "a b", "!#$%&'*+-.^_`|~", "\x80"} {
		f.Add(method, "/kept", "x", "x-a", "b", "abc")
	}
	for _, name := range append(oddTrailers, "X", "X, Y") {
		f.Add("POST", "/a", "x", "trailer", name, "abc")
	}
	for _, field := range [][2]string{
		{"te", "trailers"},
		{"expect", "100-continue"},
		{"expect", "more"},
		{"content-length", "3"},
		{"content-length", "5"},
		{"content-length", "03"},
		{"cookie", "a; b"},
		{"host", "x"},
		{"x_y", "\xff"},
		{"upgrade", "websocket"},
		{"transfer_encoding", "chunked"},
		{"user-agent", ""},
		{"x", "\x01"},
	} {
		f.Add("POST", "/a", "x", field[0], field[1], "abc")
		f.Add("POST", "/a", "x", field[0], field[1], "")
	}
	backend := testkit.Serve(f, healthyBackend)
	k := newKit(f, healthyTable, backend)
	k.serveTLS()
	f.Fuzz(func(t *testing.T, method, path, authority, name, value, body string) {
		if len(path)+len(name)+len(value) > 8<<10 || len(body) > 1<<10 {
			return // too large for one frame
		}
		w := dial2(t, k.url)
		defer w.conn.Close()
		w.open(1, body == "", ":method", method, ":scheme", "https", ":path", path, ":authority", authority, name, value)
		if body != "" {
			_ = w.WriteData(1, true, []byte(body))
		}
		for {
			got := w.outcome()
			var status int
			if n, _ := fmt.Sscanf(got, "%d", &status); n == 1 && blamesTheBackend(status) {
				t.Errorf("%q %q %q %q: %q %q = %s", method, path, authority, name, value, body, got)
			}
			if status != 100 {
				return
			}
		}
	})
}

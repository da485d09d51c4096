package proxy

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// serveToHTTPS serves the redirects of a gateway.
func (k *kit) serveToHTTPS(port string) {
	k.t.Helper()
	public := testkit.Listen(k.t)
	server := &http.Server{
		Handler: k.gateway.ToHTTPS(port), ErrorLog: testkit.DiscardLog(), ReadTimeout: testkit.Timeout, DisableGeneralOptionsHandler: true,
	}
	go func() { _ = server.Serve(k.gateway.Limit(public)) }()
	k.t.Cleanup(func() { _ = server.Close() })
	k.url = "http://" + public.Addr().String()
}

func TestToHTTPS(t *testing.T) {
	t.Parallel()
	k := newKit(t, `
users: off
response_headers: {Strict-Transport-Security: max-age=1}
cors: {origins: ["https://a.example"]}
routes:
  - {name: open, prefix: /, backend: "${BACKEND}", auth: none}
`, "http://127.0.0.1:9")
	for _, c := range []struct{ port, host, target, want string }{
		{"443", "example.com", "/", "https://example.com/"},
		{"443", "example.com:80", "/a/b?c=d&e", "https://example.com/a/b?c=d&e"},
		{"8443", "example.com:8080", "/a", "https://example.com:8443/a"},
		{"8443", "Example.COM.", "/a", "https://example.com:8443/a"},
		{"443", "192.0.2.1:80", "/a", "https://192.0.2.1/a"},
		{"443", "[2001:DB8::1]:80", "/a", "https://[2001:db8::1]/a"},
		{"8443", "[2001:db8::1]", "/a", "https://[2001:db8::1]:8443/a"},
		{"", "example.com", "/a", "https://example.com/a"},
		{"", "example.com:8443", "/a", "https://example.com:8443/a"},
		{"", "example.com:443", "/a", "https://example.com/a"},
		{"", "[::1]:8443", "/a", "https://[::1]:8443/a"},
		{"", "[::1]", "/a", "https://[::1]/a"},
		// Path and query stay byte for byte.
		{"443", "h", "/a%2fb%2F%20%7e~/../c//d;e=f?g=h%20+i?j", "https://h/a%2fb%2F%20%7e~/../c//d;e=f?g=h%20+i?j"},
		{"443", "h", "/?", "https://h/?"},
		{"443", "h", "//evil.example/a", "https://h//evil.example/a"},
		{"443", "h", `/\evil.example`, "https://h/%5Cevil.example"},
		{"443", "h", "/é?é", "https://h/%C3%A9?%C3%A9"},
		{"443", "h", `/"<>^|{}?"<>^|{}`, "https://h/%22%3C%3E%5E%7C%7B%7D?%22%3C%3E%5E%7C%7B%7D"},
		{"443", "h", "/@evil.example", "https://h/@evil.example"},
		// absolute-form: net/http takes the host from it.
		{"443", "other", "http://example.com:80/a?b", "https://example.com/a?b"},
		{"443", "other", "http://example.com", "https://example.com/"},
		{"443", "other", "http://u:p@example.com/a?u:p@x", "https://example.com/a?u:p@x"},
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS"} {
			k.serveToHTTPS(c.port)
			res := k.raw(method + " " + c.target + " HTTP/1.1\r\nHost: " + c.host + "\r\nOrigin: https://a.example\r\nContent-Length: 3\r\n\r\nabc")
			if got := res.header("Location"); res.StatusCode != http.StatusPermanentRedirect || len(got) != 1 || got[0] != c.want {
				t.Errorf("%s %s of %q = %d to %q, want %s", method, c.target, c.host, res.StatusCode, got, c.want)
			}
			if res.body != "" || !res.Close || len(res.header("Strict-Transport-Security")) > 0 || len(res.header("X-Request-Id")) != 1 {
				t.Errorf("%s %s: body %q, header %v", method, c.target, res.body, res.Header)
			}
			if line := k.line(); line["route"] != HTTPSRoute || line["status"] != 308.0 || line["path"] != loggedTarget(c.target) {
				t.Errorf("%s %s: the log has %v", method, c.target, line)
			}
		}
	}
	counts := k.metrics.of(HTTPSRoute)
	if counts.started == 0 || counts.started != len(counts.finished) || counts.finished[0] != "GET 308 0" {
		t.Errorf("%d requests began, the first ended with %q", counts.started, counts.finished[0])
	}
}

// loggedTarget is the path of a target in origin-form or absolute-form.
func loggedTarget(target string) string {
	path, _, _ := strings.Cut(target, "?")
	if _, rest, absolute := strings.Cut(path, "://"); absolute {
		if _, path, _ = strings.Cut(rest, "/"); path == "" {
			return "/"
		}
		return "/" + path
	}
	return path
}

// TestToHTTPSRefuses sends requests whose address is unclear.
func TestToHTTPSRefuses(t *testing.T) {
	t.Parallel()
	k := newKit(t, openTable, "http://127.0.0.1:9")
	k.serveToHTTPS("443")
	for request, want := range map[string]int{
		"GET / HTTP/1.0\r\n":                                      400,
		"GET / HTTP/1.1\r\nHost:\r\n":                             400,
		"GET / HTTP/1.1\r\nHost: a b\r\n":                         400,
		"GET / HTTP/1.1\r\nHost: a/b\r\n":                         400,
		"GET / HTTP/1.1\r\nHost: u@a\r\n":                         400,
		"GET / HTTP/1.1\r\nHost: a?b\r\n":                         400,
		"GET / HTTP/1.1\r\nHost: a#b\r\n":                         400,
		"GET / HTTP/1.1\r\nHost: a:b\r\n":                         400,
		"GET / HTTP/1.1\r\nHost: a:1:2\r\n":                       400,
		"GET / HTTP/1.1\r\nHost: [::1\r\n":                        400,
		"GET / HTTP/1.1\r\nHost: a..b\r\n":                        400,
		"GET / HTTP/1.1\r\nHost: .\r\n":                           400,
		"GET /a#b HTTP/1.1\r\nHost: a\r\n":                        400,
		"GET /a?b#c HTTP/1.1\r\nHost: a\r\n":                      400,
		"OPTIONS * HTTP/1.1\r\nHost: a\r\n":                       400,
		"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n":                   501,
		"TRACE / HTTP/1.1\r\nHost: a\r\n":                         405,
		"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: x\r\n":  400,
		"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n":                    400,
		"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: evil\r\n": 308,
	} {
		res := k.raw(request + "\r\n")
		if res.StatusCode != want {
			t.Errorf("%q = %d %q, want %d", request, res.StatusCode, res.body, want)
		}
		if location := res.header("Location"); (len(location) > 0) != (want == 308) {
			t.Errorf("%q leads to %q", request, location)
		}
		if want == 400 && !strings.HasPrefix(res.body, `{"detail":"`) && !strings.Contains(res.body, "malformed Host") {
			t.Errorf("%q: %q is no JSON", request, res.body)
		}
	}
}

// TestToHTTPSWithoutTable asks a gateway that has not loaded its table yet.
func TestToHTTPSWithoutTable(t *testing.T) {
	t.Parallel()
	k := newKit(t, openTable, "http://127.0.0.1:9")
	k.gateway.table.Store(nil)
	k.serveToHTTPS("443")
	k.raw("GET / HTTP/1.1\r\nHost: a\r\n\r\n").wantDetail(t, 503, "The gateway has no route table yet.")
}

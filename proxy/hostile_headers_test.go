package proxy

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"slices"
	"strings"
	"testing"
)

// TestTwoAuthorizationsAreRefused checks that a request with two Authorization headers is
// refused. Otherwise the backend could use the one that the gateway did not check.
func TestTwoAuthorizationsAreRefused(t *testing.T) {
	t.Parallel()
	k := start(t, identityTable, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the backend was asked with %q", r.Header["Authorization"])
	})
	for _, other := range []string{k.member(), "Bearer x", "Basic eDp5", ""} {
		for _, both := range []string{
			"Authorization: " + k.member() + "\r\nAuthorization: " + other + "\r\n",
			"authorization: " + other + "\r\nAUTHORIZATION: " + k.member() + "\r\n",
		} {
			if res := k.raw("GET /strict HTTP/1.1\r\nHost: x\r\n" + both + "\r\n"); res.StatusCode != 400 {
				t.Errorf("%q: %d %s", other, res.StatusCode, res.body)
			}
		}
	}
}

// TestHostOfTheTarget checks that route, policy and headers use the same host. It is that
// of an absolute-form target, if the request has one (RFC 9112 section 3.2.2).
func TestHostOfTheTarget(t *testing.T) {
	t.Parallel()
	k := start(t, `
users: off
routes:
  - {name: inside, prefix: /, hosts: [inside.test], backend: "${BACKEND}"}
  - {name: open, prefix: /, auth: none, preserve_host: true, backend: "${BACKEND}"}
`, mirror)
	for request, status := range map[string]int{
		"GET http://inside.test/a HTTP/1.1\r\nHost: open.test\r\n":       401,
		"GET http://inside.test:80/a HTTP/1.1\r\nHost: open.test\r\n":    401,
		"GET http://INSIDE.test./a HTTP/1.1\r\nHost: open.test\r\n":      401,
		"GET http://u@inside.test/a HTTP/1.1\r\nHost: open.test\r\n":     401,
		"GET http://inside.test HTTP/1.1\r\nHost: open.test\r\n":         401,
		"GET /a HTTP/1.1\r\nHost: INSIDE.TEST\r\n":                       401,
		"GET /a HTTP/1.1\r\nHost: inside.test:8080\r\n":                  401,
		"GET /a HTTP/1.0\r\nHost: inside.test\r\n":                       401,
		"GET http://open.test/a HTTP/1.1\r\nHost: inside.test\r\n":       200,
		"GET /http://inside.test/a HTTP/1.1\r\nHost: open.test\r\n":      400,
		"GET http:///a HTTP/1.1\r\nHost: inside.test\r\n":                400,
		"GET http://open.test@inside.test/a HTTP/1.1\r\nHost: x\r\n":     401,
		"GET http://inside.test\\@open.test/a HTTP/1.1\r\nHost: x\r\n":   400,
		"GET http://inside.test#@open.test/a HTTP/1.1\r\nHost: x\r\n":    400,
		"GET http://inside.test%00.open.test/ HTTP/1.1\r\nHost: x\r\n":   400,
		"GET http://inside.test:80:81/a HTTP/1.1\r\nHost: open.test\r\n": 400,
	} {
		res := k.raw(request + "Connection: close\r\n\r\n")
		if res.StatusCode != status {
			t.Errorf("%q: %d %s", request, res.StatusCode, res.body)
		}
		if res.StatusCode == 200 {
			if got := res.seen(t); got.Host != "open.test" || got.Header.Get("X-Forwarded-Host") != "open.test" {
				t.Errorf("%q: the backend saw Host %q, X-Forwarded-Host %q", request, got.Host, got.Header["X-Forwarded-Host"])
			}
		}
	}
}

// TestBadHosts checks that an invalid host is answered 400, by the gateway or by net/http.
func TestBadHosts(t *testing.T) {
	t.Parallel()
	k := start(t, openTable, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the backend was asked as %q", r.Host) })
	for _, host := range []string{
		"a b", "a/b", "a\\b", "a?b", "a#b", "u@a", "u:p@a", "a,b", "a;b", "a%00", "a%2eb", "a\x00b", "a\tb", "a:b", "a:123456", "a:-1", "a:+80", ":80", ".", "..", "a..b", ".a",
		"[::1", "::1", "[1.2.3.4]", "[::1%25eth0]", "[::1]x", "[]", "http://a", "a\"", "<a>", "é", "*", "${x}", "a\x7f",
	} {
		if res := k.raw("GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n"); res.StatusCode != 400 {
			t.Errorf("Host %q: %d", host, res.StatusCode)
		}
	}
}

// TestForwardedSpellings sends requests through a trusted proxy, which passes on spellings
// that it does not recognize.
func TestForwardedSpellings(t *testing.T) {
	t.Parallel()
	k := start(t, "trusted_proxies: [127.0.0.0/8]\n"+openTable, mirror)
	var request strings.Builder
	request.WriteString("GET / HTTP/1.1\r\nHost: x\r\nX-Real-IP: 192.0.2.1\r\nX-Original-URL: /fine\r\n")
	for _, name := range []string{
		"X-Real-IP", "X-Client-IP", "True-Client-IP", "X-Cluster-Client-IP", "CF-Connecting-IP", "Fastly-Client-IP",
		"X-Host", "X-Mirrored", "X-Rewrite-URL", "X-Envoy-Original-Path", "X-Envoy-External-Address",
		"Remote-User", "X-Remote-User", "X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Groups", "Forwarded-For",
		"X-Request-ID", "Proxy", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
	} {
		for _, mark := range []string{"_", "."} {
			request.WriteString(strings.ReplaceAll(name, "-", mark) + ": evil\r\n" + strings.Replace(name, "-", mark, 1) + ": evil\r\n")
		}
	}
	got := k.raw(request.String() + "\r\n").seen(t).Header
	for name, values := range got {
		if slices.Contains(values, "evil") {
			t.Errorf("%s: %q reached the backend", name, values)
		}
	}
	if got.Get("X-Real-Ip") != "192.0.2.1" || got.Get("X-Original-Url") != "/fine" {
		t.Errorf("the proxy's own are missing: %v", got)
	}
}

// silentBackend is a transport that stores the request and answers at once.
type silentBackend struct{ header http.Header }

func (a *silentBackend) RoundTrip(r *http.Request) (*http.Response, error) {
	a.header = r.Header
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"text/plain"}},
		Body: io.NopCloser(strings.NewReader("ok")), ContentLength: 2, Request: r,
	}, nil
}

// FuzzConnection checks that the backend gets no header that a client lists in Connection,
// and still gets all headers of the gateway.
func FuzzConnection(f *testing.F) {
	for _, list := range []string{
		"close", "keep-alive, X-User-ID", "X-User-ID,X-Company-ID,X-User-Email,X-Plan", "x-request-id", "X-Forwarded-For, x-forwarded-host,\tX-Forwarded-Proto ,",
		"upgrade, websocket", "Upgrade", "TE", "te, trailers", "Connection", "connection, connection", "X_User_ID", "X.User.ID", ",,,", "\"X-User-ID\"", "X-User-ID;q=1",
		"Host", "Content-Length, Transfer-Encoding", "Authorization", "é", "Proxy-Connection, Keep-Alive", "Cookie, Accept", "X-User-ID X-Company-ID",
	} {
		f.Add(list, "X-Mine", true)
		f.Add("close", list, false)
	}
	k := newKit(f, identityTable, "http://127.0.0.1:9")
	backend := new(silentBackend)
	sendTo(k.gateway.Table(), backend)
	member := k.member()
	f.Fuzz(func(t *testing.T, first, second string, strict bool) {
		if strings.ContainsFunc(first+second, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
			return // net/http refuses it
		}
		path := "/none"
		if strict {
			path = "/strict"
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		for _, name := range append(strings.Split(first+","+second, ","), "X-User-ID", "X-Company-ID", "X-User-Email", "X-Plan", "X_Plan", "X-Request-ID", "X-Forwarded-For") {
			if name = textproto.TrimString(name); isToken(name) {
				r.Header.Set(name, "evil!")
			}
		}
		r.Header["Connection"] = []string{first, second}
		r.Header.Set("Authorization", member)
		answer := httptest.NewRecorder()
		backend.header = nil
		k.gateway.ServeHTTP(answer, r)
		if answer.Code != http.StatusOK {
			t.Fatalf("%d %s", answer.Code, answer.Body)
		}
		want := http.Header{
			"X-Request-Id": answer.Header()["X-Request-Id"], "X-Forwarded-For": {"192.0.2.1"}, "X-Forwarded-Host": {"example.com"}, "X-Forwarded-Proto": {"http"},
			"X-User-Id": nil, "X-Company-Id": nil, "X-User-Email": nil, "X-Plan": nil, "X_plan": nil,
		}
		if strict {
			maps.Copy(want, http.Header{"X-User-Id": {testUser.String()}, "X-Company-Id": {testCompany.String()}, "X-User-Email": {"ada@example.com"}})
		}
		for name, values := range want {
			if !slices.Equal(backend.header[name], values) {
				t.Errorf("%s = %q, want %q", name, backend.header[name], values)
			}
		}
		for name, values := range backend.header {
			if slices.Contains(values, "evil!") {
				t.Errorf("%s: %q reached the backend", name, values)
			}
		}
	})
}

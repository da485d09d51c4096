package proxy

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

const locationTable = `
users: off
defaults: {auth: none}
routes:
  - {name: strip, prefix: /api, backend: "${BACKEND}", strip_prefix: true}
  - {name: base, prefix: /orders, backend: "${BACKEND}/v2/"}
  - {name: kept, prefix: /kept, backend: "${BACKEND}", strip_prefix: true, preserve_host: true}
  - {name: page, prefix: /old, backend: "${BACKEND}", rewrite: {from: '^/old/page$', to: /answer}}
  - {name: groups, prefix: /groups, backend: "${BACKEND}/v2", rewrite: {from: '^/groups/(.*)$', to: '/$1'}}
  - {name: left, prefix: /off, backend: "${BACKEND}", strip_prefix: true, rewrite_location: off}
  - {name: plain, prefix: /plain, backend: "${BACKEND}"}
`

// answerAsAsked answers with the headers and the status in the query of the request. In the
// values, HOST stands for the host that the request was sent to.
func answerAsAsked(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	for _, name := range []string{"Location", "Content-Location", "Set-Cookie", "Link"} {
		for _, value := range query[name] {
			w.Header().Add(name, strings.ReplaceAll(value, "HOST", r.Host))
		}
	}
	status, err := strconv.Atoi(query.Get("status"))
	if err != nil {
		status = http.StatusFound
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "see /login")
}

func TestLocationIsMappedBack(t *testing.T) {
	eachLane(t, locationTable, testkit.Serve(t, answerAsAsked), testLocations)
}

func TestLocationIsMappedBackOverHTTP2(t *testing.T) {
	t.Parallel()
	testLocations(t, startTLS(t, locationTable, testkit.Serve(t, answerAsAsked)))
}

func testLocations(t *testing.T, k *kit) {
	ask := func(path string, query url.Values) answer {
		t.Helper()
		return k.get(path+"?"+query.Encode(), "Host: shop.example.com")
	}
	for _, test := range []struct{ path, location, want string }{
		{"/api/x", "/login?next=/a#b", "/api/login?next=/a#b"},
		{"/api", "/", "/api/"},
		{"/api/x", "login", "login"},
		{"/api/x", "http://HOST/login?a", "/api/login?a"},
		{"/api/x", "https://other.example.com/login", "https://other.example.com/login"},
		{"/api/x", "//other.example.com/login", "//other.example.com/login"},
		{"/api/x", "/api/login", "/api/login"},
		{"/orders/1", "/v2/orders/2", "/orders/2"},
		{"/orders/1", "/v2//other.example.com", "/v2//other.example.com"},
		{"/orders/1", "http://shop.example.com/v2/orders/2", "http://shop.example.com/orders/2"},
		{"/kept/1", "https://HOST/2", "https://shop.example.com/kept/2"},
		{"/old/page", "/answer?a", "/old/page?a"},
		{"/old/page", "/other", "/other"},
		{"/groups/answer", "/v2/answer", "/v2/answer"},
		{"/off/x", "/login", "/login"},
		{"/plain/x", "/login", "/login"},
	} {
		for _, status := range []string{"201", "302", "308", "404"} {
			a := ask(test.path, url.Values{"status": {status}, "Location": {test.location}, "Content-Location": {test.location}, "Link": {"</login>"}})
			if got := a.Header.Get("Location"); got != test.want || strconv.Itoa(a.StatusCode) != status {
				t.Errorf("%s: %s %q became %d %q, want %q", test.path, status, test.location, a.StatusCode, got, test.want)
			}
			if got := a.Header.Get("Content-Location"); got != test.want {
				t.Errorf("%s: Content-Location %q became %q, want %q", test.path, test.location, got, test.want)
			}
			if a.body != "see /login" || a.Header.Get("Link") != "</login>" {
				t.Errorf("%s: body %q, Link %q", test.path, a.body, a.Header.Get("Link"))
			}
		}
	}
	cookies := []string{"sid=1; Path=/; HttpOnly", "a=b", "__Host-c=d; Path=/; Secure", "e=f; Path=/v2/orders; Domain=shop.example.com"}
	for path, want := range map[string][]string{
		"/api":      {"sid=1; Path=/api; HttpOnly", "a=b", "__Host-c=d; Path=/; Secure", "e=f; Path=/api/v2/orders; Domain=shop.example.com"},
		"/orders":   {"sid=1; Path=/; HttpOnly", "a=b", "__Host-c=d; Path=/; Secure", "e=f; Path=/orders; Domain=shop.example.com"},
		"/off":      cookies,
		"/plain":    cookies,
		"/groups/a": cookies,
	} {
		if got := ask(path, url.Values{"Set-Cookie": cookies}).Header["Set-Cookie"]; !slices.Equal(got, want) {
			t.Errorf("%s: cookies %q, want %q", path, got, want)
		}
	}
}

// A handshake may set a cookie, too.
func TestCookieOfUpgradeIsMappedBack(t *testing.T) {
	eachLane(t, locationTable, testkit.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSet-Cookie: a=b; Path=/\r\n\r\n")
	}), func(t *testing.T, k *kit) {
		client := k.dial()
		client.Send("GET /api/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		if r := client.ReceiveHead(); r.StatusCode != http.StatusSwitchingProtocols || r.Header.Get("Set-Cookie") != "a=b; Path=/api" {
			t.Errorf("got %d %v", r.StatusCode, r.Header)
		}
	})
}

// A reload takes a changed rewrite and rewrite_location.
func TestRewriteIsReloaded(t *testing.T) {
	t.Parallel()
	k := start(t, locationTable, answerAsAsked)
	if got := k.get("/api/x?Location=/login").Header.Get("Location"); got != "/api/login" {
		t.Errorf("got %q", got)
	}
	k.gateway.Swap(k.compile(strings.Replace(locationTable, "strip_prefix: true}", "strip_prefix: true, rewrite_location: off}", 1)))
	if got := k.get("/api/x?Location=/login").Header.Get("Location"); got != "/login" {
		t.Errorf("got %q", got)
	}
}

// BenchmarkRewrite measures the whole handler for a route with a rewrite, and for one whose
// answers may have addresses, beside a plain route.
func BenchmarkRewrite(b *testing.B) {
	for name, path := range map[string]string{"plain": "/plain/7", "groups": "/groups/7", "no match": "/groups", "mapped": "/api/7"} {
		b.Run(name, func(b *testing.B) {
			newQuietKit(b, locationTable).measure(b, locationTable, path, http.Header{}, http.StatusOK)
		})
	}
}

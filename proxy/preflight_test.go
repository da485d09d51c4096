package proxy

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
	"gatehouse/proxy/cors"
)

const preflightTable = `
users: off
cors: {origins: ["https://app.example.com"], credentials: true}
routes:
  - {name: dav, prefix: /dav, backend: "${BACKEND}", auth: none, methods: [GET, PROPFIND, REPORT]}
  - {name: beta, prefix: /dav/beta, backend: "${BACKEND}", auth: none, methods: [QUERY], headers: {X-Beta: "1"}}
  - {name: below, prefix: /dav/beta/closed, backend: "${BACKEND}", auth: none, methods: [GET]}
  - {name: hosted, prefix: /, hosts: [dav.example.com, "*.wild.example.com"], backend: "${BACKEND}", auth: none, methods: [MKCOL]}
  - {name: free, prefix: /free, backend: "${BACKEND}", auth: none}
`

// TestPreflightMethods asks for unusual methods. A preflight must allow the request after
// it when a route accepts that request.
func TestPreflightMethods(t *testing.T) {
	t.Parallel()
	backend := testkit.Serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			t.Error("the backend was asked for a preflight")
		}
	})
	eachLane(t, preflightTable, backend, func(t *testing.T, k *kit) {
		const usual = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
		for _, tt := range []struct{ host, path, asked, want string }{
			{"x", "/dav/file", "PROPFIND", usual + ", PROPFIND, REPORT"},
			{"x", "/dav/file?q=1", "GET", usual + ", PROPFIND, REPORT"},
			{"x", "/dav", "HEAD", usual + ", PROPFIND, REPORT"},
			{"x", "/dav/file", "QUERY", usual + ", PROPFIND, REPORT"},
			// A preflight does not have the header that the request will have.
			{"x", "/dav/beta/1", "QUERY", usual + ", PROPFIND, QUERY, REPORT"},
			{"x", "/dav/beta/closed", "QUERY", usual},
			{"dav.example.com", "/", "MKCOL", usual + ", MKCOL"},
			{"DAV.example.com.:80", "/", "MKCOL", usual + ", MKCOL"},
			{"a.wild.example.com", "/", "MKCOL", usual + ", MKCOL"},
			{"other.example.com", "/", "MKCOL", usual},
			{"x", "/free", "COPY", usual + ", COPY"},
			{"x", "/free", "patch", usual + ", patch"}, // fetch does not convert it to upper case
			{"x", "/free", "PUT", usual},
			{"x", "/free", "TRACE", usual},
			{"x", "/free", "CONNECT", usual},
			{"x", "/free", "A, B", usual},
			{"x", "/free", "", usual},
			{"x", "/nowhere", "COPY", usual},
		} {
			res := k.raw("OPTIONS " + tt.path + " HTTP/1.1\r\nHost: " + tt.host + "\r\nOrigin: https://app.example.com\r\nAccess-Control-Request-Method: " + tt.asked + "\r\n\r\n")
			if got := res.Header["Access-Control-Allow-Methods"]; res.StatusCode != 204 || !slices.Equal(got, []string{tt.want}) {
				t.Errorf("%s %s%s: %d %q, want %q", tt.asked, tt.host, tt.path, res.StatusCode, got, tt.want)
			}
		}
		// The request that the preflight allowed is accepted.
		if res := k.do("PROPFIND", "/dav/file", nil, "Origin: https://app.example.com"); res.StatusCode != 200 {
			t.Errorf("PROPFIND: %d", res.StatusCode)
		}
	})
}

// TestPreflightIsNotLimited sends a preflight while the client has as many running requests
// as it may have.
func TestPreflightIsNotLimited(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	backend := testkit.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
		flush(w)
		<-release
	})
	t.Cleanup(func() { close(release) })
	eachLane(t, "limits: {requests_per_client: 1}\n"+preflightTable, backend, func(t *testing.T, k *kit) {
		held := k.open(http.MethodGet, "/free", nil)
		origin, ask := "Origin: https://app.example.com", "Access-Control-Request-Method: PUT"
		for range 3 {
			res := k.do(http.MethodOptions, "/free", nil, origin, ask)
			if res.StatusCode != 204 || res.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com" {
				t.Errorf("preflight: %d %v", res.StatusCode, res.Header)
			}
		}
		// Other requests are refused, with an answer that the page can read.
		for _, method := range []string{http.MethodPut, http.MethodOptions} {
			res := k.do(method, "/free", nil, origin)
			res.wantDetail(t, http.StatusTooManyRequests, refuseTooMany.Detail)
			if res.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com" ||
				res.Header.Get("Access-Control-Allow-Credentials") != "true" || !slices.Contains(res.header("Vary"), "Origin") {
				t.Errorf("%s: headers %v", method, res.Header)
			}
		}
		k.do(http.MethodOptions, "/free", nil, "Origin: https://evil.example.com", ask).wantDetail(t, 403, cors.ErrOrigin.Detail)
		if held.StatusCode != 200 {
			t.Errorf("held: %d", held.StatusCode)
		}
	})
}

// TestPreflightToPrivateNetwork checks that a public page is allowed if its origin is
// listed.
func TestPreflightToPrivateNetwork(t *testing.T) {
	t.Parallel()
	ask := []string{"Access-Control-Request-Method: GET", "Access-Control-Request-Private-Network: true"}
	for _, tt := range []struct{ origins, origin, want string }{
		{"https://app.example.com", "https://app.example.com", "true"},
		{"https://app.example.com", "https://evil.example.com", ""},
		{"*", "https://app.example.com", ""},
	} {
		k := start(t, "cors: {origins: ['"+tt.origins+"']}\n"+openTable, nil)
		res := k.do(http.MethodOptions, "/", nil, append(ask, "Origin: "+tt.origin)...)
		if got := strings.Join(res.header("Access-Control-Allow-Private-Network"), "|"); got != tt.want {
			t.Errorf("%s of %s: %q, want %q", tt.origin, tt.origins, got, tt.want)
		}
		if res := k.do(http.MethodOptions, "/", nil, ask[0], "Origin: "+tt.origin); len(res.header("Access-Control-Allow-Private-Network")) > 0 {
			t.Errorf("%s, not asked: %v", tt.origin, res.Header)
		}
	}
}

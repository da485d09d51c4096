package proxy

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatehouse/proxy/route/routetest"
)

// TestRefusedTargetsOnTheWire sends every refused target unchanged. net/http itself refuses
// those that it cannot parse.
func TestRefusedTargetsOnTheWire(t *testing.T) {
	t.Parallel()
	k := start(t, strings.Replace(openTable, "auth: none", "auth: none, allow_encoded_slashes: true", 1),
		func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the backend was asked for %q", r.RequestURI) })
	_, refused := routetest.Targets(t)
	for target := range refused {
		res := k.raw("GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if res.StatusCode != 400 {
			t.Errorf("%.100q: status %d", target, res.StatusCode)
		}
		if strings.Contains(res.body, refuseRequest.Detail) { // net/http refuses it
			continue
		}
		res.wantDetail(t, 400, "The request path is ambiguous or malformed.")
	}
}

// TestTargetsPassByteForByte checks that a backend gets the target that was sent.
func TestTargetsPassByteForByte(t *testing.T) {
	t.Parallel()
	k := start(t, strings.Replace(openTable, "auth: none", "auth: none, allow_encoded_slashes: true", 1),
		func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.RequestURI)) })
	sent := []string{
		"/?", "/a?", "/a?%zz", "/a?b;c", "/a?x=1;y=2&z", "/a?b=%41%7e+|", "/a?\xe9=é", "/a?b?c", "/a?%", "/a?/../b", "/a?b=http://c//d",
		"/a?" + strings.Repeat("p&", 11_000),
	}
	accepted, _ := routetest.Targets(t)
	for _, target := range slices.AppendSeq(sent, maps.Keys(accepted)) {
		want := target
		if _, rest, absolute := strings.Cut(target, "://"); absolute && target[0] != '/' {
			want = strings.TrimPrefix(rest, strings.FieldsFunc(rest, func(r rune) bool { return r == '/' || r == '?' })[0])
			if !strings.HasPrefix(want, "/") {
				want = "/" + want
			}
		}
		res := k.raw("GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if res.StatusCode != 200 || res.body != want {
			t.Errorf("sent %.100q: %d, the backend saw %.100q, want %.100q", target, res.StatusCode, res.body, want)
		}
	}
}

// TestTailsOfSegments sends tails of segments that Windows and old versions of Spring drop
// (issue 10). They must not bypass a route, and must be allowed elsewhere.
func TestTailsOfSegments(t *testing.T) {
	t.Parallel()
	k := start(t, `
routes:
  - {name: open, prefix: /, backend: "${BACKEND}", auth: none}
  - {name: secure, prefix: /secure/area, backend: "${BACKEND}", auth: strict}
  - {name: batch, prefix: "/secure/area:batch", backend: "${BACKEND}", auth: none}
`, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("reached")) })
	for target, status := range map[string]int{
		"/secure/area%20/x": 400, "/secure/area./x": 400, "/secure./area": 400, "/secure/area%2e": 400, "/secure/area.%20.%20": 400,
		"/secure/area::$DATA": 400, "/secure/area%3a%3a$DATA": 400, "/secure/area%253Ax": 400, "/secure::$INDEX_ALLOCATION/area": 400,
		"/secure:$I30:$INDEX_ALLOCATION/area/x": 400, "/secure/%20area": 400, "/%20/secure/area": 400, "/.../secure/area": 400,
		"/secure/area.;x=y/z": 400, "/secure/area%2520/x": 400, "/secure/area%09": 400, "/..:x/a": 400, "/..%20./a": 400,
		"/secure/area%20%3Fx": 400,
		"/secure/area/x":      401, "/secure/area/report.v1.%20pdf": 401, "/secure/area/x.": 401, "/secure/area/x::$DATA": 401,
		"/files/report.v1.%20pdf": 200, "/files/x.": 200, "/files/x%20": 200, "/at/12:30": 200, "/...": 200, "/a:b/c": 200,
		"/secure/area:batch": 200, "/secure/area:batch/x": 200, "/secure.x/area": 200,
	} {
		res := k.raw("GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if res.StatusCode != status {
			t.Errorf("%s: status %d, want %d", target, res.StatusCode, status)
		}
	}
}

func TestNotFoundAndMethodNotAllowed(t *testing.T) {
	t.Parallel()
	k := start(t, `
users: off
routes:
  - {name: api, prefix: /api, backend: "${BACKEND}", auth: none, methods: [GET, DELETE]}
`, nil)
	k.get("/other").wantDetail(t, 404, "Not Found")
	res := k.do(http.MethodPost, "/api", nil)
	res.wantDetail(t, 405, "Method Not Allowed")
	if got := res.Header.Get("Allow"); got != "DELETE, GET, HEAD" {
		t.Errorf("Allow = %q", got)
	}
	// The refusal of a method does not depend on the user.
	if got := res.Header.Get("WWW-Authenticate"); got != "" {
		t.Errorf("WWW-Authenticate = %q", got)
	}
	// A reverse proxy opens no tunnels, even if a route allows the method (RFC 9110 section 9.3.6).
	k = start(t, openTable, func(http.ResponseWriter, *http.Request) { t.Error("the backend was asked") })
	if res := k.raw("CONNECT /x HTTP/1.1\r\nHost: x\r\n\r\n"); res.StatusCode != 501 {
		t.Errorf("CONNECT /x = %d", res.StatusCode)
	}
	if res := k.raw("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n"); res.StatusCode != 501 {
		t.Errorf("CONNECT = %d", res.StatusCode)
	}
}

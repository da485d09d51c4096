package proxy

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"gatehouse/internal/testkit"
)

const requestHeadersTable = `
users: off
defaults: {protocol: ${PROTOCOL}}
routes:
  - name: orders
    prefix: /orders
    backend: "${BACKEND}"
    request_headers:
      set: {X-Env: prod, X-Plan: "{claim.plan}", X-Real-IP: "{client_ip}", X-Trace: "{request_id}@{host}"}
      add: {X-Tag: edge}
      remove: [X-Debug, Accept-Language]
  - name: open
    prefix: /open
    backend: "${BACKEND}"
    auth: none
    request_headers: {set: {X-Env: open, Authorization: Basic abc}}
  - {name: plain, prefix: /plain, backend: "${BACKEND}", auth: none}
`

// withClaims is the Authorization of a caller with more claims.
func (k *kit) withClaims(claims jwt.MapClaims) string {
	k.t.Helper()
	all := jwt.MapClaims{"sub": testUser.String(), "company_id": testCompany.String(), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, all).SignedString([]byte(testSecret))
	if err != nil {
		k.t.Fatal(err)
	}
	return "Bearer " + token
}

// TestRequestHeaders sends requests over both versions of HTTP on both sides.
func TestRequestHeaders(t *testing.T) {
	t.Parallel()
	h1 := strings.ReplaceAll(requestHeadersTable, "${PROTOCOL}", "auto")
	h2 := strings.ReplaceAll(requestHeadersTable, "${PROTOCOL}", "h2c")
	for name, k := range map[string]*kit{
		"h1 to h1":  start(t, h1, mirror),
		"h1 to h2c": startBefore(t, h2, testkit.ServeH2C(t, mirror)),
		"h2 to h1":  startTLS(t, h1, testkit.Serve(t, mirror)),
		"h2 to h2c": startTLS(t, h2, testkit.ServeH2C(t, mirror)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := k.do("POST", "/orders", strings.NewReader("x"), "Authorization: "+k.withClaims(jwt.MapClaims{"plan": "gold"}), "X-Request-Id: mine", "Host: Shop.example.com:1",
				"X-Env: evil", "x_env: evil", "X.Plan: evil", "X-Real-Ip: 6.6.6.6", "X-Debug: evil", "x_debug: evil", "Accept-Language: de", "X-Tag: mine", "X-Kept: yes").seen(t)
			wantHeader(t, got.Header, map[string]string{
				"X-Env": "prod", "X-Plan": "gold", "X-Real-Ip": "127.0.0.1", "X-Trace": "mine@shop.example.com", "X-Tag": "mine, edge", "X-Kept": "yes",
				"X-Debug": "", "Accept-Language": "",
			})
			for field, values := range got.Header {
				if strings.Contains(strings.Join(values, " "), "evil") {
					t.Errorf("%s: %q", field, values)
				}
			}
			// A claim that is missing, or that no header can carry, is not sent; the client's own is not sent either.
			for _, claims := range []jwt.MapClaims{nil, {"plan": "a\r\nX-User-ID: evil"}, {"plan": "a\x00b"}, {"plan": ""}, {"plan": map[string]any{"a": "b"}}} {
				got := k.get("/orders", "Authorization: "+k.withClaims(claims), "X-Plan: evil").seen(t)
				wantHeader(t, got.Header, map[string]string{"X-Env": "prod", "X-Plan": "", "X-User-Id": testUser.String()})
			}
			// The backend's own credentials replace those of the client.
			wantHeader(t, k.get("/open", "Authorization: Bearer evil").seen(t).Header, map[string]string{"X-Env": "open", "Authorization": "Basic abc"})
			// The next route is not affected, also on the same connection.
			wantHeader(t, k.get("/plain", "X-Env: mine", "X-Debug: mine").seen(t).Header, map[string]string{"X-Env": "mine", "X-Debug": "mine", "X-Tag": ""})
		})
	}
}

// wantHeader checks values of a header, joined by commas. "" means no value.
func wantHeader(t *testing.T, header http.Header, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got := strings.Join(header[name], ", "); got != value {
			t.Errorf("%s: got %q, want %q", name, got, value)
		}
	}
}

// TestRequestHeadersAsTrailers checks that a client cannot send after the body what the
// route sets or removes.
func TestRequestHeadersAsTrailers(t *testing.T) {
	t.Parallel()
	eachLane(t, strings.ReplaceAll(requestHeadersTable, "${PROTOCOL}", "auto"), testkit.Serve(t, mirror), func(t *testing.T, k *kit) {
		got := k.raw("POST /orders HTTP/1.1\r\nHost: x\r\nAuthorization: " + k.member() + "\r\nTransfer-Encoding: chunked\r\n" +
			"Trailer: X-Env, x_plan, X-Debug, X.Real.IP, X-Checksum\r\n\r\n" +
			"3\r\nabc\r\n0\r\nX-Env: evil\r\nx_plan: evil\r\nX-Debug: evil\r\nX.Real.IP: evil\r\nX-Checksum: fine\r\n\r\n").seen(t)
		if got.Body != "abc" || !maps.EqualFunc(got.Trailer, http.Header{"X-Checksum": {"fine"}}, slices.Equal) {
			t.Errorf("body %q, trailers %v", got.Body, got.Trailer)
		}
	})
}

// TestRequestHeadersOfUpgrades checks the request that opens a WebSocket.
func TestRequestHeadersOfUpgrades(t *testing.T) {
	t.Parallel()
	seen := make(chan http.Header, 1)
	eachLane(t, strings.ReplaceAll(requestHeadersTable, "${PROTOCOL}", "auto"), testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header
		echoSocket(w, r)
	}), func(t *testing.T, k *kit) {
		socket, _, err := websocket.Dial(testkit.Context(t), k.url+"/orders", &websocket.DialOptions{
			HTTPHeader: http.Header{"Authorization": {k.withClaims(jwt.MapClaims{"plan": "gold"})}, "X-Env": {"evil"}, "X_plan": {"evil"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = socket.CloseNow() }()
		wantHeader(t, <-seen, map[string]string{"X-Env": "prod", "X-Plan": "gold", "X_plan": "", "X-Tag": "edge"})
	})
}

// TestReloadedRequestHeaders checks that a new table has its own rules.
func TestReloadedRequestHeaders(t *testing.T) {
	t.Parallel()
	table := strings.ReplaceAll(requestHeadersTable, "${PROTOCOL}", "auto")
	k := start(t, table, mirror)
	wantHeader(t, k.get("/open").seen(t).Header, map[string]string{"X-Env": "open"})
	k.gateway.Swap(k.compile(strings.ReplaceAll(table, "X-Env: open", "X-Env: closed")))
	wantHeader(t, k.get("/open").seen(t).Header, map[string]string{"X-Env": "closed"})
	k.gateway.Swap(k.compile(strings.ReplaceAll(table, "X-Env: open, ", "")))
	wantHeader(t, k.get("/open", "X-Env: mine").seen(t).Header, map[string]string{"X-Env": "mine"})
}

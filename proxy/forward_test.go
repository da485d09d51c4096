package proxy

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
	"gatehouse/proxy/clientip"

	"github.com/google/uuid"
)

// seen is a request as a backend gets it.
type seen struct {
	Method, URI, Host, Body string
	Header, Trailer         http.Header
}

// mirror answers with the request that it got.
func mirror(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_ = json.NewEncoder(w).Encode(seen{r.Method, r.RequestURI, r.Host, string(body), r.Header, r.Trailer})
}

func (a answer) seen(t testing.TB) seen {
	t.Helper()
	var s seen
	if a.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", a.StatusCode, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &s); err != nil {
		t.Fatalf("body %q: %v", a.body, err)
	}
	return s
}

func (a answer) header(name string) []string { return a.Header.Values(name) }

func TestForwardedPath(t *testing.T) {
	t.Parallel()
	k := start(t, `
users: off
defaults: {auth: none}
routes:
  - {name: plain, prefix: /plain, backend: "${BACKEND}"}
  - {name: strip, prefix: /api/v1, backend: "${BACKEND}", strip_prefix: true}
  - {name: base, prefix: /base, backend: "${BACKEND}/deep/er"}
  - {name: slash, prefix: /slash, backend: "${BACKEND}/deep/"}
  - {name: both, prefix: /both, backend: "${BACKEND}/deep", strip_prefix: true}
  - {name: escaped, prefix: "/caf%C3%A9", backend: "${BACKEND}/%C3%A9t%C3%A9", strip_prefix: true}
  - {name: root, prefix: /, backend: "${BACKEND}", strip_prefix: true, hosts: [root]}
`, mirror)
	tests := []struct{ target, want string }{
		{"/plain", "/plain"},
		{"/plain/a?b=c", "/plain/a?b=c"},
		{"/api/v1", "/"},
		{"/api/v1/", "/"},
		{"/api/v1/a/?b", "/a/?b"},
		{"/api/v1?b", "/?b"},
		{"/api/v1/a|b/%7e", "/a|b/%7e"},
		{"/api/v1/api/v1", "/api/v1"},
		{"/base", "/deep/er/base"},
		{"/base/x?y", "/deep/er/base/x?y"},
		{"/slash/x", "/deep/slash/x"},
		{"/both", "/deep/"},
		{"/both/", "/deep/"},
		{"/both/x", "/deep/x"},
		{"/caf%C3%A9/%41", "/%C3%A9t%C3%A9/%41"},
	}
	for _, tt := range tests {
		res := k.raw("GET " + tt.target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if got := res.seen(t).URI; got != tt.want {
			t.Errorf("%s: the backend saw %s, want %s", tt.target, got, tt.want)
		}
	}
	if got := k.get("/a", "Host: root").seen(t).URI; got != "/a" {
		t.Errorf("the backend saw %s, want /a", got)
	}
}

func TestForwardedHost(t *testing.T) {
	t.Parallel()
	k := start(t, `
users: off
defaults: {auth: none}
routes:
  - {name: plain, prefix: /plain, backend: "${BACKEND}"}
  - {name: keep, prefix: /keep, backend: "${BACKEND}", preserve_host: true}
`, mirror)
	got := k.get("/plain", "Host: shop.example.com:8443").seen(t)
	if want := strings.TrimPrefix(k.backend, "http://"); got.Host != want {
		t.Errorf("Host = %q, want %q", got.Host, want)
	}
	if got := got.Header.Get("X-Forwarded-Host"); got != "shop.example.com:8443" {
		t.Errorf("X-Forwarded-Host = %q", got)
	}
	if got := k.get("/keep", "Host: shop.example.com:8443").seen(t); got.Host != "shop.example.com:8443" {
		t.Errorf("Host = %q", got.Host)
	}
	// The host of an absolute-form target has priority over the header (RFC 9112 section 3.2.2).
	if got := k.raw("GET http://a.example.com/keep HTTP/1.1\r\nHost: b\r\n\r\n").seen(t); got.Host != "a.example.com" {
		t.Errorf("Host = %q", got.Host)
	}
	// HTTP/1.0 may have no Host.
	if got := k.raw("GET /keep HTTP/1.0\r\n\r\n").seen(t); got.Host == "" || got.Header.Get("X-Forwarded-Host") != "" {
		t.Errorf("Host = %q, X-Forwarded-Host = %q", got.Host, got.Header["X-Forwarded-Host"])
	}
	k.raw("GET /keep HTTP/1.1\r\nHost: a:b\r\n\r\n").wantDetail(t, 400, "The Host header is malformed.")
}

const identityTable = `
users: off
identity:
  headers: {X-User-ID: sub, X-Company-ID: company_id, X-User-Email: email, X-Plan: plan}
routes:
  - {name: strict, prefix: /strict, backend: "${BACKEND}"}
  - {name: tokenless, prefix: /tokenless, backend: "${BACKEND}", forward_token: false}
  - {name: none, prefix: /none, backend: "${BACKEND}", auth: none}
`

func TestIdentityHeaders(t *testing.T) {
	t.Parallel()
	k := start(t, identityTable, mirror)
	forged := []string{
		"X-User-ID: evil", "x-user-id: evil", "X-USER-ID: evil", "X_User_ID: evil", "X-User_ID: evil", "x_user_id: evil", "X.User.ID: evil",
		"X-User-Id: evil", "X-Company-Id: evil", "X_Company_Id: evil", "X-User-Email: evil", "X-Plan: evil", "x_plan: evil", "X.PLAN: evil",
		"X-Request-Id: evil\x21", "X_Request_ID: evil", "X_Forwarded_For: 6.6.6.6", "X-Forwarded_Host: evil", "X.Forwarded.Proto: evil",
		"Connection: X-User-ID, X-Company-ID, X-User-Email, X-Request-ID, X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, X-Gone",
		"X-Gone: evil", "X-Kept: fine", "X-Userid: fine",
	}
	request := func(path string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: x\r\n" + strings.Join(forged, "\r\n") + "\r\n"
	}
	res := k.raw(request("/strict") + "Authorization: " + k.member() + "\r\n\r\n")
	got := res.seen(t).Header
	id := res.Header.Get("X-Request-ID")
	want := map[string]string{
		"X-User-Id": testUser.String(), "X-Company-Id": testCompany.String(), "X-User-Email": "ada@example.com",
		"X-Request-Id": id, "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "x", "X-Forwarded-Proto": "http",
		"X-Kept": "fine", "X-Userid": "fine",
	}
	for name, value := range want {
		if !slices.Equal(got[name], []string{value}) {
			t.Errorf("%s = %q, want %q", name, got[name], value)
		}
	}
	for name, values := range got {
		if strings.Contains(strings.Join(values, " "), "evil") || strings.Contains(strings.Join(values, " "), "6.6.6.6") {
			t.Errorf("%s: %q reached the backend", name, values)
		}
	}
	if got := got["Authorization"]; len(got) != 1 || !strings.HasPrefix(got[0], "Bearer ") {
		t.Errorf("Authorization = %q", got)
	}

	for name, values := range k.raw(request("/none") + "\r\n").seen(t).Header {
		if strings.Contains(strings.Join(values, " "), "evil") || name == "X-User-Id" {
			t.Errorf("none: %s: %q reached the backend", name, values)
		}
	}
	got = k.get("/tokenless", "Authorization: "+k.member()).seen(t).Header
	if got.Get("Authorization") != "" || got.Get("X-User-ID") == "" {
		t.Errorf("tokenless: headers %v", got)
	}
	got = k.get("/none", "Authorization: Basic eDp5").seen(t).Header
	if got.Get("Authorization") != "Basic eDp5" {
		t.Errorf("none: Authorization = %q", got["Authorization"])
	}
}

func TestIdentityHeadersAsTrailers(t *testing.T) {
	t.Parallel()
	k := start(t, identityTable, mirror)
	res := k.raw("POST /none HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" +
		"Trailer: X-User-ID, x_company_id, X-Forwarded-For, Authorization, X-Request-ID, X-Checksum\r\n\r\n" +
		"3\r\nabc\r\n0\r\nX-User-ID: evil\r\nx_company_id: evil\r\nX-Forwarded-For: 6.6.6.6\r\nAuthorization: evil\r\nX-Request-ID: evil\r\n" +
		"X-Checksum: fine\r\nX-Unannounced: lost\r\n\r\n")
	got := res.seen(t)
	if got.Body != "abc" || !maps.EqualFunc(got.Trailer, http.Header{"X-Checksum": {"fine"}}, slices.Equal) {
		t.Errorf("body %q, trailers %v", got.Body, got.Trailer)
	}
}

func TestForwardedAddresses(t *testing.T) {
	t.Parallel()
	sent := []string{
		"X-Forwarded-For: 1.1.1.1, 2.2.2.2", "X-Forwarded-For: 10.9.9.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.example.com",
		"X-Real-Ip: 6.6.6.6", "Forwarded: for=6.6.6.6", "X-Original-Url: /admin", "X-Forwarded-Prefix: /evil", "X_Real_IP: 6.6.6.6",
	}
	k := start(t, openTable, mirror)
	got := k.get("/", append(sent, "Host: gate")...).seen(t).Header
	want := map[string][]string{
		"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"gate"},
		"X-Real-Ip": nil, "Forwarded": nil, "X-Original-Url": nil, "X-Forwarded-Prefix": nil, "X_real_ip": nil, "X_Real_IP": nil,
	}
	for name, values := range want {
		if !slices.Equal(got[name], values) {
			t.Errorf("untrusted: %s = %q, want %q", name, got[name], values)
		}
	}
	if got := k.line()["client_ip"]; got != "127.0.0.1" {
		t.Errorf("untrusted: client_ip = %v", got)
	}

	k = start(t, "trusted_proxies: [127.0.0.0/8, 10.0.0.0/8]\n"+openTable, mirror)
	got = k.get("/", append(sent, "Host: gate", "X_Forwarded_For: 6.6.6.6")...).seen(t).Header
	want = map[string][]string{
		"X-Forwarded-For":   {"1.1.1.1, 2.2.2.2, 10.9.9.9, 127.0.0.1"},
		"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"shop.example.com"}, "X-Real-Ip": {"6.6.6.6"},
		"X_forwarded_for": nil, "X_Forwarded_For": nil,
	}
	for name, values := range want {
		if !slices.Equal(got[name], values) {
			t.Errorf("trusted: %s = %q, want %q", name, got[name], values)
		}
	}
	if got := k.line()["client_ip"]; got != "2.2.2.2" {
		t.Errorf("trusted: client_ip = %v", got)
	}
}

func TestFindCaller(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	tests := []struct {
		peer string
		hops []string
		want string
	}{
		{"9.9.9.9:1", nil, "9.9.9.9"},
		{"9.9.9.9:1", []string{"1.1.1.1"}, "9.9.9.9"},
		{"10.0.0.1:1", nil, "10.0.0.1"},
		{"10.0.0.1:1", []string{"1.1.1.1"}, "1.1.1.1"},
		{"10.0.0.1:1", []string{"6.6.6.6, 1.1.1.1"}, "1.1.1.1"},
		{"10.0.0.1:1", []string{"6.6.6.6, 1.1.1.1 ,10.0.0.2"}, "1.1.1.1"},
		{"10.0.0.1:1", []string{"6.6.6.6", "1.1.1.1", "10.0.0.2"}, "1.1.1.1"},
		{"10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"10.0.0.1:1", []string{"1.1.1.1, junk, 10.0.0.2"}, "10.0.0.2"},
		{"10.0.0.1:1", []string{"1.1.1.1,"}, "1.1.1.1"}, // empty entries are ignored (RFC 9110 section 5.6.1)
		{"10.0.0.1:1", []string{"junk,"}, "10.0.0.1"},
		{"10.0.0.1:1", []string{"6.6.6.6", "\t1.1.1.1:80 , ,", ""}, "1.1.1.1"},
		{"10.0.0.1:1", []string{"6.6.6.6, 1.1.1.1:80, [fd00::2]:443, 10.0.0.2:1"}, "1.1.1.1"},
		{"10.0.0.1:1", []string{"6.6.6.6, 1.1.1.1, ::ffff:10.0.0.2"}, "1.1.1.1"},
		{"10.0.0.1:1", []string{`"6.6.6.6, 1.1.1.1"`}, "10.0.0.1"},
		{"10.0.0.1:1", []string{"6.6.6.6,10.0.0.9;junk"}, "10.0.0.1"},
		{"10.0.0.1:1", []string{""}, "10.0.0.1"},
		{"10.0.0.1:1", []string{"::ffff:1.1.1.1"}, "1.1.1.1"},
		{"[::ffff:10.0.0.1]:1", []string{"2001:db8::1"}, "2001:db8::1"},
		{"[fd00::1%eth0]:1", []string{"1.1.1.1"}, "1.1.1.1"},
		{"@", []string{"1.1.1.1"}, "invalid IP"},
	}
	for _, tt := range tests {
		r := &http.Request{RemoteAddr: tt.peer, Header: http.Header{}}
		if tt.hops != nil {
			r.Header["X-Forwarded-For"] = tt.hops
		}
		if got := clientip.Find(clientip.PeerAt(r.RemoteAddr), r, trusted).IP.String(); got != tt.want {
			t.Errorf("peer %s, %q: %s, want %s", tt.peer, tt.hops, got, tt.want)
		}
	}
}

func TestUnixListenerHasNoAddresses(t *testing.T) {
	t.Parallel()
	k := newKit(t, openTable, testkit.Serve(t, mirror))
	listener, err := net.Listen("unix", t.TempDir()+"/gate")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: k.gateway}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	conn, err := net.Dial("unix", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w := testkit.NewClient(t, conn)
	w.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if got, has := receive(w).seen(t).Header["X-Forwarded-For"]; has {
		t.Errorf("X-Forwarded-For = %q", got)
	}
	if got := k.line()["client_ip"]; got != "" {
		t.Errorf("client_ip = %q", got)
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	k := start(t, openTable, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Request-Id"] = []string{"the backend's", "own"}
		w.Header().Set("X-Process-Time", "never")
		w.Header().Set("X-Seen", r.Header.Get("X-Request-ID"))
	})
	believed := []string{"a", "req-1.2_3", strings.Repeat("x", 128)}
	for _, id := range believed {
		res := k.get("/", "X-Request-Id: "+id)
		if got := res.header("X-Request-ID"); !slices.Equal(got, []string{id}) {
			t.Errorf("sent %q: X-Request-ID = %q", id, got)
		}
	}
	for _, id := range []string{"", strings.Repeat("x", 129), "a b", "a,b", "a/b", "é", `a"b`} {
		res := k.get("/", "X-Request-Id: "+id)
		if _, err := uuid.Parse(res.Header.Get("X-Request-ID")); err != nil || len(res.header("X-Request-ID")) != 1 {
			t.Errorf("sent %q: X-Request-ID = %q", id, res.header("X-Request-ID"))
		}
	}
	res := k.get("/", "X-Request-Id: a", "X-Request-Id: b")
	if id := res.Header.Get("X-Request-ID"); id == "a" || id == "b" || id != res.Header.Get("X-Seen") {
		t.Errorf("two ids: X-Request-ID = %q, the backend saw %q", id, res.Header.Get("X-Seen"))
	}
	if got := res.header("X-Process-Time"); len(got) != 1 || got[0] == "never" {
		t.Errorf("X-Process-Time = %q", got)
	}
}

var processTimeForm = regexp.MustCompile(`^\d+\.\d\dms$`)

// wantSealed checks that the answer has the headers of every answer, each once.
func (a answer) wantSealed(t testing.TB, what string) {
	t.Helper()
	for _, name := range []string{"X-Request-ID", "X-Process-Time"} {
		if got := a.header(name); len(got) != 1 || got[0] == "" {
			t.Errorf("%s: %s = %q", what, name, got)
		}
	}
	if got := a.Header.Get("X-Process-Time"); !processTimeForm.MatchString(got) {
		t.Errorf("%s: X-Process-Time = %q", what, got)
	}
	for _, name := range []string{"Date", "Content-Length", "Server", "Content-Type"} {
		if got := a.header(name); len(got) > 1 {
			t.Errorf("%s: %s = %q", what, name, got)
		}
	}
}

func TestEveryAnswerIsSealed(t *testing.T) {
	t.Parallel()
	k := start(t, `
users: off
cors: {origins: ["https://app.example.com"]}
routes:
  - {name: open, prefix: /open, auth: none, methods: [GET], backend: "${BACKEND}"}
  - {name: strict, prefix: /strict, backend: "${BACKEND}"}
  - {name: down, prefix: /down, auth: none, backend: "http://127.0.0.1:1"}
`, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "backend")
		w.Header().Set("Date", "Thu, 01 Jan 1970 00:00:00 GMT")
		if r.URL.Path == "/open/hint" {
			w.Header().Set("Link", "</a.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
		}
		_, _ = io.WriteString(w, "hello")
	})
	origin := "Origin: https://app.example.com"
	for what, res := range map[string]answer{
		"200":          k.get("/open"),
		"200 hints":    k.get("/open/hint"),
		"HEAD":         k.do("HEAD", "/open", nil),
		"400":          k.get("/open/%2e%2e"),
		"401":          k.get("/strict"),
		"404":          k.get("/other"),
		"405":          k.do("POST", "/open", nil),
		"503":          k.get("/down"),
		"preflight":    k.do("OPTIONS", "/open", nil, origin, "Access-Control-Request-Method: GET"),
		"no preflight": k.do("OPTIONS", "/open", nil, "Origin: https://evil.example.com", "Access-Control-Request-Method: GET"),
		"about":        k.get("/"),
		"health":       k.get("/health"),
	} {
		res.wantSealed(t, what)
	}
	res := k.get("/open")
	if got := res.Header.Get("Date"); got != "Thu, 01 Jan 1970 00:00:00 GMT" {
		t.Errorf("Date = %q, want the backend's", got)
	}
}

func TestEarlyHints(t *testing.T) {
	t.Parallel()
	k := start(t, openTable, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Link", "</b.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		w.Header().Set("X-Final", "yes")
		_, _ = io.WriteString(w, "done")
	})
	w := k.dial()
	w.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	for _, want := range []string{"</a.css>; rel=preload", "</b.css>; rel=preload"} {
		if res := receive(w); res.StatusCode != http.StatusEarlyHints || !slices.Equal(res.header("Link"), []string{want}) {
			t.Errorf("%d, Link %q, want %q", res.StatusCode, res.header("Link"), want)
		}
	}
	res := receive(w)
	if res.StatusCode != 200 || res.body != "done" || res.Header.Get("X-Final") != "yes" || len(res.header("Link")) != 0 {
		t.Errorf("%d %v %q", res.StatusCode, res.Header, res.body)
	}
	res.wantSealed(t, "after hints")
}

func TestHopByHopHeaders(t *testing.T) {
	t.Parallel()
	k := startBefore(t, openTable, testkit.ServeRequest(t, func(conn *testkit.ServerConn, r *http.Request) {
		body, _ := json.Marshal(seen{Header: r.Header})
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nConnection: X-Hop, keep-alive\r\nX-Hop: gone\r\nKeep-Alive: timeout=5\r\n"+
			"Proxy-Authenticate: Basic\r\nX-End: stays\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}))
	res := k.raw("GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, X-Mine\r\nX-Mine: gone\r\nKeep-Alive: 5\r\nTE: trailers, gzip\r\n" +
		"Proxy-Connection: keep-alive\r\nProxy-Authorization: secret\r\nUpgrade: other\r\nX-End: stays\r\n\r\n")
	got := res.seen(t).Header
	for _, name := range []string{"Connection", "X-Mine", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Upgrade"} {
		if got[name] != nil {
			t.Errorf("the backend saw %s: %q", name, got[name])
		}
	}
	if got.Get("X-End") != "stays" || !slices.Equal(got["Te"], []string{"trailers"}) {
		t.Errorf("the backend saw %v", got)
	}
	for _, name := range []string{"Connection", "X-Hop", "Keep-Alive", "Proxy-Authenticate"} {
		if values := res.header(name); len(values) != 0 {
			t.Errorf("the client saw %s: %q", name, values)
		}
	}
	if res.Header.Get("X-End") != "stays" {
		t.Error("the client did not see X-End")
	}
}

// TestManyConnectionOptions lists thousands of headers in Connection, among other ones. The
// backend gets exactly the others, and finding that out takes no time that matters.
func TestManyConnectionOptions(t *testing.T) {
	t.Parallel()
	k := start(t, openTable, mirror)
	var head, listed strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&head, "a%d: x\r\nb%d: x\r\n", i, i)
		fmt.Fprintf(&listed, "b%d, ", 1999-i)
	}
	got := k.raw("GET / HTTP/1.1\r\nHost: x\r\nConnection: " + listed.String() + "close\r\n" + head.String() + "\r\n").seen(t).Header
	for i := range 2000 {
		if a, b := fmt.Sprint("A", i), fmt.Sprint("B", i); got.Get(a) != "x" || got[b] != nil {
			t.Fatalf("the backend saw %s: %q and %s: %q", a, got[a], b, got[b])
		}
	}
}

func TestNothingIsAddedOrFollowed(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	_, _ = zip.Write([]byte("packed"))
	zip.Close()
	k := start(t, openTable, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed.Bytes())
		case "/redirect":
			http.Redirect(w, r, "/gzip", http.StatusFound)
		case "/204":
			w.WriteHeader(http.StatusNoContent)
		case "/304":
			w.Header().Set("Etag", `"x"`)
			w.WriteHeader(http.StatusNotModified)
		case "/length":
			w.Header().Set("Content-Length", "12345")
		case "/418":
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, "short and stout")
		default:
			mirror(w, r)
		}
	})
	got := k.raw("GET / HTTP/1.1\r\nHost: x\r\n\r\n").seen(t).Header
	for _, name := range []string{"User-Agent", "Accept-Encoding", "Accept", "Content-Type", "Via"} {
		if values, has := got[name]; has {
			t.Errorf("the backend saw %s: %q", name, values)
		}
	}
	if got := k.get("/", "Accept-Encoding: br;q=1.0, gzip", "User-Agent: mine", "Traceparent: 00-a-b-01").seen(t).Header; got.Get("Accept-Encoding") != "br;q=1.0, gzip" ||
		got.Get("User-Agent") != "mine" || got.Get("Traceparent") != "00-a-b-01" {
		t.Errorf("the backend saw %v", got)
	}
	if res := k.raw("GET /gzip HTTP/1.1\r\nHost: x\r\n\r\n"); res.body != packed.String() || res.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("gzip: %v %q", res.Header, res.body)
	}
	if res := k.get("/redirect"); res.StatusCode != 302 || res.Header.Get("Location") != "/gzip" {
		t.Errorf("redirect: %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
	if res := k.do("HEAD", "/length", nil); res.StatusCode != 200 || res.ContentLength != 12345 {
		t.Errorf("HEAD: %d, length %d", res.StatusCode, res.ContentLength)
	}
	if res := k.get("/204"); res.StatusCode != 204 || len(res.header("Content-Length")) != 0 || res.body != "" {
		t.Errorf("204: %d %v", res.StatusCode, res.Header)
	}
	if res := k.get("/304"); res.StatusCode != 304 || res.Header.Get("Etag") != `"x"` || res.body != "" {
		t.Errorf("304: %d %v", res.StatusCode, res.Header)
	}
	if res := k.get("/418"); res.StatusCode != 418 || res.body != "short and stout" || res.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("418: %d %v %q", res.StatusCode, res.Header, res.body)
	}
}

func TestMethodsAndBodiesPass(t *testing.T) {
	t.Parallel()
	k := start(t, openTable, mirror)
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "QUERY"} {
		got := k.do(method, "/", strings.NewReader("the body"), "Content-Type: text/x").seen(t)
		if got.Method != method || got.Body != "the body" || got.Header.Get("Content-Length") != "8" {
			t.Errorf("%s: the backend saw %+v", method, got)
		}
	}
	if got := k.do("POST", "/", nil).seen(t); got.Header.Get("Content-Length") != "0" {
		t.Errorf("empty POST: the backend saw %v", got.Header)
	}
	if got := k.get("/").seen(t); got.Header["Content-Length"] != nil || got.Header["Transfer-Encoding"] != nil {
		t.Errorf("GET: the backend saw %v", got.Header)
	}
}

// A request is smuggled when one reader finds two messages and another only one.
func TestAmbiguousFramingIsRefused(t *testing.T) {
	t.Parallel()
	k := start(t, openTable, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/smuggled" {
			t.Error("the backend was asked for /smuggled")
		}
		mirror(w, r)
	})
	smuggled := "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, headers := range []string{
		"Content-Length: 0\r\nContent-Length: 38\r\n",
		"Content-Length: +38\r\n",
		"Transfer-Encoding: xchunked\r\n",
		"Transfer-Encoding: chunked, identity\r\n",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
		"Transfer-Encoding : chunked\r\n",
		"X: y\r\n Transfer-Encoding: chunked\r\n",
	} {
		w := k.dial()
		w.Send("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers + "\r\n" + "0\r\n\r\n" + smuggled)
		res := receive(w)
		if res.StatusCode < 400 && !strings.HasPrefix(headers, "X: y") { // net/http reads obs-fold as one header value
			t.Errorf("%q: status %d", headers, res.StatusCode)
		}
		if _, err := w.In.ReadByte(); err != io.EOF {
			t.Errorf("%q: more than one answer", headers)
		}
	}
}

// When a backend sends no Content-Type, the gateway adds none. If net/http guessed one, it
// could turn the bytes into active content.
func TestNoContentTypeIsInvented(t *testing.T) {
	t.Parallel()
	k := start(t, openTable, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		_, _ = io.WriteString(w, "<html><script>alert(1)</script>")
	})
	res := k.raw("GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
	if got := res.Header["Content-Type"]; got != nil || res.StatusCode != http.StatusOK {
		t.Errorf("%d, Content-Type %q", res.StatusCode, got)
	}
}

// TestClientClaims sends headers that only a trusted proxy may send, and spellings that
// some servers read as an identity header.
func TestClientClaims(t *testing.T) {
	t.Parallel()
	names := []string{
		"X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Client-Cert", "X_Forwarded_Ssl", "X-Forwarded", "X-Original-URI",
		"X-Original-Method", "X.Original.For", "X-Real-IP", "CF-Connecting-IP", "Remote-User", "X-Auth-Request-User",
		"X!User!ID", "X~User~ID", "X+User+ID", "X*Company*ID", "Proxy", "X-HTTP-Method-Override",
	}
	k := start(t, `
users: off
routes:
  - {name: open, prefix: /, backend: "${BACKEND}", auth: none, methods: [GET]}
`, func(w http.ResponseWriter, r *http.Request) {
		for name := range r.Header {
			fmt.Fprintln(w, name)
		}
	})
	var request strings.Builder
	request.WriteString("GET /x HTTP/1.1\r\nHost: x\r\nX-Mine: passes\r\n")
	for _, name := range names {
		request.WriteString(name + ": evil\r\n")
	}
	res := k.raw(request.String() + "\r\n")
	if !strings.Contains(res.body, "X-Mine") {
		t.Fatalf("%d %q", res.StatusCode, res.body)
	}
	for _, name := range names {
		if strings.Contains(strings.ToLower(res.body), strings.ToLower(name)+"\n") {
			t.Errorf("%s reached the backend", name)
		}
	}
}

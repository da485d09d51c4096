package proxy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"gatehouse/auth"
	"gatehouse/internal/testkit"
	"gatehouse/proxy/cors"
)

const routeCORSTable = `
users: off
cors: {origins: ["https://app.example.com"], credentials: true, expose: [X-Table]}
routes:
  - {name: table, prefix: /table, backend: "${BACKEND}", auth: none}
  - {name: admin, prefix: /admin, backend: "${BACKEND}", cors: {origins: ["https://admin.example.com"], allow_methods: [GET, PROPFIND], allow_headers: [Authorization, X-A], max_age: 1m, private_network: true}}
  - {name: open, prefix: /open, backend: "${BACKEND}", auth: none, cors: {origins: ["*"]}}
  - {name: again, prefix: /open, backend: "${BACKEND}", auth: none, methods: [LOCK], cors: {origins: ["*"]}}
  - {name: own, prefix: /own, backend: "${BACKEND}", auth: none, cors: off}
  - {name: closed, prefix: /closed, backend: "${BACKEND}", cors: false}
  - {name: moved, prefix: /moved, redirect: {to: /table}, auth: none, cors: {origins: ["https://admin.example.com"]}}
  - {name: page, prefix: /page, respond: {body: page}, auth: none, cors: {origins: ["https://admin.example.com"]}}
  - {name: read, prefix: /mixed, backend: "${BACKEND}", auth: none, methods: [GET]}
  - {name: write, prefix: /mixed, backend: "${BACKEND}", auth: none, methods: [PUT, DELETE], cors: {origins: ["https://admin.example.com"]}}
  - {name: patch, prefix: /mixed, backend: "${BACKEND}", auth: none, methods: [PATCH, OPTIONS], cors: off}
  - {name: beta, prefix: /beta, backend: "${BACKEND}", auth: none, match_headers: {X-Beta: "1"}, cors: {origins: ["https://admin.example.com", "https://app.example.com"], credentials: true}}
  - {name: stable, prefix: /beta, backend: "${BACKEND}", auth: none}
`

// corsBackend answers with CORS headers of its own, and tells of each preflight.
func corsBackend(preflights chan<- string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if cors.IsPreflight(r) {
			preflights <- r.URL.Path
		}
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "https://backend.example.com")
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Set("Access-Control-Expose-Headers", "X-Backend")
		h.Set("Access-Control-Allow-Methods", "LOCK")
		h.Set("Vary", "Accept")
	}
}

// wantCORS checks the CORS headers of an answer: origin, credentials, exposed headers.
func wantCORS(t *testing.T, what string, got http.Header, origin, credentials, expose string) {
	t.Helper()
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": credentials, "Access-Control-Expose-Headers": expose,
	} {
		if has := strings.Join(got[name], "|"); has != want {
			t.Errorf("%s: %s = %q, want %q", what, name, has, want)
		}
	}
}

// TestRouteCORS checks that the CORS headers of every answer are those of the route, also
// of refusals, and those of the table where no route is found.
func TestRouteCORS(t *testing.T) {
	t.Parallel()
	const app, admin = "https://app.example.com", "https://admin.example.com"
	backend := testkit.Serve(t, corsBackend(make(chan string, 1)))
	test := func(t *testing.T, k *kit) {
		for _, tt := range []struct {
			path, origin                    string
			status                          int
			allowed, credentials, expose    string
			leavesVary, withoutOriginInVary bool
		}{
			{path: "/table", origin: app, status: 200, allowed: app, credentials: "true", expose: "X-Table", leavesVary: true},
			{path: "/table", origin: admin, status: 200, leavesVary: true},
			{path: "/nowhere", origin: app, status: 404, allowed: app, credentials: "true", expose: "X-Table"},
			{path: "/nowhere", origin: admin, status: 404},
			{path: "/admin", origin: admin, status: 401, allowed: admin}, // a page can read the refusal
			{path: "/admin", origin: app, status: 401},
			{path: "/open", origin: "https://any.example.net", status: 200, allowed: "*", leavesVary: true},
			{path: "/own", origin: app, status: 200, allowed: "https://backend.example.com", credentials: "true", expose: "X-Backend", leavesVary: true, withoutOriginInVary: true},
			{path: "/closed", origin: app, status: 401, withoutOriginInVary: true},
			{path: "/moved", origin: admin, status: 308, allowed: admin},
			{path: "/moved", origin: app, status: 308},
			{path: "/moved", status: 308},
			{path: "/page", origin: admin, status: 200, allowed: admin},
			{path: "/page", origin: app, status: 200},
			{path: "/page", status: 200},
		} {
			what := tt.path + " from " + tt.origin
			var headers []string
			if tt.origin != "" {
				headers = append(headers, "Origin: "+tt.origin)
			}
			res := k.get(tt.path, headers...)
			if res.StatusCode != tt.status {
				t.Errorf("%s: status %d, want %d", what, res.StatusCode, tt.status)
			}
			wantCORS(t, what, res.Header, tt.allowed, tt.credentials, tt.expose)
			vary := strings.Join(res.header("Vary"), ", ")
			if strings.Contains(vary, "Origin") == tt.withoutOriginInVary || strings.Contains(vary, "Accept") != tt.leavesVary {
				t.Errorf("%s: Vary %q", what, vary)
			}
		}
	}
	eachLane(t, routeCORSTable, backend, test)
	t.Run("h2", func(t *testing.T) {
		t.Parallel()
		test(t, startTLS(t, routeCORSTable, backend))
	})
}

// TestRoutePreflight checks that the route answers that a preflight asks about.
func TestRoutePreflight(t *testing.T) {
	t.Parallel()
	const app, admin = "https://app.example.com", "https://admin.example.com"
	const usual = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
	preflights := make(chan string, 8)
	backend := testkit.Serve(t, corsBackend(preflights))
	test := func(t *testing.T, k *kit) {
		for _, tt := range []struct {
			path, origin, method, headers string
			status                        int
			methods, allowedHeaders, age  string
		}{
			{path: "/table", origin: app, method: "PUT", headers: "x-b", status: 204, methods: usual, allowedHeaders: "x-b", age: "600"},
			{path: "/table", origin: admin, method: "PUT", status: 403},
			{path: "/nowhere", origin: app, method: "PUT", status: 204, methods: usual, age: "600"},
			{path: "/nowhere", origin: admin, method: "PUT", status: 403},
			{path: "/admin", origin: admin, method: "PUT", headers: "x-b", status: 204, methods: "GET, PROPFIND", allowedHeaders: "Authorization, X-A", age: "60"},
			{path: "/admin", origin: app, method: "GET", status: 403},
			{path: "/open", origin: app, method: "COPY", status: 204, methods: usual + ", COPY, LOCK", age: "600"},
			{path: "/moved", origin: admin, method: "GET", status: 204, methods: usual, age: "600"},
			{path: "/page", origin: app, method: "GET", status: 403},
			// The method decides. An answer does not allow methods of routes with another policy.
			{path: "/mixed", origin: app, method: "GET", status: 204, methods: "GET, HEAD, POST", age: "600"},
			{path: "/mixed", origin: admin, method: "GET", status: 403},
			{path: "/mixed", origin: admin, method: "DELETE", status: 204, methods: "DELETE, POST, PUT", age: "600"},
			{path: "/mixed", origin: app, method: "DELETE", status: 403},
			{path: "/mixed", origin: app, method: "LINK", status: 204, methods: "GET, HEAD, POST", age: "600"}, // 405 by the table
			// Without X-Beta, only the stable route can match; with it, both can.
			{path: "/beta", origin: app, method: "PUT", status: 204, methods: usual, age: "600"},
			{path: "/beta", origin: admin, method: "PUT", status: 403},
			{path: "/beta", origin: app, method: "PUT", headers: "x-a, X-BETA", status: 204, methods: usual, allowedHeaders: "x-a, X-BETA", age: "600"},
			{path: "/beta", origin: admin, method: "PUT", headers: "x-beta", status: 403},
		} {
			what := tt.method + " " + tt.path + " from " + tt.origin + " with " + tt.headers
			ask := []string{"Origin: " + tt.origin, "Access-Control-Request-Method: " + tt.method}
			if tt.headers != "" {
				ask = append(ask, "Access-Control-Request-Headers: "+tt.headers)
			}
			res := k.do(http.MethodOptions, tt.path, nil, ask...)
			want := map[string]string{
				"Access-Control-Allow-Methods": tt.methods, "Access-Control-Allow-Headers": tt.allowedHeaders, "Access-Control-Max-Age": tt.age,
			}
			for name, value := range want {
				if got := strings.Join(res.Header[name], "|"); got != value {
					t.Errorf("%s: %s = %q, want %q", what, name, got, value)
				}
			}
			if allowed := res.Header.Get("Access-Control-Allow-Origin"); res.StatusCode != tt.status || (allowed != "") != (tt.status == 204) {
				t.Errorf("%s: %d, Access-Control-Allow-Origin %q", what, res.StatusCode, allowed)
			}
			if vary := strings.Join(res.header("Vary"), ", "); !strings.Contains(vary, "Origin") || !strings.Contains(vary, "Access-Control-Request-Method, Access-Control-Request-Headers") {
				t.Errorf("%s: Vary %q", what, vary)
			}
			d := decideRequest(t, k, http.MethodOptions, tt.path, res.Request.Header)
			if got := d.Answered; !d.Preflight || got != 0 && got != tt.status || d.Refusal != nil && d.Refusal.Status != tt.status {
				t.Errorf("%s: Decide: %+v", what, d)
			}
		}
		if len(preflights) > 0 {
			t.Errorf("a backend was asked for %s", <-preflights)
		}
		// With `cors: off`, the backend answers, under the policy of the route.
		ask := []string{"Origin: " + app, "Access-Control-Request-Method: PATCH"}
		for _, path := range []string{"/own", "/mixed"} {
			res := k.do(http.MethodOptions, path, nil, ask...)
			if got := testkit.Receive(t, "a preflight at the backend", preflights); got != path || res.StatusCode != 200 {
				t.Errorf("%s: %d, backend asked for %s", path, res.StatusCode, got)
			}
			wantCORS(t, path, res.Header, "https://backend.example.com", "true", "X-Backend")
			if got := res.Header.Get("Access-Control-Allow-Methods"); got != "LOCK" {
				t.Errorf("%s: Access-Control-Allow-Methods %q", path, got)
			}
			if d := decideRequest(t, k, http.MethodOptions, path, res.Request.Header); d.Preflight || d.Forwarded == nil {
				t.Errorf("%s: Decide: %+v", path, d)
			}
		}
		if res := k.do(http.MethodOptions, "/closed", nil, ask...); res.StatusCode != 401 {
			t.Errorf("closed: %d", res.StatusCode)
		}
	}
	k := startTLS(t, routeCORSTable, backend)
	test(t, k)
	test(t, startBefore(t, routeCORSTable, backend))
}

// TestPrivateNetworkOfRoute checks `private_network`.
func TestPrivateNetworkOfRoute(t *testing.T) {
	t.Parallel()
	k := start(t, `
users: off
cors: {origins: ["https://app.example.com"], private_network: false}
routes:
  - {name: a, prefix: /a, backend: "${BACKEND}", auth: none}
  - {name: b, prefix: /b, backend: "${BACKEND}", auth: none, cors: {origins: ["https://app.example.com"], private_network: true}}
`, nil)
	for path, want := range map[string]string{"/a": "", "/b": "true"} {
		res := k.do(http.MethodOptions, path, nil, "Origin: https://app.example.com", "Access-Control-Request-Method: GET", "Access-Control-Request-Private-Network: true")
		if got := res.Header.Get("Access-Control-Allow-Private-Network"); got != want || res.StatusCode != 204 {
			t.Errorf("%s: %d %q, want %q", path, res.StatusCode, got, want)
		}
	}
}

// TestRouteCORSAlone checks routes with CORS in a table without.
func TestRouteCORSAlone(t *testing.T) {
	t.Parallel()
	preflights := make(chan string, 1)
	k := start(t, `
users: off
routes:
  - {name: a, prefix: /a, backend: "${BACKEND}", cors: {origins: ["https://app.example.com"], credentials: true}}
  - {name: b, prefix: /b, backend: "${BACKEND}", auth: none}
`, corsBackend(preflights))
	origin, ask := "Origin: https://app.example.com", "Access-Control-Request-Method: PUT"
	res := k.do(http.MethodOptions, "/a", nil, origin, ask)
	if res.StatusCode != 204 || res.Header.Get("Access-Control-Allow-Credentials") != "true" {
		t.Errorf("a: %d %v", res.StatusCode, res.Header)
	}
	res = k.get("/a", origin)
	wantCORS(t, "a", res.Header, "https://app.example.com", "true", "")
	res = k.get("/nowhere", origin)
	wantCORS(t, "nowhere", res.Header, "", "", "")
	if res = k.do(http.MethodOptions, "/b", nil, origin, ask); res.StatusCode != 200 || testkit.Receive(t, "a preflight", preflights) != "/b" {
		t.Errorf("b: %d", res.StatusCode)
	}
	if vary := res.header("Vary"); !slices.Equal(vary, []string{"Accept"}) {
		t.Errorf("b: Vary %q", vary)
	}
}

// decideRequest puts a request to the live table.
func decideRequest(t *testing.T, k *kit, method, path string, header http.Header) Decision {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://gate.example.com"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.RequestURI, r.Header, r.RemoteAddr = path, header, "192.0.2.1:1"
	return k.gateway.Table().Decide(r, auth.NewGate(k.verifier, nil))
}

// BenchmarkAccess measures fixed answers of routes with one of the keys that decide who may
// come, beside a plain route of the same table, and a preflight.
func BenchmarkAccess(b *testing.B) {
	folder := b.TempDir()
	testkit.WriteFile(b, folder+"/ops.htpasswd", "ops:$2a$04$ARwy2o3m7UP607veMDg0POtBvRnHE.1ht3dMFxp3hfryDGFjgYb3C\n")
	for name, access := range map[string]string{
		"plain": "", "allow_from": ", allow_from: [192.0.2.0/24, 10.0.0.0/8], deny_from: [192.0.2.66]", "basic": ", basic: " + folder + "/ops.htpasswd",
		"cors": ", cors: {origins: ['https://app.example.com'], credentials: true}", "preflight": ", cors: {origins: ['https://app.example.com'], credentials: true}",
	} {
		b.Run(name, func(b *testing.B) {
			table := "users: off\nroutes:\n  - {name: page, prefix: /page, auth: none, respond: {body: page}" + access + "}\n"
			k := newQuietKit(b, table)
			k.withPasswords(table)
			header, method := http.Header{"Origin": {"https://app.example.com"}, "Authorization": {"Basic b3BzOnNlY3JldA=="}}, http.MethodGet
			if name == "preflight" {
				method = http.MethodOptions
				header["Access-Control-Request-Method"] = []string{http.MethodPut}
			}
			b.ReportAllocs()
			for b.Loop() {
				w := &nowhere{header: make(http.Header, 8)}
				k.gateway.ServeHTTP(w, &http.Request{
					Method: method, URL: &url.URL{Path: "/page"}, RequestURI: "/page", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
					Header: header, Host: "gate.example.com", RemoteAddr: "192.0.2.1:4711", Body: http.NoBody,
				})
				if w.status >= 300 {
					b.Fatalf("status %d", w.status)
				}
			}
		})
	}
}

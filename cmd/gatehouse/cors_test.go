package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

const corsErrorsTable = `
users: off
cors: {origins: ["https://app.example.com"]}
defaults: {cors: {origins: ["https://admin.example.com"], credentials: true, expose: [X-Request-ID], max_age: 1m}}
routes:
  - {name: strict, prefix: /strict, backend: BACKEND}
  - {name: office, prefix: /office, backend: BACKEND, auth: none, allow_from: [192.0.2.0/24]}
  - {name: basic, prefix: /basic, backend: BACKEND, auth: none, basic: FILE}
  - {name: dav, prefix: /dav, backend: BACKEND, auth: none, methods: [GET, PROPFIND]}
  - {name: small, prefix: /small, backend: BACKEND, auth: none, max_body: 4B}
  - {name: gone, prefix: /gone, backend: "http://127.0.0.1:9", auth: none}
  - {name: slow, prefix: /slow, backend: BACKEND, auth: none, timeout: 50ms}
  - {name: broken, prefix: /broken, backend: BACKEND, auth: none}
  - {name: moved, prefix: /moved, redirect: {to: /new}, auth: none}
  - {name: stop, prefix: /stop, respond: {status: 503, body: soon}, auth: none}
`

// TestCORSOfErrors asks for answers of every kind from a page of the route's origin, and
// from one of the table's. Only the first can read them, whatever the status.
func TestCORSOfErrors(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	backend := testkit.Serve(t, func(_ http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			<-release
		case "/broken":
			panic(http.ErrAbortHandler)
		}
	})
	t.Cleanup(func() { close(release) })
	const hash = "ops:$2a$04$ARwy2o3m7UP607veMDg0POtBvRnHE.1ht3dMFxp3hfryDGFjgYb3C\n"
	table := strings.NewReplacer("BACKEND", "'"+backend+"'", "FILE", testkit.TempFile(t, "ops.htpasswd", hash)).Replace(corsErrorsTable)
	for name, c := range map[string]struct {
		transport string
		h2        bool
	}{"lean": {"lean", false}, "standard": {"standard", false}, "HTTP/2": {"lean", true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startProcess(t, testkit.TempFile(t, "routes.yaml", table), map[string]string{"GATEWAY_TRANSPORT": c.transport})
			transport := &http.Transport{Protocols: new(http.Protocols)}
			transport.Protocols.SetHTTP1(!c.h2)
			transport.Protocols.SetUnencryptedHTTP2(c.h2)
			t.Cleanup(transport.CloseIdleConnections)
			ask := func(method, path, origin string, more ...string) (int, http.Header) {
				t.Helper()
				r, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader("12345"))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Origin", origin)
				for i := 0; i < len(more); i += 2 {
					r.Header.Set(more[i], more[i+1])
				}
				res, err := transport.RoundTrip(r)
				if err != nil {
					t.Fatalf("%s %s: %v", method, path, err)
				}
				_ = res.Body.Close()
				return res.StatusCode, res.Header
			}
			const admin, app = "https://admin.example.com", "https://app.example.com"
			for path, status := range map[string]int{
				"/strict": 401, "/office": 403, "/basic": 401, "/dav": 405, "/small": 413, "/gone": 503, "/slow": 504, "/broken": 502,
				"/moved": 308, "/stop": 503, "/nowhere": 404,
			} {
				right, wrong := admin, app
				if path == "/nowhere" || path == "/dav" { // without a route, the table decides
					right, wrong = app, admin
				}
				got, header := ask(http.MethodPost, path, right)
				if got != status || header.Get("Access-Control-Allow-Origin") != right || !slices.Contains(header.Values("Vary"), "Origin") {
					t.Errorf("%s: %d %v; want %d", path, got, header, status)
				}
				if isRoute := right == admin; isRoute != (header.Get("Access-Control-Allow-Credentials") == "true") || isRoute != (header.Get("Access-Control-Expose-Headers") == "X-Request-ID") {
					t.Errorf("%s: %v", path, header)
				}
				if got, header := ask(http.MethodPost, path, wrong); got != status || header.Get("Access-Control-Allow-Origin") != "" || !slices.Contains(header.Values("Vary"), "Origin") {
					t.Errorf("%s from another origin: %d %v; want %d", path, got, header, status)
				}
				if got, header := ask(http.MethodOptions, path, right, "Access-Control-Request-Method", "POST"); got != http.StatusNoContent || header.Get("Access-Control-Allow-Origin") != right {
					t.Errorf("%s: preflight %d %v", path, got, header)
				}
				if got, _ := ask(http.MethodOptions, path, wrong, "Access-Control-Request-Method", "POST"); got != http.StatusForbidden {
					t.Errorf("%s: preflight from another origin: %d", path, got)
				}
			}
			if got, header := ask(http.MethodOptions, "/dav", admin, "Access-Control-Request-Method", "PROPFIND"); got != http.StatusNoContent || !strings.Contains(header.Get("Access-Control-Allow-Methods"), "PROPFIND") || header.Get("Access-Control-Max-Age") != "60" {
				t.Errorf("preflight of a method of the route: %d %v", got, header)
			}
		})
	}
}

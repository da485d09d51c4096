package proxy

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const corsTable = `
users: off
cors:
  origins: ["http://localhost:300[0-9]", "https://atenex-frontend.vercel.app", "https://atenex-frontend-*.vercel.app"]
  credentials: true
  expose: [X-Request-ID, X-Process-Time]
routes:
  - {name: open, prefix: /open, backend: "${BACKEND}", auth: none}
  - {name: strict, prefix: /strict, backend: "${BACKEND}"}
`

func TestCORSOrigins(t *testing.T) {
	t.Parallel()
	k := start(t, corsTable, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Add("Access-Control-Allow-Origin", "https://evil.example.com")
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		w.Header().Set("Access-Control-Expose-Headers", "X-Evil")
		w.Header().Set("Vary", "Accept, X-Original-Host")
		_, _ = io.WriteString(w, "hello")
	})
	allowed := []string{"http://localhost:3000", "http://localhost:3009", "https://atenex-frontend.vercel.app", "https://atenex-frontend-git-main-x1.vercel.app"}
	for _, origin := range allowed {
		for path, status := range map[string]int{"/open": 200, "/strict": 401, "/none": 404, "/open/%2e": 400} {
			res := k.get(path, "Origin: "+origin)
			if res.StatusCode != status {
				t.Errorf("%s: %d", path, res.StatusCode)
			}
			for name, want := range map[string]string{
				"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true",
				"Access-Control-Expose-Headers": "X-Request-ID, X-Process-Time",
			} {
				if got := res.header(name); !slices.Equal(got, []string{want}) {
					t.Errorf("%s %s: %s = %q, want %q", path, origin, name, got, want)
				}
			}
		}
	}
	refused := [][]string{
		nil,
		{"https://xatenex-frontend.vercel.app"},
		{"http://localhost:3010"},
		{"http://localhost:30000"},
		{"https://localhost:3000"},
		{"https://atenex-frontend-a.b.vercel.app"},
		{"https://atenex-frontend-.vercel.app.evil.com"},
		{"null"},
		{""},
		{"https://atenex-frontend.vercel.app", "https://evil.example.com"},
		{"http://localhost:3000", "http://localhost:3000"},
		{"http://localhost:3000 "},
		{"HTTP://LOCALHOST:3000"},
		{"https://evil.example.com, http://localhost:3000"},
	}
	for _, origins := range refused {
		raw := "GET /open HTTP/1.1\r\nHost: x\r\n"
		for _, origin := range origins {
			raw += "Origin: " + origin + "\r\n"
		}
		res := k.raw(raw + "\r\n")
		if len(origins) == 1 && strings.HasSuffix(origins[0], " ") {
			continue // net/http removes the space
		}
		for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers"} {
			if got := res.header(name); len(got) != 0 {
				t.Errorf("%q: %s = %q", origins, name, got)
			}
		}
		if res.StatusCode != 200 || !slices.Contains(res.header("Vary"), "Origin") {
			t.Errorf("%q: %d, Vary %q", origins, res.StatusCode, res.header("Vary"))
		}
	}
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	k := start(t, corsTable, func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Access-Control-Request-Method") != "" && r.Header.Get("Origin") != "" {
			t.Error("the backend was asked for a preflight")
		}
	})
	origin, ask := "Origin: http://localhost:3000", "Access-Control-Request-Method: DELETE"
	// No route requires a token, and no route is needed.
	for _, path := range []string{"/strict", "/nowhere", "/%2e%2e"} {
		res := k.do("OPTIONS", path, nil, origin, ask, "Access-Control-Request-Headers: authorization, x-custom")
		if res.StatusCode != 204 || res.body != "" {
			t.Errorf("%s: %d %q", path, res.StatusCode, res.body)
		}
		for name, want := range map[string]string{
			"Access-Control-Allow-Origin": "http://localhost:3000", "Access-Control-Allow-Credentials": "true",
			"Access-Control-Allow-Headers": "authorization, x-custom", "Access-Control-Max-Age": "600",
			"Access-Control-Allow-Methods": "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT",
		} {
			if got := res.header(name); !slices.Equal(got, []string{want}) {
				t.Errorf("%s: %s = %q, want %q", path, name, got, want)
			}
		}
		vary := strings.Join(res.header("Vary"), ", ")
		for _, want := range []string{"Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"} {
			if !strings.Contains(vary, want) {
				t.Errorf("Vary = %q", vary)
			}
		}
	}
	for _, headers := range [][]string{
		{"Origin: https://evil.example.com", ask}, {"Origin: null", ask}, {origin, "Origin: http://localhost:3001", ask},
	} {
		res := k.do("OPTIONS", "/strict", nil, headers...)
		res.wantDetail(t, 403, "Disallowed CORS origin")
		if got := res.header("Access-Control-Allow-Origin"); len(got) != 0 || !slices.Contains(res.header("Vary"), "Origin") {
			t.Errorf("%q: Access-Control-Allow-Origin = %q, Vary %q", headers, got, res.header("Vary"))
		}
	}
	// An OPTIONS request that is not a preflight goes to the backend.
	if res := k.do("OPTIONS", "/open", nil, origin); res.StatusCode != 200 {
		t.Errorf("OPTIONS: %d", res.StatusCode)
	}
	if res := k.do("OPTIONS", "/strict", nil, ask); res.StatusCode != 401 {
		t.Errorf("OPTIONS: %d", res.StatusCode)
	}
}

func TestCORSForAnyone(t *testing.T) {
	t.Parallel()
	k := start(t, "cors: {origins: ['*']}\n"+openTable, nil)
	res := k.get("/", "Origin: https://anywhere.example.com")
	if got := res.header("Access-Control-Allow-Origin"); !slices.Equal(got, []string{"*"}) || len(res.header("Access-Control-Allow-Credentials")) != 0 {
		t.Errorf("headers %v", res.Header)
	}
}

// Without `cors` in the table, the backends handle CORS.
func TestCORSLeftToBackends(t *testing.T) {
	t.Parallel()
	k := start(t, openTable, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "https://its.example.com")
		w.WriteHeader(http.StatusNoContent)
	})
	res := k.do("OPTIONS", "/", nil, "Origin: https://its.example.com", "Access-Control-Request-Method: GET")
	if res.StatusCode != 204 || res.Header.Get("Access-Control-Allow-Origin") != "https://its.example.com" || len(res.header("Vary")) != 0 {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}

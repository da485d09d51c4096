package explain

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/auth"
	"gatehouse/internal/testkit"
	"gatehouse/proxy"
	"gatehouse/proxy/upstream"
)

const explainTable = `
trusted_proxies: [10.0.0.0/8]
cors: {origins: ["https://app.example.com"]}
routes:
  - {name: users, prefix: /api/v1/users, handler: users}
  - {name: api, prefix: /api, backend: "http://api/base", strip_prefix: true, auth: initial, forward_token: false}
  - {name: query, prefix: /api/v1/query, backend: "http://query", methods: [GET]}
  - {name: acme, prefix: /api/v1/query, backend: "http://acme", hosts: [acme.example.com], roles: [admin]}
  - {name: beta, prefix: /api/v1/query, backend: "http://beta", headers: {X-Beta: "1"}, auth: none}
`

// TestExplain is a list of questions: who sends which request, and what would happen.
func TestExplain(t *testing.T) {
	t.Parallel()
	table := compile(t, explainTable, "")
	admin := auth.SimulatedIdentity{"sub": "a", "company_id": "c", "role": "admin"}
	tests := []struct {
		method, target string
		header         http.Header
		as             auth.Decider
		route          string // of the winner
		status         int    // 0 means that the request passes
		url            string
		lost           []string // "route: why", of those that lost
	}{
		{
			"GET", "/api/v1/query/chats?limit=2", nil, persona(t, "member"), "query", 0, "http://query/api/v1/query/chats?limit=2",
			[]string{"acme: host is localhost, not acme.example.com", "beta: lacks a header: X-Beta", "api: a longer prefix wins"},
		},
		{"GET", "/api/v1/query/chats", nil, persona(t, "newcomer"), "query", 403, "", nil},
		{"GET", "/api/v1/query/chats", nil, persona(t, "anonymous"), "query", 401, "", nil},
		{"POST", "/api/v1/query/chats", nil, persona(t, "member"), "", 405, "", []string{
			"acme: host is localhost, not acme.example.com", "query: takes only GET, HEAD",
			"beta: lacks a header: X-Beta", "api: fits, but the request is refused",
		}},
		{"POST", "/api/v1/query/chats", http.Header{"X-Beta": {"1"}}, persona(t, "anonymous"), "beta", 0, "http://beta/api/v1/query/chats", nil},
		{"GET", "http://acme.example.com/api/v1/query", nil, persona(t, "member"), "acme", 403, "", nil},
		{"GET", "http://ACME.example.com:8080/api/v1/query", nil, admin, "acme", 0, "http://acme/api/v1/query", []string{
			"query: a more particular route of the same prefix wins", "beta: lacks a header: X-Beta", "api: a longer prefix wins",
		}},
		{"GET", "/api/v2/x%20y", nil, persona(t, "newcomer"), "api", 0, "http://api/base/v2/x%20y", nil},
		{"GET", "/api/v1/users/me", nil, persona(t, "newcomer"), "users", 0, "", nil},
		{"GET", "/elsewhere", nil, persona(t, "member"), "", 404, "", nil},
		{"GET", "/", nil, persona(t, "anonymous"), "", 200, "", nil},
		{"GET", "/api/../etc/passwd", nil, persona(t, "member"), "", 400, "", nil},
		{"GET", "/api/%2e%2e/x", nil, persona(t, "member"), "", 400, "", nil},
		{"GET", "not-a-path", nil, persona(t, "member"), "", 400, "", nil},
		{
			"OPTIONS", "/api/v1/query",
			http.Header{"Origin": {"https://app.example.com"}, "Access-Control-Request-Method": {"GET"}},
			persona(t, "anonymous"), "", 204, "", nil,
		},
		{
			"OPTIONS", "/api/v1/query",
			http.Header{"Origin": {"https://evil.example"}, "Access-Control-Request-Method": {"GET"}},
			persona(t, "anonymous"), "", 403, "", nil,
		},
	}
	for _, test := range tests {
		t.Run(test.method+" "+test.target, func(t *testing.T) {
			t.Parallel()
			r := newRequest(t, test.method, test.target, test.header)
			e := Request(table, r, test.as)
			url := ""
			if e.Forwarded != nil {
				url = e.Forwarded.URL
			}
			if e.Route != test.route || e.Verdict.Status != test.status || e.Verdict.Allowed != (test.status == 0) || url != test.url {
				t.Errorf("route %q, verdict %+v, URL %q", e.Route, e.Verdict, url)
			}
			var lost []string
			for _, c := range e.Candidates {
				if !c.Won {
					lost = append(lost, c.Route+": "+c.Why)
				}
			}
			if diff := cmp.Diff(test.lost, lost); test.lost != nil && diff != "" {
				t.Errorf("candidates that lost (-want +got):\n%s", diff)
			}
		})
	}
}

func persona(t *testing.T, name string) auth.SimulatedIdentity {
	t.Helper()
	who, known := auth.Persona(name)
	if !known {
		t.Fatalf("no persona %q", name)
	}
	return who
}

// TestExplainShowsHeaders checks all headers that a backend would get.
func TestExplainShowsHeaders(t *testing.T) {
	t.Parallel()
	table := compile(t, explainTable, "")
	r := newRequest(t, "GET", "/api/v1/query/x", http.Header{
		"X-User-Id": {"forged"}, "X_user_email": {"forged"}, "X-Real-Ip": {"6.6.6.6"}, "Accept": {"*/*"},
		"Connection": {"X-Company-Id, close"}, "Authorization": {"Bearer x"}, "X-Request-Id": {"mine"},
		"Upgrade": {"h2c"},
	})
	e := Request(table, r, persona(t, "member"))
	want := &Forwarded{
		Path: "/api/v1/query/x",
		URL:  "http://query/api/v1/query/x", Host: "query",
		Headers: http.Header{
			"Accept": {"*/*"}, "Authorization": {"Bearer x"},
			"X-Company-Id": {"00000000-0000-4000-8000-00000000000c"}, "X-User-Email": {"somebody@example.com"},
			"X-User-Id": {"00000000-0000-4000-8000-000000000001"}, "X-Request-Id": {"mine"},
			"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Host": {"localhost"}, "X-Forwarded-Proto": {"http"},
		},
		Added:    []string{"X-Company-Id", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-User-Email"},
		Replaced: []string{"X-User-Id"},
		Removed:  []string{"Connection", "Upgrade", "X-Real-Ip", "X_user_email"},
	}
	if diff := cmp.Diff(want, e.Forwarded); diff != "" {
		t.Errorf("forwarded (-want +got):\n%s", diff)
	}
	if r.Header.Get("X-User-Id") != "forged" || r.Header.Get("Upgrade") != "h2c" {
		t.Error("the question was changed by the answer")
	}
}

const servedTable = `
users: off
routes:
  - {name: strict, prefix: /strict, backend: "${BACKEND}"}
  - {name: initial, prefix: /initial, backend: "${BACKEND}", auth: initial}
  - {name: none, prefix: /none, backend: "${BACKEND}", auth: none}
  - {name: admins, prefix: /admins, backend: "${BACKEND}", roles: [admin, owner]}
`

// TestExplainAgreesWithServing explains requests and also sends them. The explanation must
// be what happens.
func TestExplainAgreesWithServing(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(backend.Close)
	table := compile(t, servedTable, backend.URL)
	gateway := proxy.NewGateway(proxy.Options{
		Log: slog.New(slog.DiscardHandler), Metrics: noMetrics{}, Transports: upstream.NewPool(upstream.PoolOptions{}),
	})
	gateway.Swap(table)
	front := httptest.NewServer(gateway)
	t.Cleanup(front.Close)
	for _, path := range []string{
		"/", "/health", "/none", "/strict", "/initial", "/strict/../none", "//none", "/nowhere", "/none/%2f", "/none;x", "/%6eone",
	} {
		for _, method := range []string{"GET", "POST", "BREW"} {
			r := newRequest(t, method, path, nil)
			e := Request(table, r, persona(t, "anonymous"))
			client := testkit.Dial(t, front.URL)
			client.Send(method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
			got, _ := client.Receive()
			want := e.Verdict.Status
			if e.Verdict.Allowed {
				want = http.StatusOK
			}
			if got.StatusCode != want {
				t.Errorf("%s %s: served %d, explained %+v", method, path, got.StatusCode, e.Verdict)
			}
		}
	}
}

// TestExpectations runs a file's own tests.
func TestExpectations(t *testing.T) {
	t.Parallel()
	table := compile(t, explainTable+`
tests:
  - {request: GET /api/v1/query/x, as: member, expect: query}
  - {request: GET /api/v1/query/x, as: anonymous, expect: 401}
  - {request: GET /api/v1/query/x, as: newcomer, expect: query}
  - {request: GET /api/v1/users/me, as: newcomer, expect: users}
  - {request: GET /nowhere, as: member, expect: 200}
`, "")
	unmet := Failures(table)
	var got []string
	for _, problem := range unmet {
		got = append(got, problem.String())
	}
	want := []string{
		`routes.yaml:14:5: test "GET /api/v1/query/x" as newcomer: expected query, got 403`,
		`routes.yaml:16:5: test "GET /nowhere" as member: expected 200, got 404`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("unmet (-want +got):\n%s", diff)
	}
	if hint := unmet[0].Hint; !strings.Contains(hint, "gatehouse explain GET '/api/v1/query/x' --as newcomer") {
		t.Errorf("hint %q", hint)
	}
}

// BenchmarkExplain measures the decision about a request and its description.
func BenchmarkExplain(b *testing.B) {
	table := compile(b, explainTable, "")
	r := newRequest(b, "GET", "/api/v1/query/chats?limit=2", nil)
	who, _ := auth.Persona("member")
	b.Run("decide", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if d := table.Decide(r, who); d.Refusal != nil {
				b.Fatal(d.Refusal)
			}
		}
	})
	b.Run("explain", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Request(table, r, who)
		}
	})
}

// TestExplainOddRequests explains requests that the proxy would not send, and a built-in
// handler behind a prefix with escapes.
func TestExplainOddRequests(t *testing.T) {
	t.Parallel()
	table := compile(t, `
routes:
  - {name: users, prefix: /caf%C3%A9/users, handler: users}
  - {name: open, prefix: /open, backend: "http://open", auth: none, upgrade: [websocket]}
`, "")
	tests := []struct {
		target string
		header http.Header
		status int
		route  string
	}{
		{"/caf%C3%A9/users/me", nil, 0, "users"},
		{"http://a:b/caf%C3%A9/users/me", nil, 400, ""},
		{"/open", http.Header{"Connection": {"upgrade"}, "Upgrade": {"websocket/\u00e9"}}, 0, "open"},
		{"/open", http.Header{"Connection": {"upgrade"}, "Upgrade": {"websocket/13, h2c"}}, 0, "open"},
	}
	for _, test := range tests {
		r := newRequest(t, "GET", test.target, test.header)
		e := Request(table, r, persona(t, "newcomer"))
		if e.Verdict.Status != test.status || e.Route != test.route {
			t.Errorf("%s %v: route %q, verdict %+v", test.target, test.header, e.Route, e.Verdict)
		}
		if e.Forwarded != nil && e.Forwarded.Headers.Get("Upgrade") != "" {
			t.Errorf("%s %v: upgrade forwarded", test.target, test.header)
		}
	}
}

package main

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"gatehouse/auth/authtest"
	"gatehouse/internal/testkit"
)

// TestWhoseErrors asks the real binary for each kind of 5xx. Its metrics tell those of
// the gateway, by their reason, from those of a backend.
func TestWhoseErrors(t *testing.T) {
	t.Parallel()
	backend := testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch {
		case strings.HasPrefix(r.URL.Path, "/slow"):
			<-r.Context().Done()
		case strings.HasPrefix(r.URL.Path, "/broken"):
			panic(http.ErrAbortHandler)
		case strings.HasPrefix(r.URL.Path, "/fails"):
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	table := testkit.TempFile(t, "routes.yaml", strings.NewReplacer("ISSUER", otherIssuer, "BACKEND", backend, "REFUSED", testkit.RefusingAddress(t)).Replace(`
users: off
tokens: [{issuer: "ISSUER", keys: "http://REFUSED/keys", algorithms: [RS256], audience: orders}]
limits: {requests_per_client: 100}
routes:
  - {name: well, prefix: /well, backend: "BACKEND", auth: none, max_body: 1KiB}
  - {name: fails, prefix: /fails, backend: "BACKEND", auth: none}
  - {name: connect, prefix: /connect, backend: "http://REFUSED", auth: none}
  - {name: slow, prefix: /slow, backend: "BACKEND", auth: none, timeout: 50ms}
  - {name: broken, prefix: /broken, backend: "BACKEND", auth: none}
  - {name: keys, prefix: /keys, backend: "BACKEND"}
  - {name: fixed, prefix: /fixed, respond: {status: 503, body: closed}, auth: none}
`))
	p := startProcess(t, table, nil)
	token := signedBy(t, authtest.NewRSA(t, 2048), map[string]any{"kid": "a"}, nil)
	for _, c := range []struct {
		method, path, body string
		status             int
		route, reason      string // no reason: not the gateway's
		backend            bool   // a backend has sent a response header
	}{
		{"POST", "/well", "twelve bytes", 200, "well", "", true},
		{"POST", "/well", strings.Repeat("x", 2<<10), 413, "well", "", false},
		{"GET", "/fails", "", 502, "fails", "", true},
		{"GET", "/connect", "", 503, "connect", "connect", false},
		{"GET", "/slow", "", 504, "slow", "timeout", false},
		{"POST", "/broken", "x", 502, "broken", "broken", false},
		{"GET", "/keys", "", 503, "keys", "keys", false},
		{"GET", "/fixed", "", 503, "fixed", "", false},
	} {
		before := p.metrics(t)
		res := do(t, request{method: c.method, url: p.url + c.path, body: c.body, token: token})
		if res.status != c.status {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, res.status, res.body, c.status)
		}
		testkit.Eventually(t, c.path+" is counted", func() bool {
			return p.metrics(t)[fmt.Sprintf(`gatehouse_http_requests_total{code="%d",method=%q,route=%q}`, c.status, c.method, c.route)] > 0
		})
		after := p.metrics(t)
		for name, value := range after {
			if !strings.HasPrefix(name, "gatehouse_gateway_errors_total{") {
				continue
			}
			want := 0.0
			if c.reason != "" && name == fmt.Sprintf(`gatehouse_gateway_errors_total{reason=%q,route=%q}`, c.reason, c.route) {
				want = 1
			}
			if value-before[name] != want {
				t.Errorf("%s %s: %s grew by %v, want %v", c.method, c.path, name, value-before[name], want)
			}
		}
		header := fmt.Sprintf(`gatehouse_backend_response_header_seconds_count{route=%q}`, c.route)
		if got := after[header] - before[header]; (got == 1) != c.backend {
			t.Errorf("%s %s: %s grew by %v", c.method, c.path, header, got)
		}
	}
	after := p.metrics(t)
	for name, want := range map[string]float64{
		`gatehouse_http_request_bytes_total{route="well"}`: 12, `gatehouse_limits_refused_total{limit="max_body"}`: 1,
		`gatehouse_limits_refused_total{limit="requests_per_client"}`: 0,
	} {
		if after[name] != want {
			t.Errorf("%s is %v, want %v", name, after[name], want)
		}
	}
}

// metrics returns the value of each series, by its name and labels.
func (p *process) metrics(t *testing.T) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	for line := range strings.Lines(do(t, request{url: p.operators + "/metrics"}).body) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		if value, err := strconv.ParseFloat(text, 64); err == nil {
			values[name] = value
		}
	}
	return values
}

// TestOpenConnections checks the number of clients' connections of the real binary.
func TestOpenConnections(t *testing.T) {
	t.Parallel()
	p := startProcess(t, openTable(t, "http://127.0.0.1:9"), nil)
	var clients []*testkit.Client
	for want := range 4 {
		testkit.Eventually(t, fmt.Sprintf("%d open connections", want), func() bool { return p.metrics(t)["gatehouse_connections_open"] == float64(want) })
		client := testkit.Dial(t, p.url)
		client.Send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
		client.Receive()
		clients = append(clients, client)
	}
	for _, client := range clients {
		_ = client.Conn.Close()
	}
	testkit.Eventually(t, "no open connection", func() bool { return p.metrics(t)["gatehouse_connections_open"] == 0 })
}

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// TestForwardedFormats has a trusted proxy send what load balancers write, and
// looks at what the log and the backend are told.
func TestForwardedFormats(t *testing.T) {
	t.Parallel()
	text := testkit.ReadFile(t, "../../proxy/clientip/testdata/forwarded.tsv")
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get(r.URL.Query().Get("header")))
	}))
	t.Cleanup(backend.Close)
	table := testkit.TempFile(t, "routes.yaml", "users: off\ntrusted_proxies: [127.0.0.0/8, 10.0.0.0/8]\nroutes:\n  - {name: open, prefix: /open, backend: '"+backend.URL+"', auth: none}\n")
	for _, transport := range []string{"lean", "standard"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			settings := map[string]string{"GATEWAY_TRANSPORT": transport}
			readable := start(t, table, settings)
			for number, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
				if strings.HasPrefix(line, "#") {
					continue
				}
				columns := strings.Split(line, "\t")
				name, value, want := columns[0], columns[1], strings.ReplaceAll(columns[2], "proxy", "127.0.0.1")
				gateway := readable
				if len(columns) > 3 { // the log is told once, so each has a gateway of its own
					gateway = start(t, table, settings)
				}
				for again := range 5 {
					id := fmt.Sprintf("row-%d-%d", number, again)
					if got := seenThrough(t, gateway, id, name, value); got != want {
						t.Errorf("%s: %s: %q, want %q", name, value, got, want)
					}
				}
				unread := `"header":"` + name + `","proxy":"127.0.0.1"`
				if told := strings.Count(gateway.log.String(), unread); told > 1 || (told == 1) != (len(columns) > 3) {
					t.Errorf("%s: %s: told %d times:\n%s", name, value, told, gateway.log)
				}
			}
		})
	}
}

// seenThrough sends a header and returns its effect: for a list of addresses
// the client in the log, otherwise the header that the backend gets.
func seenThrough(t *testing.T, gateway *running, id, name, value string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, gateway.url+"/open?header="+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "gate.example.com"
	r.Header[name] = []string{value}
	r.Header.Set("X-Request-ID", id)
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %d, %v", name, value, res.StatusCode, err)
	}
	if name != "X-Forwarded-For" && name != "Forwarded" {
		return string(body)
	}
	var client string
	testkit.Eventually(t, "the access line of "+id, func() bool {
		_, line, found := strings.Cut(gateway.log.String(), `"request_id":"`+id+`"`)
		_, client, _ = strings.Cut(line, `"client_ip":"`)
		client, _, _ = strings.Cut(client, `"`)
		return found && client != ""
	})
	return client
}

// TestForwardedSchemes uses a trusted proxy with a list of schemes to which
// some proxy has not appended. The first entry counts.
func TestForwardedSchemes(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Forwarded-Proto"))
	}))
	t.Cleanup(backend.Close)
	gateway := start(t, testkit.TempFile(t, "routes.yaml", "users: off\ntrusted_proxies: [127.0.0.0/8, 10.0.0.0/8]\nroutes:\n"+
		"  - {name: open, prefix: /open, backend: '"+backend.URL+"', auth: none}\n"), nil)
	for _, test := range []struct{ addresses, schemes, want string }{
		{"203.0.113.7", "https, http", "https"},
		{"203.0.113.7, 10.0.0.9, 10.0.0.8", "wss, http", "https"},
		{"203.0.113.7, 10.0.0.9", "https", "https"},
		{"6.6.6.6, 203.0.113.7", "https, http", "http"}, // each proxy has appended: the first is the client's word
		{"6.6.6.6, 203.0.113.7, 10.0.0.9", "http, https, http", "https"},
	} {
		got := do(t, request{url: gateway.url + "/open", header: http.Header{
			"X-Forwarded-For": {test.addresses}, "X-Forwarded-Proto": {test.schemes},
		}})
		if got.body != test.want {
			t.Errorf("%s, %s: %s, want %s", test.addresses, test.schemes, got.body, test.want)
		}
	}
}

// TestPreflightsOfAClientAtItsLimit has one client, behind a proxy that writes
// ports, hold all it may. It gets no second request, whatever its port, but
// preflights are answered, with the methods that the route lists.
func TestPreflightsOfAClientAtItsLimit(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}), make(chan struct{})
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			close(arrived)
			<-release
		}
	}))
	t.Cleanup(backend.Close)
	gateway := start(t, testkit.TempFile(t, "routes.yaml", "users: off\ntrusted_proxies: [127.0.0.0/8]\nlimits: {requests_per_client: 1}\n"+
		"cors: {origins: ['https://app.example.com']}\n"+
		"routes:\n  - {name: open, prefix: /open, backend: '"+backend.URL+"', auth: none, methods: [GET, PROPFIND]}\n"), nil)
	ask := func(method, client string) answer {
		return do(t, request{method: method, url: gateway.url + "/open", header: http.Header{
			"X-Forwarded-For": {client}, "Origin": {"https://app.example.com"}, "Access-Control-Request-Method": {"PROPFIND"},
		}})
	}
	held := make(chan answer, 1)
	go func() { held <- ask(http.MethodGet, "203.0.113.7:1") }()
	<-arrived
	for _, client := range []string{"203.0.113.7:2", "203.0.113.7", `"203.0.113.7:3"`, "[::ffff:203.0.113.7]:4,"} {
		if got := ask("PROPFIND", client); got.status != http.StatusTooManyRequests || got.header.Get("Access-Control-Allow-Origin") != "https://app.example.com" {
			t.Errorf("%s: %d %v", client, got.status, got.header)
		}
		if got := ask(http.MethodOptions, client); got.status != http.StatusNoContent || !strings.Contains(got.header.Get("Access-Control-Allow-Methods"), "PROPFIND") {
			t.Errorf("%s, preflight: %d %v", client, got.status, got.header)
		}
	}
	if got := ask("PROPFIND", "203.0.113.8:1"); got.status != http.StatusOK {
		t.Errorf("another client: %d", got.status)
	}
	close(release)
	if got := <-held; got.status != http.StatusOK {
		t.Errorf("held: %d", got.status)
	}
}

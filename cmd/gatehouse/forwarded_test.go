package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// TestForwardedFormats has a trusted proxy send what load balancers write, and
// looks at what the log and the backend are told.
func TestForwardedFormats(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../proxy/testdata/forwarded.tsv")
	if err != nil {
		t.Fatal(err)
	}
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get(r.URL.Query().Get("header")))
	}))
	t.Cleanup(backend.Close)
	table := writeFile(t, "routes.yaml", "users: off\ntrusted_proxies: [127.0.0.0/8, 10.0.0.0/8]\nroutes:\n  - {name: open, prefix: /open, backend: '"+backend.URL+"', auth: none}\n")
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

// seenThrough sends a header, and returns what is made of it: the client in the
// log for a list of addresses, else the header that the backend gets.
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
	eventually(t, "the access line of "+id, func() bool {
		_, line, found := strings.Cut(gateway.log.String(), `"request_id":"`+id+`"`)
		_, client, _ = strings.Cut(line, `"client_ip":"`)
		client, _, _ = strings.Cut(client, `"`)
		return found && client != ""
	})
	return client
}

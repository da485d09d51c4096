//go:build unix

package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/internal/testkit"
)

// Clients that use up the file descriptors leave some to the backends and to the
// operators (issue 10).
func TestDescriptorsAreKept(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "answered")
	}))
	t.Cleanup(backend.Close)
	for _, transport := range []string{"lean", "standard"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			command := exec.Command("/bin/sh", "-c", `ulimit -n 64 && exec "$0" serve -c "$1"`, buildGateway(t), openTable(t, backend.URL))
			gateway := startCommand(t, command, map[string]string{"GATEWAY_TRANSPORT": transport})
			if log := gateway.log.String(); !strings.Contains(log, `"open_files":64`) {
				t.Errorf("the start does not tell of the limit:\n%s", log)
			}

			first := testkit.Dial(t, gateway.url)
			ask := func() {
				t.Helper()
				first.Send("GET /open HTTP/1.1\r\nHost: h\r\n\r\n")
				if got, _ := first.Receive(); got.StatusCode != http.StatusOK {
					t.Errorf("a client that was there first: %d", got.StatusCode)
				}
			}
			ask()
			for range 200 {
				testkit.Dial(t, gateway.url)
			}
			testkit.Eventually(t, "connections are refused, and counted", func() bool {
				a := do(t, request{url: gateway.operators + "/metrics"})
				return a.status == http.StatusOK && strings.Contains(a.body, "\ngatehouse_connections_open ") &&
					!strings.Contains(a.body, `gatehouse_connections_refused_total{reason="descriptors"} 0`)
			})
			ask()
			for _, path := range []string{"/livez", "/readyz"} {
				if a := do(t, request{url: gateway.operators + path}); a.status != http.StatusOK {
					t.Errorf("%s: %d %s", path, a.status, a.body)
				}
			}
			if a := do(t, request{method: http.MethodPost, url: gateway.operators + "/-/reload"}); a.status != http.StatusOK {
				t.Errorf("reload: %d %s", a.status, a.body)
			}
			const line = "clients' connections are refused"
			if n := strings.Count(gateway.log.String(), line); n != 1 {
				t.Errorf("%d lines tell that %s, want 1:\n%s", n, line, gateway.log)
			}
		})
	}
}

// As many clients as the start announces are served at once, each with a new
// connection to a backend, while others are refused (issue 10).
func TestAnnouncedClientsAreServed(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"lean", "standard"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			var came atomic.Int64
			release := make(chan struct{})
			backend := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				came.Add(1)
				<-release
			}))
			t.Cleanup(backend.Close)
			releaseAll := sync.OnceFunc(func() { close(release) })
			t.Cleanup(releaseAll)
			command := exec.Command("/bin/sh", "-c", `ulimit -n 64 && exec "$0" serve -c "$1"`, buildGateway(t), openTable(t, backend.URL))
			gateway := startCommand(t, command, map[string]string{"GATEWAY_TRANSPORT": transport})

			clients := make([]*testkit.Client, announcedClients(t, gateway))
			for i := range clients {
				clients[i] = testkit.Dial(t, gateway.url)
				clients[i].Send("GET /open HTTP/1.1\r\nHost: h\r\n\r\n")
			}
			testkit.Eventually(t, "the requests of all announced clients are at the backend", func() bool { return came.Load() == int64(len(clients)) })
			for range 100 {
				testkit.Dial(t, gateway.url)
			}
			testkit.Eventually(t, "all others are refused", func() bool {
				a := do(t, request{url: gateway.operators + "/metrics"})
				return strings.Contains(a.body, `gatehouse_connections_refused_total{reason="descriptors"} 100`)
			})
			if a := do(t, request{method: http.MethodPost, url: gateway.operators + "/-/reload"}); a.status != http.StatusOK {
				t.Errorf("reload: %d %s", a.status, a.body)
			}
			releaseAll()
			for i, client := range clients {
				answer, err := http.ReadResponse(client.In, nil)
				if err != nil {
					t.Fatalf("client %d: %v", i, err)
				}
				_ = answer.Body.Close()
				if answer.StatusCode != http.StatusOK {
					t.Errorf("client %d: %d, want 200", i, answer.StatusCode)
				}
			}
		})
	}
}

// announcedClients returns how many connections of clients the start says that
// the limit of open files allows.
func announcedClients(t *testing.T, gateway *process) int {
	t.Helper()
	for line := range strings.Lines(gateway.log.String()) {
		var said struct {
			Clients int `json:"client_connections"`
		}
		if json.Unmarshal([]byte(line), &said) == nil && said.Clients > 0 {
			return said.Clients
		}
	}
	t.Fatalf("the start does not tell how many clients may be connected:\n%s", gateway.log)
	return 0
}

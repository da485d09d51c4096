package proxy

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/testkit"
	"gatehouse/internal/timerwheel"
)

// TestClientLeaves checks that a request ends when its client disconnects: without a body,
// with a body that was read, and with a built-in handler.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	const table = `
routes:
  - {name: open, prefix: /open, backend: "${BACKEND}", auth: none}
  - {name: stream, prefix: /stream, backend: "${BACKEND}", auth: none, timeout: 0s, idle_timeout: 1h}
  - {name: built, prefix: /built, handler: users}
`
	for name, request := range map[string]string{
		"without a body":     "GET /open HTTP/1.1\r\nHost: x\r\n\r\n",
		"with a body":        "POST /open HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
		"with chunks":        "POST /open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"after the head":     "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n",
		"to a built-in":      "GET /built HTTP/1.1\r\nHost: x\r\n\r\n",
		"with one, to a b-i": "POST /built HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun, ended := make(chan struct{}), make(chan struct{})
			linger := func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if r.URL.Path == "/stream" {
					flush(w)
				}
				close(begun)
				<-r.Context().Done()
				close(ended)
			}
			k := newKit(t, table, testkit.Serve(t, linger))
			k.parts.Users = builtIn(linger)
			k.gateway.Swap(k.compile(table))
			k.serve()
			client := k.dial()
			client.Send(request)
			testkit.Receive(t, "the request", begun)
			_ = client.Conn.Close()
			testkit.Receive(t, "the end of the request", ended)
		})
	}
}

// TestLoadOfClients runs many clients at once. They send requests slowly and quickly,
// pipelined, and with bodies, and disconnect at any time. Every answer must be that of its
// request.
func TestLoadOfClients(t *testing.T) {
	t.Parallel()
	k := start(t, openTable, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Slow") != "" {
			slow := time.NewTimer(5 * timerwheel.Tick) // more than twice as long as disconnectCheck
			defer slow.Stop()
			select {
			case <-slow.C:
			case <-r.Context().Done():
			}
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s", r.URL.Path, body)
	})
	var clients sync.WaitGroup
	for i := range 24 {
		clients.Go(func() {
			chance := rand.New(rand.NewPCG(uint64(i), 1))
			w := k.dial()
			for j := range 40 {
				var sent strings.Builder
				var want []string
				for range 1 + chance.IntN(3) { // some of them pipelined
					path, body := fmt.Sprintf("/%d/%d/%d", i, j, len(want)), strings.Repeat("b", chance.IntN(3)*700)
					slow := ""
					if chance.IntN(8) == 0 {
						slow = "X-Slow: yes\r\n"
					}
					fmt.Fprintf(&sent, "POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", path, slow, len(body), body)
					want = append(want, path+" "+body)
				}
				w.Send(sent.String())
				if chance.IntN(10) == 0 {
					_ = w.Conn.Close()
					w = k.dial()
					continue
				}
				for _, answer := range want {
					if res := receive(w); res.StatusCode != http.StatusOK || res.body != answer {
						t.Errorf("client %d: %d %q, want %q", i, res.StatusCode, res.body, answer)
						return
					}
				}
			}
		})
	}
	clients.Wait()
}

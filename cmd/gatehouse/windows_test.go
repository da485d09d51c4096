package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// TestStalledClientsOfAnHTTP2Backend uses clients that do not read long
// answers. The gateway must keep little for each of them, and the shared
// connection to the backend must still serve others (issue 10).
func TestStalledClientsOfAnHTTP2Backend(t *testing.T) {
	t.Parallel()
	const clients, bound = 60, 160 << 20 // with windows of 4 MiB it was 268 MiB
	var begun, written atomic.Int64
	backend := testkit.ServeH2C(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/open/small" {
			_, _ = io.WriteString(w, "small")
			return
		}
		begun.Add(1)
		piece := make([]byte, 16<<10)
		for range 64 << 20 / len(piece) {
			n, err := w.Write(piece)
			if written.Add(int64(n)); err != nil {
				return
			}
		}
	})
	p := startProcess(t, testkit.TempFile(t, "routes.yaml", `
users: off
routes:
  - {name: open, prefix: /open, backend: '`+backend+`', auth: none, protocol: h2c}
`), nil)
	for range clients {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_, _ = io.WriteString(conn, "GET /open/large HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	// They stop when the backend can write no more.
	last, since := int64(0), time.Now()
	testkit.Eventually(t, "the answers stand still", func() bool {
		if now := written.Load(); now != last || begun.Load() < clients {
			last, since = now, time.Now()
		}
		return time.Since(since) > 2*time.Second
	})
	if a := do(t, request{url: p.url + "/open/small"}); a.status != http.StatusOK || a.body != "small" {
		t.Errorf("another client: %d %q", a.status, a.body)
	}
	peak := residentPeak(t, p.cmd.Process.Pid)
	t.Logf("%d stalled clients: %d MiB resident, %d MiB written by the backend", clients, peak>>20, last>>20)
	if peak > bound {
		t.Errorf("resident set reached %d MiB, want less than %d MiB", peak>>20, bound>>20)
	}
}

// TestStalledUploadsStopNoOther uses a client whose uploads to one route are
// not read, and that still uses the same HTTP/2 connection (issue 10).
func TestStalledUploadsStopNoOther(t *testing.T) {
	t.Parallel()
	const stalled = 4
	release, begun := make(chan struct{}), make(chan struct{}, stalled)
	stuck := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		begun <- struct{}{}
		<-release
	}))
	t.Cleanup(stuck.Close)
	fine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, n)
	}))
	t.Cleanup(fine.Close)
	t.Cleanup(func() { close(release) })
	certificate, key, roots := selfSigned(t)
	gateway := start(t, testkit.TempFile(t, "routes.yaml", `
users: off
defaults: {auth: none, timeout: 2m}
routes:
  - {name: stuck, prefix: /stuck, backend: '`+stuck.URL+`'}
  - {name: fine, prefix: /fine, backend: '`+fine.URL+`'}
`), map[string]string{"GATEWAY_TLS_CERT_FILE": certificate, "GATEWAY_TLS_KEY_FILE": key})

	var dialled atomic.Int64
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			dialled.Add(1)
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	upload := func(path string, size int64, sent *atomic.Int64) (string, error) {
		body := &countedReader{r: io.LimitReader(zeros{}, size), n: sent}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, gateway.url+path, body)
		if err != nil {
			return "", err
		}
		req.ContentLength = size
		res, err := transport.RoundTrip(req)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		got, err := io.ReadAll(res.Body)
		return fmt.Sprint(res.Proto, " ", res.StatusCode, " ", string(got)), err
	}
	if got, err := upload("/fine", 1, new(atomic.Int64)); err != nil || got != "HTTP/2.0 200 1" {
		t.Fatalf("%s, %v", got, err)
	}
	var sent atomic.Int64
	for range stalled {
		go func() { _, _ = upload("/stuck", 64<<20, &sent) }()
	}
	for range stalled {
		<-begun
	}
	last, since := int64(0), time.Now()
	testkit.Eventually(t, "the uploads stand still", func() bool {
		if now := sent.Load(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > 2*time.Second
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		if got, err := upload("/fine", 8<<20, new(atomic.Int64)); err != nil || got != "HTTP/2.0 200 8388608" {
			t.Errorf("an upload to another route: %s, %v", got, err)
		}
	}()
	testkit.Receive(t, "an upload to another route, which may not wait for the stalled ones", done)
	if n := dialled.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// countedReader counts what is read.
type countedReader struct {
	r io.Reader
	n *atomic.Int64
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

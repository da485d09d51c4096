package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"gatehouse/auth"
	"gatehouse/config"
	"gatehouse/internal/testkit"
	"gatehouse/proxy/upstream"
)

// TestSwapLosesNothing swaps tables while requests and a stream are running.
func TestSwapLosesNothing(t *testing.T) {
	t.Parallel()
	k := start(t, openTable, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			echo(w, r)
			return
		}
		_, _ = io.Copy(w, r.Body)
	})
	source, sink := io.Pipe()
	stream := k.open("POST", "/stream", source)

	tables := []string{
		openTable,
		strings.Replace(openTable, "auth: none", "auth: none, connect_timeout: 9s, timeout: 30s", 1),
		strings.Replace(openTable, "auth: none", "auth: none, protocol: http1", 1),
	}
	var served atomic.Int64
	var clients sync.WaitGroup
	done := make(chan struct{})
	for i := range 4 {
		clients.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				body := fmt.Sprint(i, " ", n)
				res, err := k.client().Do(k.request("POST", "/", strings.NewReader(body)))
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || res.StatusCode != 200 || string(got) != body {
					t.Errorf("%d %q, %v", res.StatusCode, got, err)
				}
				served.Add(1)
			}
		})
	}
	for i := range 60 {
		before := served.Load()
		next := k.compile(tables[i%len(tables)])
		if old := k.gateway.Swap(next); old == next || k.gateway.Table() != next {
			t.Error("the table was not swapped")
		}
		for served.Load() < before+4 && !t.Failed() {
			k.get("/")
		}
	}
	close(done)
	clients.Wait()

	if _, err := io.WriteString(sink, "still here"); err != nil {
		t.Fatal(err)
	}
	sink.Close()
	if got, err := io.ReadAll(stream.Body); err != nil || string(got) != "still here" {
		t.Errorf("the stream read %q, %v", got, err)
	}
}

func TestTransportsAreShared(t *testing.T) {
	t.Parallel()
	k := newKit(t, `
users: off
routes:
  - {name: a, prefix: /a, backend: "http://a"}
  - {name: b, prefix: /b, backend: "http://b"}
  - {name: c, prefix: /c, backend: "http://a", protocol: h2c}
  - {name: d, prefix: /d, backend: "http://a", connect_timeout: 1s}
`, "")
	first := k.gateway.Table()
	made := map[http.RoundTripper]bool{}
	for i := range first.routes {
		made[k.transportOf(first, i)] = true
	}
	if len(made) != 3 || k.transportOf(first, 0) != k.transportOf(first, 1) {
		t.Errorf("%d transports", len(made))
	}
	second := k.compile("users: off\nroutes:\n  - {name: z, prefix: /z, backend: 'http://z'}\n")
	if k.transportOf(second, 0) != k.transportOf(first, 0) {
		t.Error("a reload made a transport anew")
	}
	k.gateway.Swap(second)
	if third := k.compile("users: off\nroutes:\n  - {name: c, prefix: /c, backend: 'http://c', protocol: h2c}\n"); k.transportOf(third, 0) == k.transportOf(first, 2) {
		t.Error("a transport outlived its last table")
	}
}

// A replaced table clears its cache of verified tokens, because a stream may keep the table
// in memory for a long time.
func TestSwapForgetsTokens(t *testing.T) {
	t.Parallel()
	k := newKit(t, identityTable, "http://127.0.0.1:9")
	old := k.gateway.Table()
	header := http.Header{"Authorization": {k.member()}}
	decide := func() weak.Pointer[auth.Identity] {
		who, refusal := old.gate.Decide(t.Context(), header, auth.Rule{Policy: config.PolicyStrict})
		if refusal != nil {
			t.Fatal(refusal)
		}
		return weak.Make(who)
	}
	remembered := decide()
	runtime.GC()
	if remembered.Value() == nil || remembered != decide() {
		t.Error("the token is not remembered")
	}
	k.gateway.Swap(k.compile(identityTable)) // the same gate
	runtime.GC()
	if remembered.Value() == nil {
		t.Error("a table with the same gate forgot the token")
	}
	k.parts.Gate = auth.NewGate(k.verifier, nil)
	k.gateway.Swap(k.compile(identityTable))
	runtime.GC()
	if remembered.Value() != nil {
		t.Error("a table that was replaced remembers the token")
	}
	runtime.KeepAlive(old)
}

// A reload uses a certificate that was renewed under the same file name.
func TestRenewedCertificateIsTakenUp(t *testing.T) {
	t.Parallel()
	backend := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	backend.Config.ErrorLog = testkit.DiscardLog()
	backend.StartTLS()
	t.Cleanup(backend.Close)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	stranger, _ := testkit.SelfSigned(t, time.Now().Add(time.Hour))
	testkit.WriteFile(t, authority, stranger)
	table := "users: off\nroutes:\n  - {name: open, prefix: /, backend: \"${BACKEND}\", auth: none, tls: {ca: " + authority + "}}\n"
	k := startBefore(t, table, backend.URL)
	k.get("/").wantDetail(t, 502, sentenceUpstream)
	before := k.transportOf(k.gateway.Table(), 0)
	testkit.WriteFile(t, authority, testkit.CertificatePEM(backend.Certificate()))
	k.gateway.Swap(k.compile(table))
	if res := k.get("/"); res.body != "hello" || k.transportOf(k.gateway.Table(), 0) == before {
		t.Errorf("%d %q", res.StatusCode, res.body)
	}
	for _, broken := range []string{"", "no PEM"} {
		testkit.WriteFile(t, authority, broken)
		if _, err := Compile(parse(t, table, backend.URL), k.parts); err == nil || !strings.Contains(err.Error(), "tls.ca") {
			t.Errorf("compiled with %q: %v", broken, err)
		}
	}
}

// TestConnectionsAreBounded checks MaxConns: no more connections are opened, and requests
// that wait for a connection are answered too.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int32
	backend := testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		mirror(w, r)
	})
	k := startBefore(t, openTable, backend)
	k.parts.Transports = upstream.NewPool(upstream.PoolOptions{MaxConns: 2, MaxIdle: 2})
	k.gateway.Swap(k.compile(openTable))
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range 5 {
				if res := k.get("/"); res.StatusCode != 200 {
					t.Errorf("status %d", res.StatusCode)
				}
			}
		})
	}
	clients.Wait()
	if most.Load() > 2 {
		t.Errorf("%d requests at once", most.Load())
	}
}

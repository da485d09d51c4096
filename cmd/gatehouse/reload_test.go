package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"gatehouse/internal/testkit"

	"github.com/coder/websocket"
)

// table is a route table with one open route to a backend, and whatever else.
func table(backend string, more ...string) string {
	return "users: off\nroutes:\n  - {name: open, prefix: /open, backend: '" + backend + "', auth: none}\n" + strings.Join(more, "\n")
}

// metric returns a sample's value as /metrics writes it, "" when it is not there.
func metric(t *testing.T, operators, name string) string {
	t.Helper()
	for line := range strings.Lines(do(t, request{url: operators + "/metrics"}).body) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// TestReloadsEdits makes a good edit, a bad one and a good one again, without a
// restart.
func TestReloadsEdits(t *testing.T) {
	t.Parallel()
	first, second := reportingBackend(t, "first"), reportingBackend(t, "second")
	file := testkit.TempFile(t, "routes.yaml", table(first))
	gateway := start(t, file, nil)
	answers := func(name string) func() bool {
		return func() bool { return strings.HasPrefix(do(t, request{url: gateway.url + "/open"}).body, name+" ") }
	}
	if !answers("first")() {
		t.Fatal("the first table is not served")
	}

	testkit.WriteFile(t, file, table(second))
	testkit.Eventually(t, "the edit is served", answers("second"))
	testkit.Eventually(t, "the log tells what changed", func() bool {
		return strings.Contains(gateway.log.String(), "route open: backend "+first+" → "+second)
	})

	for name, bad := range map[string]string{
		"half a file":   table(first)[:40],
		"a typo":        strings.Replace(table(first), "prefix", "prefxi", 1),
		"a failed test": table(first, "tests:", "  - {request: GET /open, as: anonymous, expect: 401}"),
		"users now":     strings.Replace(table(first), "users: off", "", 1),
	} {
		before := metric(t, gateway.operators, `gatehouse_config_reloads_total{result="failure"}`)
		testkit.WriteFile(t, file, bad)
		testkit.Eventually(t, name+" is counted", func() bool {
			return metric(t, gateway.operators, `gatehouse_config_reloads_total{result="failure"}`) != before
		})
		if got := metric(t, gateway.operators, "gatehouse_config_last_reload_successful"); got != "0" {
			t.Errorf("%s: gatehouse_config_last_reload_successful %s", name, got)
		}
		if !answers("second")() {
			t.Errorf("%s: the last good table is not served any more", name)
		}
	}
	testkit.Eventually(t, "the log tells the problems", func() bool {
		log := gateway.log.String()
		return strings.Contains(log, `did you mean \"prefix\"?`) && strings.Contains(log, "expected 401, got open")
	})

	testkit.WriteFile(t, file, table(first))
	testkit.Eventually(t, "the next good table is served", answers("first"))
	if got := metric(t, gateway.operators, "gatehouse_config_last_reload_successful"); got != "1" {
		t.Errorf("gatehouse_config_last_reload_successful %s", got)
	}

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the missing file is told", func() bool {
		return metric(t, gateway.operators, "gatehouse_config_last_reload_successful") == "0"
	})
	testkit.WriteFile(t, file, table(second))
	testkit.Eventually(t, "the returned file is served", answers("second"))
}

// TestReloadsConfigMap replaces a folder of the running gateway as the kubelet
// does.
func TestReloadsConfigMap(t *testing.T) {
	t.Parallel()
	first, second := reportingBackend(t, "first"), reportingBackend(t, "second")
	mount := t.TempDir()
	swap := func(dated, content string) {
		if err := os.Mkdir(filepath.Join(mount, dated), 0o700); err != nil {
			t.Fatal(err)
		}
		testkit.WriteFile(t, filepath.Join(mount, dated, "routes.yaml"), content)
		if err := os.Symlink(dated, filepath.Join(mount, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(mount, "..data_tmp"), filepath.Join(mount, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	swap("..1", table(first))
	file := filepath.Join(mount, "routes.yaml")
	if err := os.Symlink(filepath.Join("..data", "routes.yaml"), file); err != nil {
		t.Fatal(err)
	}
	gateway := start(t, file, nil)
	swap("..2", table(second))
	testkit.Eventually(t, "the swapped table is served", func() bool {
		return strings.HasPrefix(do(t, request{url: gateway.url + "/open"}).body, "second ")
	})
}

// TestReloadByRequest asks the operators' listener.
func TestReloadByRequest(t *testing.T) {
	t.Parallel()
	backend := reportingBackend(t, "backend")
	file := testkit.TempFile(t, "routes.yaml", table(backend))
	gateway := start(t, file, nil)
	reload := request{method: http.MethodPost, url: gateway.operators + "/-/reload", body: strings.Repeat("ignored ", 1000)}

	testkit.WriteFile(t, file, table(backend, "  - {name: more, prefix: /more, backend: '"+backend+"', auth: none}"))
	a := do(t, reload)
	var good struct {
		Reloaded bool
		Changes  struct{ Weaker, Added, Removed, Changed []string }
	}
	if err := json.Unmarshal([]byte(a.body), &good); err != nil || a.status != http.StatusOK || !good.Reloaded {
		t.Fatalf("reload: %d %s", a.status, a.body)
	}
	// The file's watch may have been first: then nothing has changed since.
	if want := "route more: /more → " + backend + " (none)"; len(good.Changes.Added) > 0 && good.Changes.Added[0] != want {
		t.Errorf("added %q, want %q", good.Changes.Added, want)
	}
	if a := do(t, request{url: gateway.url + "/more"}); a.status != http.StatusOK {
		t.Errorf("the new route: %d", a.status)
	}

	testkit.WriteFile(t, file, "routes: 7\n")
	a = do(t, reload)
	if a.status != http.StatusBadRequest || !strings.Contains(a.body, `"line":1,"column":9`) {
		t.Errorf("a bad table: %d %s", a.status, a.body)
	}
	if a := do(t, request{url: gateway.operators + "/-/reload"}); a.status != http.StatusMethodNotAllowed {
		t.Errorf("GET /-/reload: %d", a.status)
	}

	// Many at once, while the file is edited: each is answered, none is torn.
	testkit.WriteFile(t, file, table(backend))
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			if a := do(t, reload); a.status != http.StatusOK {
				t.Errorf("one of many: %d %s", a.status, a.body)
			}
		})
	}
	callers.Wait()
}

// TestReloadBySignal sends the real binary SIGHUP, also while it reloads.
func TestReloadBySignal(t *testing.T) {
	t.Parallel()
	backend := reportingBackend(t, "backend")
	file := testkit.TempFile(t, "routes.yaml", table(backend))
	process := startProcess(t, file, nil)
	for range 20 {
		if err := process.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, "the signal is in the log", func() bool { return strings.Contains(process.log.String(), `"trigger":"SIGHUP"`) })
	if a := do(t, request{url: process.url + "/open"}); a.status != http.StatusOK {
		t.Errorf("after the signals: %d", a.status)
	}
}

// TestReloadLosesNothing edits the table 100 times under constant load. Each
// answer must come from one table alone: the backend says which of the two it
// belongs to, and the header that only this table injects must agree.
func TestReloadLosesNothing(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL.Path[:2], " ", r.Header.Get("X-Table"))
	}))
	defer backend.Close()
	tables := [2]string{}
	for i, name := range []string{"a", "b"} {
		tables[i] = "users: off\nroutes:\n  - {name: " + name + ", prefix: /open, backend: '" + backend.URL + "/" + name + "', auth: none}\n"
	}
	file := testkit.TempFile(t, "routes.yaml", tables[0])
	gateway := start(t, file, nil)

	var answered, wrong atomic.Int64
	stop := make(chan struct{})
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				a := do(t, request{url: gateway.url + "/open"})
				if answered.Add(1); a.status != http.StatusOK || a.body != "/a " && a.body != "/b " {
					wrong.Add(1)
				}
			}
		})
	}
	for i := range 100 {
		testkit.WriteFile(t, file, tables[(i+1)%2])
		if a := do(t, request{method: http.MethodPost, url: gateway.operators + "/-/reload"}); a.status != http.StatusOK {
			t.Fatalf("reload %d: %s", i, a.body)
		}
	}
	close(stop)
	load.Wait()
	if wrong.Load() > 0 || answered.Load() == 0 {
		t.Errorf("%d of %d requests went wrong", wrong.Load(), answered.Load())
	}
}

// TestReloadKeepsStreams opens a WebSocket and an event stream, removes their
// routes by a reload, and requires that both continue.
func TestReloadKeepsStreams(t *testing.T) {
	t.Parallel()
	events := make(chan string)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/open/socket" {
			echoSocket(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		for event := range events {
			fmt.Fprintf(w, "data: %s\n", event)
			_ = http.NewResponseController(w).Flush()
		}
	}))
	defer backend.Close()
	defer close(events)
	file := testkit.TempFile(t, "routes.yaml", table(backend.URL))
	gateway := start(t, file, nil)

	socket, response, err := websocket.Dial(t.Context(), gateway.url+"/open/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.CloseNow() }()
	_ = response
	stream, err := http.Get(gateway.url + "/open/events")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	lines := bufio.NewReader(stream.Body)

	testkit.WriteFile(t, file, strings.Replace(table(backend.URL), "/open", "/elsewhere", 1))
	if a := do(t, request{method: http.MethodPost, url: gateway.operators + "/-/reload"}); a.status != http.StatusOK {
		t.Fatalf("reload: %s", a.body)
	}
	if a := do(t, request{url: gateway.url + "/open/events"}); a.status != http.StatusNotFound {
		t.Errorf("the route that is gone: %d", a.status)
	}
	events <- "after"
	if line, err := lines.ReadString('\n'); err != nil || line != "data: after\n" {
		t.Errorf("event stream: %q, %v", line, err)
	}
	if err := socket.Write(t.Context(), websocket.MessageText, []byte("after")); err != nil {
		t.Fatal(err)
	}
	if _, message, err := socket.Read(t.Context()); err != nil || string(message) != "after" {
		t.Errorf("WebSocket: %q, %v", message, err)
	}
}

// TestReloadIsFlat reloads 1,000 times and wants no goroutine and hardly a
// byte more than after the first hundred. It runs alone: it counts.
func TestReloadIsFlat(t *testing.T) {
	backend := reportingBackend(t, "backend")
	file := testkit.TempFile(t, "routes.yaml", table(backend))
	gateway := start(t, file, nil)
	reload := func(times int) {
		for range times {
			if a := do(t, request{method: http.MethodPost, url: gateway.operators + "/-/reload"}); a.status != http.StatusOK {
				t.Fatalf("reload: %s", a.body)
			}
			do(t, request{url: gateway.url + "/open"})
		}
	}
	measure := func() (goroutines int, heap uint64) {
		var stats runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return runtime.NumGoroutine(), stats.HeapAlloc
	}
	reload(100)
	gateway.log.Reset()
	goroutines, heap := measure()
	reload(1000)
	gateway.log.Reset()
	after, heapAfter := measure()
	if after > goroutines+10 {
		t.Errorf("goroutines: %d, then %d", goroutines, after)
	}
	if heapAfter > heap+2<<20 {
		t.Errorf("heap: %d KiB, then %d KiB", heap>>10, heapAfter>>10)
	}
}

// TestReloadWithToken reloads a gateway that asks for GATEWAY_OPS_TOKEN, with the command
// and with a request.
func TestReloadWithToken(t *testing.T) {
	t.Parallel()
	backend, token := reportingBackend(t, "backend"), "a-token-of-operators=="
	file := testkit.TempFile(t, "routes.yaml", table(backend))
	gateway := start(t, file, map[string]string{"GATEWAY_OPS_TOKEN": token})
	reload := func(token string) (status int, said string) {
		output := new(bytes.Buffer)
		status = run(t.Context(), []string{"reload"}, terminal{in: http.NoBody, out: output, err: output, lookup: testkit.Lookup(map[string]string{
			"GATEWAY_JWT_SECRET": testSecret, "GATEWAY_OPS_LISTEN": strings.TrimPrefix(gateway.operators, "http://"), "GATEWAY_OPS_TOKEN": token,
		})})
		return status, output.String()
	}
	if status, said := reload(token); status != exitOK || !strings.HasPrefix(said, "reloaded\n") {
		t.Errorf("with the token: status %d\n%s", status, said)
	}
	for _, other := range []string{"", "another-token-of-operators"} {
		status, said := reload(other)
		if status != exitFailure || !strings.Contains(said, "set GATEWAY_OPS_TOKEN to that of the gateway") || strings.Contains(said, "reloaded") {
			t.Errorf("with the token %q: status %d\n%s", other, status, said)
		}
		if other != "" && strings.Contains(said, other) {
			t.Errorf("the message has the token: %s", said)
		}
	}
	if gateway.log.Contains(token) {
		t.Error("the log has the token")
	}
}

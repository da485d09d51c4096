package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// TestDownloadIsStreamed lets the client see the first piece before the
// backend sends the second.
func TestDownloadIsStreamed(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]http.Header{
		"chunked":    {},
		"length":     {"Content-Length": {"11"}},
		"sse":        {"Content-Type": {"text/event-stream"}},
		"sse length": {"Content-Type": {"text/event-stream; charset=utf-8"}, "Content-Length": {"11"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proceed := make(chan struct{})
			k := start(t, openTable, func(w http.ResponseWriter, _ *http.Request) {
				maps.Copy(w.Header(), header)
				_, _ = io.WriteString(w, "first")
				flush(w)
				<-proceed
				_, _ = io.WriteString(w, "second")
			})
			t.Cleanup(func() { // a missing answer must not block the test
				select {
				case <-proceed:
				default:
					close(proceed)
				}
			})
			res := k.open("GET", "/", nil)
			piece := make([]byte, 5)
			if _, err := io.ReadFull(res.Body, piece); err != nil || string(piece) != "first" {
				t.Fatalf("read %q, %v", piece, err)
			}
			close(proceed)
			if rest, err := io.ReadAll(res.Body); err != nil || string(rest) != "second" {
				t.Errorf("read %q, %v", rest, err)
			}
			res.Body.Close()
			if got := k.line()["bytes"]; got != 11.0 {
				t.Errorf("bytes = %v", got)
			}
		})
	}
}

// TestHeadersAreSentBeforeTheBody checks an event stream without a first event.
func TestHeadersAreSentBeforeTheBody(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"text/event-stream", "application/octet-stream"} {
		proceed := make(chan struct{})
		k := start(t, openTable, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			flush(w)
			<-proceed
		})
		k.open("GET", "/", nil)
		close(proceed)
	}
}

func TestUploadIsStreamed(t *testing.T) {
	t.Parallel()
	for name, framing := range map[string]string{
		"chunked": "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
		"length":  "Content-Length: 11\r\n\r\nfirst",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrived := make(chan string, 1)
			k := start(t, openTable, func(w http.ResponseWriter, r *http.Request) {
				piece := make([]byte, 5)
				_, _ = io.ReadFull(r.Body, piece)
				arrived <- string(piece)
				_, _ = io.Copy(w, r.Body)
			})
			w := k.dial()
			w.Send("POST / HTTP/1.1\r\nHost: x\r\n" + framing)
			if got := testkit.Receive(t, "the first piece", arrived); got != "first" {
				t.Errorf("the backend read %q", got)
			}
			if name == "chunked" {
				w.Send("6\r\nsecond\r\n0\r\n\r\n")
			} else {
				w.Send("second")
			}
			if res := receive(w); res.body != "second" {
				t.Errorf("body %q", res.body)
			}
		})
	}
}

// TestBothDirectionsAtOnce echoes pieces over HTTP/1.1 while both bodies are open.
func TestBothDirectionsAtOnce(t *testing.T) {
	t.Parallel()
	k := start(t, openTable, echo)
	source, sink := io.Pipe()
	res := k.open("POST", "/", source)
	in := bufio.NewReader(res.Body)
	for i := range 5 {
		line := fmt.Sprintf("piece %d\n", i)
		if _, err := io.WriteString(sink, line); err != nil {
			t.Fatal(err)
		}
		if got, err := in.ReadString('\n'); err != nil || got != line {
			t.Fatalf("echo %q, %v, want %q", got, err, line)
		}
	}
	sink.Close()
	if rest, err := io.ReadAll(in); err != nil || len(rest) != 0 {
		t.Errorf("rest %q, %v", rest, err)
	}
}

// echo sends back each piece of the body when it arrives.
func echo(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	_ = control.EnableFullDuplex()
	flush(w)
	piece := make([]byte, 1024)
	for {
		n, err := r.Body.Read(piece)
		_, _ = w.Write(piece[:n])
		flush(w)
		if err != nil {
			return
		}
	}
}

// zeros is a body with this number of bytes.
func zeros(size int64) io.Reader { return io.LimitReader(zero{}, size) }

type zero struct{}

func (zero) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestLargeBodiesCostNoMemory is not parallel, because it measures the heap of the process.
func TestLargeBodiesCostNoMemory(t *testing.T) {
	const size, bound = 64 << 20, 8 << 20
	var peak uint64
	heap := func() uint64 {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	k := start(t, openTable, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		peak = max(peak, heap())
		w.Header().Set("X-Read", strconv.FormatInt(n, 10))
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", strconv.Itoa(size))
		}
		_, _ = io.Copy(w, zeros(size))
	})
	for _, path := range []string{"/length", "/chunked"} {
		runtime.GC()
		before := heap()
		peak = before
		req := k.request("POST", path, zeros(size))
		if path == "/length" {
			req.ContentLength = size
		}
		res, err := k.client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, res.Body)
		peak = max(peak, heap())
		res.Body.Close()
		if err != nil || n != size || res.Header.Get("X-Read") != strconv.Itoa(size) {
			t.Errorf("%s: %d bytes down, %s up, %v", path, n, res.Header.Get("X-Read"), err)
		}
		if peak-before > bound {
			t.Errorf("%s: the heap grew by %d KiB", path, (peak-before)>>10)
		}
	}
}

func TestTrailers(t *testing.T) {
	t.Parallel()
	k := start(t, openTable, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Announced, X-Request-ID")
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Sum-Seen", r.Trailer.Get("X-Sum"))
		_, _ = w.Write(body)
		w.Header().Set("X-Announced", "one")
		w.Header().Set("X-Request-ID", "evil")
		w.Header().Set(http.TrailerPrefix+"X-Unannounced", "two")
		w.Header().Set(http.TrailerPrefix+"X-Process-Time", "evil")
	})
	w := k.dial()
	w.Send("POST / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n")
	res := receive(w)
	if res.body != "hello" || res.Header.Get("X-Sum-Seen") != "42" {
		t.Errorf("body %q, the backend saw X-Sum %q", res.body, res.Header.Get("X-Sum-Seen"))
	}
	if res.Trailer.Get("X-Announced") != "one" || res.Trailer.Get("X-Unannounced") != "two" || len(res.Trailer) != 2 {
		t.Errorf("trailers %v", res.Trailer)
	}
	res.wantSealed(t, "trailers")
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	k := start(t, `
users: off
routes:
  - {name: open, prefix: /open, backend: "${BACKEND}", auth: none, max_body: 10}
  - {name: strict, prefix: /strict, backend: "${BACKEND}"}
`, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/open/no" {
			w.WriteHeader(http.StatusExpectationFailed)
			return
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "read %s", body)
	})
	head := " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: "
	w := k.dial()
	w.Send("POST /open" + head + "5\r\n\r\n")
	if res := receive(w); res.StatusCode != http.StatusContinue {
		t.Fatalf("status %d, want 100", res.StatusCode)
	}
	w.Send("hello")
	if res := receive(w); res.body != "read hello" {
		t.Errorf("%d %q", res.StatusCode, res.body)
	}
	for target, status := range map[string]int{"/open/no" + head + "5": 417, "/strict" + head + "5": 401, "/open" + head + "11": 413} {
		w := k.dial()
		w.Send("POST " + target + "\r\n\r\n")
		if res := receive(w); res.StatusCode != status {
			t.Errorf("%.12s: status %d, want %d and no 100 before", target, res.StatusCode, status)
		}
		if _, err := w.In.ReadByte(); err != io.EOF {
			t.Errorf("%.12s: the connection is not closed: %v", target, err)
		}
	}
}

// TestEarlyAnswerToABigUpload uses a backend that answers without reading.
func TestEarlyAnswerToABigUpload(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	k := startBefore(t, openTable, testkit.ServeRequest(t, func(conn *testkit.ServerConn, _ *http.Request) {
		_, _ = io.WriteString(conn, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\n\r\ntoo big")
		<-done
	}))
	defer close(done)
	for _, length := range []string{"Content-Length: 1073741824", "Transfer-Encoding: chunked"} {
		w := k.dial()
		w.Send("POST / HTTP/1.1\r\nHost: x\r\n" + length + "\r\n\r\n" + "8\r\n--------\r\n")
		if res := receive(w); res.StatusCode != 413 || res.body != "too big" {
			t.Errorf("%s: %d %q", length, res.StatusCode, res.body)
		}
	}
	// A client that continues to send gets the answer too.
	res, err := k.client().Do(k.request("POST", "/", zeros(64<<20)))
	if err == nil {
		defer res.Body.Close()
	}
	if err == nil && res.StatusCode != 413 {
		t.Errorf("status %d", res.StatusCode)
	}
}

// The rest of an unread body must never be read as a request (RFC 9112 section 9.3).
func TestLeftoverBodyIsNoRequest(t *testing.T) {
	t.Parallel()
	smuggled := "GET /smuggled HTTP/1.1\r\nHost: x\r\nX-Pad: y\r\n\r\n"
	for name, tt := range map[string]struct {
		head, tail string
		status     int
	}{
		"early answer":   {"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: " + strconv.Itoa(len(smuggled)) + "\r\n\r\n", smuggled, 200},
		"broken chunk":   {"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcXY", smuggled, 400},
		"chunk size":     {"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", smuggled, 400},
		"refused":        {"POST /strict HTTP/1.1\r\nHost: x\r\nContent-Length: " + strconv.Itoa(len(smuggled)) + "\r\n\r\n", smuggled, 401},
		"too large":      {"POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: " + strconv.Itoa(len(smuggled)) + "\r\n\r\n", smuggled, 413},
		"too large late": {"POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n", smuggled, 413},
		"handler":        {"POST /users HTTP/1.1\r\nHost: x\r\nContent-Length: " + strconv.Itoa(len(smuggled)) + "\r\n\r\n", smuggled, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := start(t, `
routes:
  - {name: users, prefix: /users, handler: users}
  - {name: strict, prefix: /strict, backend: "${BACKEND}"}
  - {name: small, prefix: /small, backend: "${BACKEND}", auth: none, max_body: 4}
  - {name: open, prefix: /, backend: "${BACKEND}", auth: none}
`, func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/smuggled":
					t.Error("the backend was asked for /smuggled")
				case "/early":
					_ = http.NewResponseController(w).EnableFullDuplex()
				default:
					_, _ = io.Copy(io.Discard, r.Body)
				}
			})
			w := k.dial()
			w.Send(tt.head)
			if res := receive(w); res.StatusCode != tt.status {
				t.Errorf("status %d, want %d", res.StatusCode, tt.status)
			}
			// The connection ends within the grace, whether or not the client sends more.
			if left, err := io.ReadAll(w.In); err != nil || len(left) != 0 {
				t.Errorf("read %q, %v", left, err)
			}
			_, _ = io.WriteString(w.Conn, tt.tail)
		})
	}
}

// TestPipelinedRequestsAreAnsweredInTurn sends a request right after the body of another.
func TestPipelinedRequestsAreAnsweredInTurn(t *testing.T) {
	t.Parallel()
	k := start(t, openTable, mirror)
	w := k.dial()
	w.Send("POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" +
		"GET /2 HTTP/1.1\r\nHost: x\r\n\r\nPOST /3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
	for _, want := range []string{"/1", "/2", "/3"} {
		if got := receive(w).seen(t); got.URI != want {
			t.Errorf("answer to %s, want %s", got.URI, want)
		}
	}
}

func TestClientGoneCancelsTheBackend(t *testing.T) {
	t.Parallel()
	began, cancelled := make(chan struct{}, 2), make(chan struct{}, 2)
	k := start(t, openTable, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/begun" {
			_, _ = io.WriteString(w, "first")
			flush(w)
		}
		began <- struct{}{}
		<-r.Context().Done()
		cancelled <- struct{}{}
	})
	for path, status := range map[string]float64{"/waiting": 499, "/begun": 200} {
		ctx, leave := context.WithCancel(context.Background())
		req := k.request("GET", path, nil).WithContext(ctx)
		done, begun := make(chan struct{}), make(chan struct{}, 1)
		go func() {
			defer close(done)
			if res, err := k.client().Do(req); err == nil {
				begun <- struct{}{}
				_, _ = io.ReadAll(res.Body)
				res.Body.Close()
			}
		}()
		testkit.Receive(t, "the request", began)
		if path == "/begun" {
			testkit.Receive(t, "the answer", begun)
		}
		leave()
		testkit.Receive(t, "the client", done)
		testkit.Receive(t, "the cancellation", cancelled)
		line := k.line()
		if line["status"] != status || line["error"] == nil {
			t.Errorf("%s: logged %v", path, line)
		}
	}
	if got := k.metrics.of("open"); len(got.finished) != 2 || got.started != 2 {
		t.Errorf("metrics %+v", got)
	}
	if got := k.metrics.of("open").backend; len(got) != 1 || !got[0] {
		t.Errorf("backend up: %v; a client that leaves says nothing about it", got)
	}
}

func TestClientGoneMidUpload(t *testing.T) {
	t.Parallel()
	arrived, failed := make(chan struct{}), make(chan error, 1)
	k := start(t, openTable, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadFull(r.Body, make([]byte, 5))
		close(arrived)
		_, err := io.ReadAll(r.Body)
		failed <- err
	})
	w := k.dial()
	w.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nfirst")
	testkit.Receive(t, "the first piece", arrived)
	w.Reset() // like a client that crashed
	if err := testkit.Receive(t, "the backend's error", failed); err == nil {
		t.Error("the backend saw a complete body")
	}
	if line := k.line(); line["status"] != 499.0 {
		t.Errorf("logged %v", line)
	}
}

// TestBackendDiesMidBody checks that an incomplete answer does not look complete.
func TestBackendDiesMidBody(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"chunked":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
		"length":       "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst",
		"broken chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\nzz\r\n",
	} {
		k := startBefore(t, openTable, testkit.ServeRequest(t, func(conn *testkit.ServerConn, _ *http.Request) {
			_, _ = io.WriteString(conn, head)
		}))
		res := k.open("GET", "/", nil)
		got, err := io.ReadAll(res.Body)
		if err == nil {
			t.Errorf("%s: the client read %q as complete", name, got)
		}
		if line := k.line(); line["error"] == nil || line["status"] != 200.0 {
			t.Errorf("%s: logged %v", name, line)
		}
		if got := k.metrics.of("open"); got.started != 1 || len(got.finished) != 1 {
			t.Errorf("%s: metrics %+v", name, got)
		}
	}
}

// TestNothingIsLeftBehind counts goroutines after requests that ended in different ways. It
// is not parallel.
func TestNothingIsLeftBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("requests", func(t *testing.T) {
		k := start(t, `
users: off
defaults: {auth: none, idle_timeout: 50ms, timeout: 50ms}
routes:
  - {name: open, prefix: /, backend: "${BACKEND}"}
`, func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/stall":
				<-r.Context().Done()
			case "/half":
				_, _ = io.WriteString(w, "half")
				flush(w)
				<-r.Context().Done()
			default:
				mirror(w, r)
			}
		})
		for range 5 {
			k.get("/")
			k.get("/stall").wantDetail(t, 504, "Upstream service timed out.")
			if _, err := io.ReadAll(k.open("GET", "/half", nil).Body); err == nil {
				t.Error("half an answer looks complete")
			}
			k.raw("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx").wantDetail(t, 408, "The request body did not arrive in time.")
		}
		k.client().CloseIdleConnections()
	})
	stacks := make([]byte, 1<<20)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%d goroutines before, %d after\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
		}
	})
	testkit.Eventually(t, "there are as many goroutines as before", func() bool { return runtime.NumGoroutine() <= before })
}

// TestStalledReaderIsCutOff uses a client that reads nothing. Its answer must not be kept
// forever.
func TestStalledReaderIsCutOff(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	k := start(t, `
users: off
routes:
  - {name: open, prefix: /, backend: "${BACKEND}", auth: none, idle_timeout: 100ms}
`, func(w http.ResponseWriter, _ *http.Request) {
		defer close(ended)
		_, _ = io.Copy(w, zeros(1<<30))
	})
	w := k.dial()
	w.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	testkit.Receive(t, "the backend to be released", ended)
	if line := k.line(); line["error"] == nil {
		t.Errorf("logged %v", line)
	}
	if res, err := http.ReadResponse(w.In, nil); err == nil {
		defer res.Body.Close()
		if n, err := io.Copy(io.Discard, res.Body); err == nil {
			t.Errorf("the client read %d bytes as complete", n)
		}
	}
}

func TestRepeatedBodiesAreIndependent(t *testing.T) {
	t.Parallel()
	k := start(t, openTable, mirror)
	for i := range 20 {
		body := strings.Repeat(strconv.Itoa(i%10), 40_000)
		if got := k.do("POST", "/", strings.NewReader(body)).seen(t).Body; got != body {
			t.Fatalf("round %d: the backend saw %d bytes", i, len(got))
		}
	}
}

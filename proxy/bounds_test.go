package proxy

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

const (
	sentenceConnect  = "Could not connect to upstream service."
	sentenceTimeout  = "Upstream service timed out."
	sentenceUpstream = "An unexpected error occurred communicating with upstream service."
)

func bounded(bounds string) string {
	return "users: off\nroutes:\n  - {name: open, prefix: /, backend: \"${BACKEND}\", auth: none, " + bounds + "}\n"
}

func TestBackendRefusesConnections(t *testing.T) {
	t.Parallel()
	address := testkit.RefusingAddress(t)
	k := startBefore(t, openTable, "http://"+address)
	res := k.get("/")
	res.wantDetail(t, 503, sentenceConnect)
	if strings.Contains(res.body, address) {
		t.Errorf("the body tells of the backend: %s", res.body)
	}
	if line := k.line(); !strings.Contains(line["error"].(string), "connection refused") {
		t.Errorf("logged %v", line)
	}
	if got := k.metrics.of("open").backend; len(got) != 1 || got[0] {
		t.Errorf("backend up: %v", got)
	}
	k.do("POST", "/", strings.NewReader("a body")).wantDetail(t, 503, sentenceConnect)
}

// TestBackendDoesNotAcceptConnections fills the backlog of a listener that accepts no
// connections, so that the next connection is never completed.
func TestBackendDoesNotAcceptConnections(t *testing.T) {
	t.Parallel()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}).String()
	for {
		conn, err := net.DialTimeout("tcp", address, 100*time.Millisecond)
		if err != nil {
			break
		}
		t.Cleanup(func() { conn.Close() })
	}
	k := startBefore(t, bounded("connect_timeout: 50ms"), "http://"+address)
	k.get("/").wantDetail(t, 504, sentenceTimeout)
	if got := k.metrics.of("open").backend; len(got) != 1 || got[0] {
		t.Errorf("backend up: %v", got)
	}
	k = startBefore(t, bounded("timeout: 50ms"), "http://"+address)
	k.get("/").wantDetail(t, 504, sentenceTimeout)
}

func TestResponseHeaderTimeout(t *testing.T) {
	t.Parallel()
	cancelled := make(chan struct{}, 2)
	k := start(t, bounded("timeout: 50ms"), func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		cancelled <- struct{}{}
	})
	k.get("/").wantDetail(t, 504, sentenceTimeout)
	testkit.Receive(t, "the cancellation", cancelled)
	if line := k.line(); line["status"] != 504.0 {
		t.Errorf("logged %v", line)
	}
	k.do("POST", "/", strings.NewReader("a body")).wantDetail(t, 504, sentenceTimeout)
	testkit.Receive(t, "the cancellation", cancelled)
}

// A backend that accepts the connection but reads nothing of a large upload is too slow.
func TestBackendThatDoesNotRead(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	k := startBefore(t, bounded("timeout: 100ms"), testkit.ServeRequest(t, func(*testkit.ServerConn, *http.Request) { <-done }))
	defer close(done)
	k.do("POST", "/", zeros(64<<20)).wantDetail(t, 504, sentenceTimeout)
}

func TestIdleTimeoutCutsTheAnswer(t *testing.T) {
	t.Parallel()
	for _, length := range []string{"", "100"} {
		cancelled := make(chan struct{})
		k := start(t, bounded("idle_timeout: 50ms"), func(w http.ResponseWriter, r *http.Request) {
			if length != "" {
				w.Header().Set("Content-Length", length)
			}
			_, _ = io.WriteString(w, "first")
			flush(w)
			<-r.Context().Done()
			close(cancelled)
		})
		res := k.open("GET", "/", nil)
		if got, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("the client read %q as complete", got)
		}
		testkit.Receive(t, "the cancellation", cancelled)
		if line := k.line(); line["error"] == nil {
			t.Errorf("logged %v", line)
		}
	}
}

// lasting is how long the streams below last, in 25 pieces. It is longer than their
// timeouts of 2 s. Even a busy machine does not pause so long between two pieces.
const lasting = 3 * time.Second

// A stream that sends pieces is not ended, however long it lasts.
func TestStreamOutlivesItsTimeouts(t *testing.T) {
	t.Parallel()
	k := start(t, bounded("timeout: 2s, idle_timeout: 2s"), func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(lasting / 25)
		defer tick.Stop()
		for range 25 {
			<-tick.C
			_, _ = io.WriteString(w, ".")
			flush(w)
		}
	})
	if got := k.get("/").body; len(got) != 25 {
		t.Errorf("read %q", got)
	}
}

// TestSlowUploadIsNotTheBackends checks that the timeout applies to the backend. A client
// may send its body slowly.
func TestSlowUploadIsNotTheBackends(t *testing.T) {
	t.Parallel()
	k := start(t, bounded("timeout: 2s, idle_timeout: 1m"), mirror)
	source, sink := io.Pipe()
	go func() {
		tick := time.NewTicker(lasting / 25)
		defer tick.Stop()
		for range 25 {
			<-tick.C
			_, _ = io.WriteString(sink, ".")
		}
		sink.Close()
	}()
	if got := k.do("POST", "/", source).seen(t).Body; len(got) != 25 {
		t.Errorf("the backend read %q", got)
	}
}

// A client may be silent as long as the backend sends.
func TestQuietUploadWhileTheAnswerStreams(t *testing.T) {
	t.Parallel()
	k := start(t, bounded("timeout: 2s, idle_timeout: 2s"), func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		tick := time.NewTicker(lasting / 25)
		defer tick.Stop()
		for range 25 {
			_, _ = io.WriteString(w, ".")
			flush(w)
			<-tick.C
		}
		rest, _ := io.ReadAll(r.Body)
		_, _ = w.Write(rest)
	})
	source, sink := io.Pipe()
	res := k.open("POST", "/", source)
	got := make([]byte, 25)
	if _, err := io.ReadFull(res.Body, got); err != nil {
		t.Fatalf("read %q, %v", got, err)
	}
	_, _ = io.WriteString(sink, "end")
	sink.Close()
	if rest, err := io.ReadAll(res.Body); err != nil || string(rest) != "end" {
		t.Errorf("read %q, %v", rest, err)
	}
}

func TestClientStallsMidUpload(t *testing.T) {
	t.Parallel()
	k := start(t, bounded("idle_timeout: 50ms"), func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	for _, framing := range []string{"Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"} {
		w := k.dial()
		w.Send("POST / HTTP/1.1\r\nHost: x\r\n" + framing)
		res := receive(w)
		res.wantDetail(t, 408, "The request body did not arrive in time.")
		if rest, err := io.ReadAll(w.In); err != nil || len(rest) != 0 { // the connection is closed within a time limit
			t.Errorf("read %q, %v", rest, err)
		}
	}
	for range 2 {
		if line := k.line(); line["status"] != 408.0 {
			t.Errorf("logged %v", line)
		}
	}
}

// The time of a client that stops sending is limited, also when its body is not read.
func TestClientStallsWithoutReader(t *testing.T) {
	t.Parallel()
	k := start(t, `
routes:
  - {name: users, prefix: /users, handler: users}
  - {name: strict, prefix: /, backend: "${BACKEND}"}
`, nil)
	for path, status := range map[string]int{"/": 401, "/%2e%2e": 400, "/users": 200} {
		w := k.dial()
		w.Send("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
		if res := receive(w); res.StatusCode != status {
			t.Errorf("%s: status %d", path, res.StatusCode)
		}
		if rest, err := io.ReadAll(w.In); err != nil || len(rest) != 0 {
			t.Errorf("%s: read %q, %v", path, rest, err)
		}
	}
}

func TestBackendAnswersBadly(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing":         "",
		"not HTTP":        "SSH-2.0-OpenSSH_9.6\r\n\r\n",
		"half a head":     "HTTP/1.1 200 OK\r\nContent-Le",
		"bad header":      "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
		"bad status":      "HTTP/1.1 abc OK\r\n\r\n",
		"no status":       "HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n",
		"low status":      "HTTP/1.1 099 OK\r\nContent-Length: 1000\r\n\r\n",
		"low after a 1xx": "HTTP/1.1 103 OK\r\n\r\nHTTP/1.1 099 OK\r\n\r\n",
		"two lengths":     "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"huge head":       "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 256<<10+1) + "\r\n\r\n",
		"unknown framing": "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
	} {
		k := startBefore(t, openTable, testkit.ServeRequest(t, func(conn *testkit.ServerConn, _ *http.Request) { _, _ = io.WriteString(conn, text) }))
		for _, body := range []int{1, 100_000} { // for http1/transport, and for net/http's transport
			res := k.do("POST", "/", strings.NewReader(strings.Repeat("x", body)))
			if res.StatusCode != 502 {
				t.Errorf("%s: %d", name, res.StatusCode)
			}
			res.wantDetail(t, 502, sentenceUpstream)
		}
	}
}

func TestMaxBody(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	k := start(t, bounded("max_body: 10"), func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		mirror(w, r)
	})
	const sentence = "Request body is too large."
	k.do("POST", "/", strings.NewReader("12345678901")).wantDetail(t, 413, sentence)
	if asked.Load() != 0 {
		t.Error("the backend was asked for a body that was announced too large")
	}
	if got := k.do("POST", "/", strings.NewReader("1234567890")).seen(t).Body; got != "1234567890" {
		t.Errorf("the backend read %q", got)
	}
	chunked := func(text string) io.Reader { return io.MultiReader(strings.NewReader(text)) }
	if got := k.do("POST", "/", chunked("1234567890")).seen(t).Body; got != "1234567890" {
		t.Errorf("the backend read %q", got)
	}
	if got := k.do("POST", "/", chunked("")).seen(t).Body; got != "" {
		t.Errorf("the backend read %q", got)
	}
	k.do("POST", "/", chunked("12345678901")).wantDetail(t, 413, sentence)
	k.do("POST", "/", chunked(strings.Repeat("x", 100_000))).wantDetail(t, 413, sentence)
}

func TestMalformedBodyIsTheClients(t *testing.T) {
	t.Parallel()
	k := start(t, openTable, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	head := "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, body := range []string{"zz\r\n", "3\r\nabcXX", "-1\r\n", "ffffffffffffffffff\r\n", "3\r\nabc\r\n0\r\nbad trailer\r\n\r\n"} {
		k.raw(head+body).wantDetail(t, 400, "The request body is malformed or ended early.")
	}
}

// A client that sends a part of its body and half-closes gets no answer that looks like
// success.
func TestBodyThatEndsEarly(t *testing.T) {
	t.Parallel()
	k := start(t, openTable, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	w := k.dial()
	w.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
	_ = w.CloseWrite()
	if rest, _ := io.ReadAll(w.In); strings.HasPrefix(string(rest), "HTTP/1.1 2") {
		t.Errorf("read %q", rest)
	}
	if line := k.line(); line["status"] != 499.0 && line["status"] != 400.0 {
		t.Errorf("logged %v", line)
	}
}

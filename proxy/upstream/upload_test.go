package upstream_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"weak"

	"gatehouse/internal/testkit"
	"gatehouse/proxy/upstream"
)

// upload is a body that counts the calls of BodyAbandoned.
type upload struct {
	io.Reader
	closed    func()
	abandoned atomic.Int64
}

func (u *upload) Close() error {
	if u.closed != nil {
		u.closed()
	}
	return nil
}

func (u *upload) OnClose(closed func()) { u.closed = closed }

func (*upload) BackendLost() {}

func (u *upload) BodyAbandoned() { u.abandoned.Add(1) }

// dialed are connections. A test can make them report a failed write.
type dialed struct {
	mu    sync.Mutex
	conns []*dialedConn
}

type dialedConn struct {
	net.Conn
	failed func()
}

func (c *dialedConn) OnWriteError(failed func()) { c.failed = failed }

func (d *dialed) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns = append(d.conns, &dialedConn{Conn: conn})
	return d.conns[len(d.conns)-1], nil
}

// failWrite reports a failed write on the first connection. It returns the number of
// connections.
func (d *dialed) failWrite() (opened int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns[0].failed()
	return len(d.conns)
}

// startDialed returns a transport for HTTP/1.1 and the URL of a backend. The backend reads
// the body before it answers. It drops the first request to /drop.
func startDialed(t *testing.T) (*upstream.Transport, *dialed, string) {
	t.Helper()
	var dropped atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/drop" && !dropped.Swap(true) {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, r.Proto)
	}))
	t.Cleanup(server.Close)
	conns := new(dialed)
	transport := upstream.New(upstream.Options{Transport: &http.Transport{DialContext: conns.dial}})
	t.Cleanup(transport.CloseIdleConnections)
	return transport, conns, server.URL
}

// send sends a body. getBody, if any, returns the body of the second attempt.
func send(t *testing.T, transport http.RoundTripper, url string, body *upload, getBody func() (io.ReadCloser, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength, r.GetBody = 3, getBody
	r.Header.Set("Idempotency-Key", "1") // so that http.Transport sends it again
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, err := io.ReadAll(res.Body); err != nil || string(got) != "HTTP/1.1" {
		t.Fatalf("%q, %v", got, err)
	}
}

// TestWriteErrorOfAnUpload reports a failed write while a body is sent, and after it was
// sent. Only the first may reach the body.
func TestWriteErrorOfAnUpload(t *testing.T) {
	t.Parallel()
	transport, conns, url := startDialed(t)
	body := &upload{Reader: afterCall(func() { conns.failWrite() })}
	send(t, transport, url, body, nil)
	if got := body.abandoned.Load(); got != 1 {
		t.Errorf("the body was told %d times while it was sent, want 1", got)
	}
	conns.failWrite()
	if got := body.abandoned.Load(); got != 1 {
		t.Errorf("the body was told %d times in all, want 1", got)
	}
}

// TestLateWriteError reports a failed write on the first connection when the request is
// sent again. The second attempt then reads the body, so the body must not be abandoned.
func TestLateWriteError(t *testing.T) {
	t.Parallel()
	transport, conns, url := startDialed(t)
	send(t, transport, url, &upload{Reader: strings.NewReader("abc")}, nil) // http.Transport repeats a request only after a reused connection has failed
	again := 0
	body := &upload{Reader: strings.NewReader("abc")}
	send(t, transport, url+"/drop", body, func() (io.ReadCloser, error) {
		again++
		conns.failWrite()
		return &upload{Reader: afterCall(func() {
			if opened := conns.failWrite(); opened != 2 {
				t.Errorf("%d connections, want 2", opened)
			}
		})}, nil
	})
	if got := body.abandoned.Load(); again != 1 || got != 0 {
		t.Errorf("sent again %d times, and the body was told %d times", again, got)
	}
}

// TestIdleConnectionForgetsUpload waits until a sent body is garbage, although its
// connection is still open.
func TestIdleConnectionForgetsUpload(t *testing.T) {
	t.Parallel()
	transport, conns, url := startDialed(t)
	sent := func() weak.Pointer[upload] {
		body := &upload{Reader: strings.NewReader("abc")}
		send(t, transport, url, body, nil)
		return weak.Make(body)
	}()
	testkit.Eventually(t, "the body is forgotten", func() bool {
		runtime.GC()
		return sent.Value() == nil
	})
	send(t, transport, url, &upload{Reader: strings.NewReader("abc")}, nil)
	if got := conns.failWrite(); got != 1 {
		t.Errorf("%d connections, want 1", got)
	}
}

// afterCall returns a body of three bytes. The first read calls call.
func afterCall(call func()) io.Reader {
	return io.MultiReader(readFunc(func([]byte) (int, error) {
		call()
		return 0, io.EOF
	}), strings.NewReader("abc"))
}

// readFunc is an io.Reader.
type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// These tests define how a transport for HTTP/1.1 backends without TLS behaves. net/http's
// and ours must both pass them. There is one file for each subject, and every test runs
// with each of transports().
//
// The tests of one transport do not run in parallel. The standard transport closes a
// connection when its writer has not been scheduled for 50 ms after the answer. And leaked
// goroutines of different tests cannot be distinguished.

package transport_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"gatehouse/internal/testkit"
)

// transport is what the suite needs of a transport.
type testedTransport interface {
	http.RoundTripper
	CloseIdleConnections()
}

// each runs a test with every transport.
func each(t *testing.T, test func(t *testing.T, l lane)) {
	t.Helper()
	for _, l := range transports() {
		t.Run(l.name, func(t *testing.T) { test(t, l) })
	}
}

// start returns a transport. Nothing of it may be left when the test ends.
func (l lane) start(t *testing.T, b bounds) testedTransport {
	t.Helper()
	made := l.begin(b)
	t.Cleanup(func() {
		made.CloseIdleConnections()
		wantNoGoroutines(t)
	})
	return made
}

// begin returns a transport for a test that runs in parallel with others.
func (l lane) begin(b bounds) testedTransport {
	b.maxIdle = cmp.Or(b.maxIdle, maxIdle)
	b.idleTimeout = cmp.Or(b.idleTimeout, idleLife)
	if b.dial == nil {
		b.dial = new(net.Dialer).DialContext
	}
	return l.make(b)
}

// wantNoGoroutines waits until no transport has a goroutine.
func wantNoGoroutines(t *testing.T) {
	t.Helper()
	testkit.WaitNoGoroutines(t, "net/http.(*persistConn)", "net/http.(*Transport)", "gatehouse/proxy/http1/transport.")
}

// get returns a GET as the gateway sends it.
func get(ctx context.Context, t *testing.T, url string) *http.Request {
	t.Helper()
	return send(ctx, t, http.MethodGet, url, nil)
}

func send(ctx context.Context, t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("User-Agent", "")
	return r
}

// outcome is everything that a caller can observe of an exchange.
type outcome struct {
	status  int
	proto   string
	header  http.Header
	length  int64
	body    string
	trailer http.Header
	err     error // of RoundTrip
	bodyErr error // of reading the body
}

// run sends the request and reads the answer to its end.
func run(client testedTransport, r *http.Request) outcome {
	res, err := client.RoundTrip(r)
	if err != nil {
		return outcome{err: err}
	}
	o := outcome{status: res.StatusCode, proto: res.Proto, header: res.Header, length: res.ContentLength}
	body, err := io.ReadAll(res.Body)
	o.body, o.bodyErr = string(body), err
	res.Body.Close()
	o.trailer = res.Trailer
	return o
}

// wantPlain fails unless the exchange ended with the answer plain.
func (o outcome) wantPlain(t *testing.T) {
	t.Helper()
	if o.err != nil || o.bodyErr != nil || o.status != http.StatusOK || o.body != "plain" {
		t.Fatalf("got %+v, want the plain answer", o)
	}
}

// follow sends a simple GET and checks its answer. It must come over the connection with
// this number.
func follow(t *testing.T, client testedTransport, b *backend, number int) {
	t.Helper()
	const path = "/follow"
	before := len(b.seen())
	run(client, get(testkit.Context(t), t, b.url+path)).wantPlain(t)
	seen := b.seen()[before:]
	if len(seen) != 1 || seen[0].line != "GET "+path+" HTTP/1.1" {
		t.Fatalf("the backend saw %v, want one GET %s", seen, path)
	}
	if seen[0].link != number {
		t.Errorf("the request went over connection %d, want %d", seen[0].link, number)
	}
}

// class returns what a caller may distinguish in an error.
func class(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "deadline"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "unexpected EOF"
	case errors.Is(err, io.EOF):
		return "EOF"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	case errors.Is(err, net.ErrClosed):
		return "closed"
	default:
		return "other"
	}
}

// background runs a function in a goroutine of the test.
func background(client testedTransport, r *http.Request) <-chan outcome {
	done := make(chan outcome, 1)
	go func() { done <- run(client, r) }()
	return done
}

// watched is a request body that reports when it was closed.
type watched struct {
	io.Reader
	closed chan struct{}
}

func watch(body io.Reader) *watched { return &watched{Reader: body, closed: make(chan struct{}, 8)} }

func (w *watched) Close() error {
	select {
	case w.closed <- struct{}{}:
	default:
	}
	return nil
}

// wantClosed fails unless the transport has closed the request's body.
func (w *watched) wantClosed(t *testing.T) {
	t.Helper()
	testkit.Receive(t, "the request's body to be closed", w.closed)
}

// wantLine fails unless the raw text begins with the line.
func wantLine(t *testing.T, r request, line string) {
	t.Helper()
	if r.line != line || !strings.HasPrefix(r.raw, line+"\r\n") {
		t.Errorf("the request's line is %q, want %q", r.line, line)
	}
}

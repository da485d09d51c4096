package upstream_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/internal/testkit"
	"gatehouse/proxy/upstream"
)

// backend serves HTTP/2 without TLS, and counts its connections.
type backend struct {
	url          string
	opened, open atomic.Int64
	release      chan struct{} // closed to end requests to /wait and /stream
}

func serve(t *testing.T) *backend {
	t.Helper()
	b := &backend{release: make(chan struct{})}
	b.url = testkit.ServeH2C(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/wait":
			<-b.release
		case "/stream":
			_ = http.NewResponseController(w).Flush()
			<-b.release
		}
		_, _ = io.WriteString(w, r.Proto)
	}, func(server *http.Server) {
		server.ConnState = func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				b.opened.Add(1)
				b.open.Add(1)
			case http.StateClosed:
				b.open.Add(-1)
			}
		}
	})
	return b
}

func start(t *testing.T, o upstream.Options) *upstream.Transport {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	o.Transport = &http.Transport{DialContext: new(net.Dialer).DialContext, Protocols: protocols}
	made := upstream.New(o)
	t.Cleanup(made.CloseIdleConnections)
	return made
}

func get(ctx context.Context, t *testing.T, transport http.RoundTripper, url string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func wantBody(t *testing.T, res *http.Response) {
	t.Helper()
	if res == nil {
		return
	}
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "HTTP/2.0" {
		t.Errorf("%q, %v", body, err)
	}
}

// TestSilenceEndsNoRequest uses a backend that is slow, but works. New requests get
// another connection, and the waiting request gets its answer over the old one.
func TestSilenceEndsNoRequest(t *testing.T) {
	t.Parallel()
	b := serve(t)
	transport := start(t, upstream.Options{Silence: 50 * time.Millisecond})
	wantBody(t, get(t.Context(), t, transport, b.url))
	waits := make(chan *http.Response)
	go func() { waits <- get(t.Context(), t, transport, b.url+"/wait") }()
	testkit.Eventually(t, "new requests get another connection", func() bool {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if b.opened.Load() > 1 {
			return true
		}
		// An answer would show that the connection works, so the backend sends none.
		time.AfterFunc(100*time.Millisecond, cancel)
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, b.url+"/wait", nil)
		if res, err := transport.RoundTrip(req); err == nil {
			res.Body.Close()
		}
		return b.opened.Load() > 1
	})
	wantBody(t, get(t.Context(), t, transport, b.url))
	close(b.release)
	wantBody(t, <-waits)
	// The old connection ends, because it has no more requests.
	testkit.Eventually(t, "the old connection ends", func() bool { return b.open.Load() <= 1 })
}

// TestAgeWaitsForStreams lets a connection reach its maximum age during a stream. New
// requests get another connection, and the old one ends with the stream.
func TestAgeWaitsForStreams(t *testing.T) {
	t.Parallel()
	b := serve(t)
	transport := start(t, upstream.Options{MaxAge: 200 * time.Millisecond})
	stream := get(t.Context(), t, transport, b.url+"/stream")
	testkit.Eventually(t, "new requests get another connection", func() bool {
		wantBody(t, get(t.Context(), t, transport, b.url))
		return b.opened.Load() > 1
	})
	close(b.release)
	wantBody(t, stream)
	testkit.Eventually(t, "every connection has ended", func() bool { return b.open.Load() == 0 })
}

// TestUnlimitedAge checks that a working connection is kept without a maximum age.
func TestUnlimitedAge(t *testing.T) {
	t.Parallel()
	b := serve(t)
	transport := start(t, upstream.Options{})
	for range 100 {
		wantBody(t, get(t.Context(), t, transport, b.url))
	}
	if n := b.opened.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	transport.CloseIdleConnections()
	testkit.Eventually(t, "the connection ends", func() bool { return b.open.Load() == 0 })
}

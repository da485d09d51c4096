package proxy

import (
	"io"
	"net"
	"net/http"
	"testing"

	"gatehouse/internal/testkit"
	"gatehouse/proxy/forward"
	"gatehouse/proxy/http1/server"
	"gatehouse/proxy/listener"
)

// TestHeadDoesNotWaitForTheBody uses a backend whose body comes late. The client must get
// the head before.
func TestHeadDoesNotWaitForTheBody(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	slow := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		flush(w)
		<-release
		_, _ = io.WriteString(w, "hello")
	}
	test := func(t *testing.T, k *kit) {
		for _, method := range []string{"GET", "POST"} {
			res := k.open(method, "/", nil) // returns when the client has the head
			if res.StatusCode != 200 || res.ContentLength != 5 || res.ProtoMajor == 1 && res.Header.Get("X-Request-Id") == "" {
				t.Errorf("%s: %d, %d bytes, %v", method, res.StatusCode, res.ContentLength, res.Header)
			}
			release <- struct{}{}
			if body, err := io.ReadAll(res.Body); err != nil || string(body) != "hello" {
				t.Errorf("%s: %q, %v", method, body, err)
			}
		}
	}
	eachTransport(t, openTable, testkit.Serve(t, slow), test)
	t.Run("to HTTP/2", func(t *testing.T) { test(t, startTLS(t, openTable, testkit.Serve(t, slow))) })
	t.Run("from h2c", func(t *testing.T) {
		test(t, startBefore(t, `
users: off
routes:
  - {name: open, prefix: /, backend: "${BACKEND}", auth: none, protocol: h2c}
`, testkit.ServeH2C(t, slow)))
	})
}

// TestHeadAndBodyInOneWrite counts the writes to a client. When the backend sends head and
// body together, the gateway must do so too.
func TestHeadAndBodyInOneWrite(t *testing.T) {
	t.Parallel()
	backend := testkit.ServeRequest(t, func(conn *testkit.ServerConn, _ *http.Request) {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
	})
	for _, fronted := range []bool{true, false} {
		k := newKit(t, openTable, backend)
		sizes := make(chan int, 16)
		public := testkit.Listen(t)
		limited := k.gateway.Limit(countedWrites{public, sizes})
		standard := &http.Server{Handler: k.gateway, ConnContext: listener.ConnContext}
		t.Cleanup(func() { standard.Close() })
		if fronted {
			server := server.New(standard)
			go func() { _ = server.Serve(limited) }()
		} else {
			go func() { _ = standard.Serve(limited) }()
		}
		for range 20 {
			w := testkit.Dial(t, "http://"+public.Addr().String())
			w.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if res := receive(w); res.body != "hello" {
				t.Fatalf("%q", res.body)
			}
			_ = w.Close()
			<-sizes
			select {
			case n := <-sizes:
				t.Fatalf("fronted %t: a second write of %d bytes", fronted, n)
			default:
			}
		}
	}
}

// TestServerInterfaces checks that http1/server has the methods that the gateway finds by
// type assertion. Without them, requests would still be answered, but more slowly.
func TestServerInterfaces(t *testing.T) {
	t.Parallel()
	listener := testkit.Listen(t)
	merges := make(chan bool, 1)
	standard := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, ok := w.(forward.HeaderMerger)
		merges <- ok
	})}
	t.Cleanup(func() { _ = standard.Close() })
	gateway := newKit(t, openTable, "http://127.0.0.1:9").gateway
	go func() { _ = server.New(standard).Serve(gateway.Limit(listener)) }()
	w := testkit.Dial(t, "http://"+listener.Addr().String())
	w.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if res := receive(w); res.StatusCode != http.StatusOK {
		t.Fatalf("status %d", res.StatusCode)
	}
	if !<-merges {
		t.Error("the ResponseWriter of http1/server is no HeaderMerger")
	}
}

// countedWrites records the size of every write to its connections.
type countedWrites struct {
	net.Listener
	sizes chan int
}

func (l countedWrites) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countedWriter{conn, l.sizes}, nil
}

type countedWriter struct {
	net.Conn
	sizes chan int
}

func (c countedWriter) Write(p []byte) (int, error) {
	c.sizes <- len(p)
	return c.Conn.Write(p)
}

package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// hasty serves backends that answer before they have read a request. Then they end the
// connection in the way that the path names.
func hasty(t testing.TB) string {
	t.Helper()
	return testkit.ServeRequest(t, func(conn *testkit.ServerConn, r *http.Request) {
		const answer = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\n"
		switch r.URL.Path {
		case "/close":
			_, _ = io.CopyN(io.Discard, conn, 1)
			_, _ = io.WriteString(conn, answer+"Connection: close\r\n\r\ntoo big")
		case "/close/silently": // without Connection: close
			_, _ = io.WriteString(conn, answer+"\r\ntoo big")
		case "/reset":
			_, _ = io.WriteString(conn, answer+"\r\ntoo big")
			conn.Reset()
		case "/half": // closes one half, and waits for the gateway
			_, _ = io.WriteString(conn, answer+"Connection: close\r\n\r\ntoo big")
			_ = conn.CloseWrite()
			_, _ = io.CopyN(io.Discard, conn, 4<<20)
		}
	})
}

// TestEarlyRefusalOfAnUpload lets backends refuse an upload while it is sent, and close the
// connection. The client must get the answer, although a write fails.
func TestEarlyRefusalOfAnUpload(t *testing.T) {
	t.Parallel()
	eachTransport(t, openTable, hasty(t), func(t *testing.T, k *kit) {
		for _, path := range []string{"/close", "/close/silently", "/reset", "/half"} {
			for _, size := range []int64{2, 60 << 10, 1 << 20, 20 << 20} {
				if size < 20<<20 && (path == "/reset" || path == "/close/silently") {
					continue // the backend may close while the next request is sent
				}
				for _, known := range []bool{true, false} {
					t.Run(fmt.Sprint(path, " ", size, " ", known), func(t *testing.T) {
						for range 5 {
							if status, body := k.upload(t, path, size, known); status != 413 || body != "too big" {
								t.Errorf("%d %q", status, body)
							}
						}
					})
				}
			}
		}
	})
}

// upload sends a body of that size, or as much of it as the gateway reads. It reads the
// answer at the same time.
func (k *kit) upload(t *testing.T, path string, size int64, known bool) (status int, body string) {
	t.Helper()
	w := testkit.Dial(t, k.url)
	defer w.Close()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		if known {
			_, _ = fmt.Fprintf(w.Conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", path, size)
			_, _ = io.Copy(w.Conn, zeros(size))
			return
		}
		_, _ = fmt.Fprintf(w.Conn, "POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", path, size)
		_, _ = io.Copy(w.Conn, zeros(size))
		_, _ = io.WriteString(w.Conn, "\r\n0\r\n\r\n")
	}()
	res, err := http.ReadResponse(w.In, nil)
	if err != nil {
		t.Errorf("read answer: %v", err)
		return 0, ""
	}
	all, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("read the answer's body: %v", err)
	}
	_ = w.Close()
	<-sent
	return res.StatusCode, string(all)
}

// TestUnreadBodyKeepsTheConnection sends small bodies that are not read: the backend closes
// or cannot be reached, or the gateway refuses the request.
func TestUnreadBodyKeepsTheConnection(t *testing.T) {
	t.Parallel()
	table := `
routes:
  - {name: users, prefix: /users, handler: users}
  - {name: hasty, prefix: /hasty, backend: "${BACKEND}", auth: none, strip_prefix: true}
  - {name: down, prefix: /down, backend: "http://127.0.0.1:1", auth: none}
  - {name: strict, prefix: /strict, backend: "${BACKEND}"}
  - {name: small, prefix: /small, backend: "${BACKEND}", auth: none, max_body: 1}
`
	eachTransport(t, table, hasty(t), func(t *testing.T, k *kit) {
		k.gateway.forwarder.EarlyGrace = time.Minute // a busy machine may need more than EarlyGrace
		for path, status := range map[string]int{
			"/hasty/close": 413, "/down": 503, "/strict": 401, "/small": 413, "/users": 200, "/nowhere": 404, "//": 400,
		} {
			for _, size := range []int{2, 20_000, 200_000} {
				w := k.dial()
				for range 20 {
					w.Send(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", path, size))
					w.Send(strings.Repeat("x", size))
					if res := receive(w); res.StatusCode != status || res.Close {
						t.Fatalf("%s with %d bytes = %d, close %t", path, size, res.StatusCode, res.Close)
					}
				}
				_ = w.Close()
			}
		}
	})
}

// TestAnswerBeforeTheRestIsSent uses a client that sends the rest of its body only after
// it has an answer.
func TestAnswerBeforeTheRestIsSent(t *testing.T) {
	t.Parallel()
	eachTransport(t, openTable, testkit.Serve(t, echo), func(t *testing.T, k *kit) {
		w := k.dial()
		w.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc")
		res, err := http.ReadResponse(w.In, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		in := bufio.NewReader(res.Body)
		if got, err := io.ReadAll(io.LimitReader(in, 3)); err != nil || string(got) != "abc" {
			t.Fatalf("%q, %v", got, err)
		}
		w.Send("def")
		if got, err := io.ReadAll(in); err != nil || string(got) != "def" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// TestEarlyRefusalOverHTTP2 lets real HTTP/2 servers refuse uploads without reading them.
func TestEarlyRefusalOverHTTP2(t *testing.T) {
	t.Parallel()
	backend := testkit.ServeH2C(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "too big", http.StatusRequestEntityTooLarge)
	})
	k := startBefore(t, `
users: off
routes:
  - {name: open, prefix: /, backend: "${BACKEND}", auth: none, protocol: h2c}
`, backend)
	for _, size := range []int64{2, 60 << 10, 20 << 20} {
		for range 5 {
			if status, body := k.upload(t, "/", size, true); status != 413 || body != "too big\n" {
				t.Errorf("%d bytes: %d %q", size, status, body)
			}
		}
	}
}

// TestEarlyRefusalOverTLS lets a backend refuse uploads over TLS and close the connection.
func TestEarlyRefusalOverTLS(t *testing.T) {
	t.Parallel()
	own := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	t.Cleanup(own.Close)
	listener := tls.NewListener(testkit.Listen(t), &tls.Config{Certificates: own.TLS.Certificates})
	testkit.ServeListener(t, listener, func(conn net.Conn) {
		_ = conn.SetDeadline(time.Now().Add(testkit.Timeout))
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\nConnection: close\r\n\r\ntoo big")
		}
	})
	ca := testkit.TempFile(t, "ca.pem", testkit.CertificatePEM(own.Certificate()))
	k := startBefore(t, `
users: off
routes:
  - {name: open, prefix: /, backend: "${BACKEND}", auth: none, tls: {ca: "`+ca+`"}}
`, "https://"+listener.Addr().String())
	for _, size := range []int64{60 << 10, 20 << 20} {
		for range 5 {
			if status, body := k.upload(t, "/", size, true); status != 413 || body != "too big" {
				t.Errorf("%d bytes: %d %q", size, status, body)
			}
		}
	}
}

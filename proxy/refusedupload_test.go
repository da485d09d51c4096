package proxy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"gatehouse/internal/testkit"
	"gatehouse/proxy/upstream"
)

// leavingBackend answers a request when it has read the head. Then it reads no more. Over
// HTTP/1.1 it ends the connection, in the way that the path names. Over HTTP/2 it ends the
// stream.
type leavingBackend struct {
	address string
	tls     *tls.Config   // nil for a backend without TLS
	ca      string        // file, with TLS
	left    chan struct{} // gets a value each time the backend has left
}

// serveLeaving serves HTTP/1.1 or, with http2, HTTP/2.
func serveLeaving(t *testing.T, secure, http2 bool) *leavingBackend {
	t.Helper()
	b := &leavingBackend{left: make(chan struct{}, 1)}
	protocol, serve := "http/1.1", b.serve1
	if http2 {
		protocol, serve = "h2", b.serve2
	}
	if secure {
		own := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
		t.Cleanup(own.Close)
		b.ca = testkit.TempFile(t, "ca.pem", testkit.CertificatePEM(own.Certificate()))
		b.tls = &tls.Config{Certificates: own.TLS.Certificates, NextProtos: []string{protocol}}
	}
	b.address = testkit.ServeRaw(t, func(plain net.Conn) {
		_ = plain.SetDeadline(time.Now().Add(testkit.Timeout))
		conn := plain
		if secure {
			conn = tls.Server(plain, b.tls)
		}
		serve(conn, plain.(*net.TCPConn))
	})
	return b
}

// table returns a route table with one route, which also has the keys in rest.
func (b *leavingBackend) table(rest string) string {
	if b.ca != "" {
		rest += `, tls: {ca: "` + b.ca + `"}`
	}
	return `
users: off
routes:
  - {name: open, prefix: /, backend: "${BACKEND}", auth: none` + rest + `}
`
}

func (b *leavingBackend) url() string {
	if b.ca != "" {
		return "https://" + b.address
	}
	return "http://" + b.address
}

// serve1 answers one request over HTTP/1.1.
func (b *leavingBackend) serve1(conn net.Conn, plain *net.TCPConn) {
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	closes := "Connection: close\r\n"
	if r.URL.Path != "/close" {
		closes = ""
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\n"+closes+"\r\ntoo big")
	if r.URL.Path == "/reset" {
		_ = plain.SetLinger(0)
		_ = plain.Close()
	}
	_ = conn.Close()
	b.left <- struct{}{}
}

// serve2 answers requests over HTTP/2, with the status that the path names.
func (b *leavingBackend) serve2(conn net.Conn, _ *net.TCPConn) {
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = framer.WriteSettings()
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				_ = framer.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				_ = framer.WritePing(true, frame.Data)
			}
		case *http2.DataFrame:
			if length := frame.Header().Length; length > 0 {
				_ = framer.WriteWindowUpdate(0, length) // of the connection, not of the stream
			}
		case *http2.MetaHeadersFrame:
			writeAnswer2(framer, frame.StreamID, strings.TrimPrefix(frame.PseudoValue("path"), "/"))
			_ = framer.WriteRSTStream(frame.StreamID, http2.ErrCodeNo)
			b.left <- struct{}{}
		}
	}
}

// writeAnswer2 writes a complete answer over HTTP/2.
func writeAnswer2(framer *http2.Framer, stream uint32, status string) {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	_ = encoder.WriteField(hpack.HeaderField{Name: ":status", Value: status})
	_ = encoder.WriteField(hpack.HeaderField{Name: "content-length", Value: "7"})
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true})
	_ = framer.WriteData(stream, true, []byte("too big"))
}

// TestRestOfARefusedUpload lets a backend answer an upload and stop reading while the client
// sends. The client's connection must stay open, because the client sends the rest.
func TestRestOfARefusedUpload(t *testing.T) {
	t.Parallel()
	over1 := []string{"/close", "/silently", "/reset"}
	over2 := []string{"/413", "/200"}
	for _, c := range []struct {
		name                    string
		secure, http2, standard bool
		route                   string
		paths                   []string
	}{
		{"http", false, false, false, "", over1},
		{"http by net/http", false, false, true, "", over1},
		{"https", true, false, false, "", over1},
		{"h2", true, true, false, "", over2},
		{"h2c", false, true, false, ", protocol: h2c", over2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			backend := serveLeaving(t, c.secure, c.http2)
			k := newKitOf(t, backend.table(c.route), backend.url(), upstream.PoolOptions{
				MaxIdle: 64, Standard: c.standard, WriteErrorWait: time.Hour,
			})
			k.gateway.forwarder.EarlyGrace = time.Hour // a wait without a reason would never end
			k.serve()
			for _, path := range c.paths {
				for _, size := range []int{2, 20_000, 200_000} {
					if size == 2 && (path == "/silently" || path == "/reset") {
						continue // the whole body is sent, and then the next request on the same connection
					}
					t.Run(fmt.Sprint(path, " ", size), func(t *testing.T) { sendHalfBefore(t, k, backend, path, size) })
				}
			}
		})
	}
}

// sendHalfBefore sends uploads on one connection. It sends one half of each before the
// backend has left, and the other half after that.
func sendHalfBefore(t *testing.T, k *kit, backend *leavingBackend, path string, size int) {
	t.Helper()
	client := testkit.Dial(t, k.url)
	half := strings.Repeat("x", size/2)
	want := 413
	if path == "/200" {
		want = 200
	}
	for range 20 {
		client.Send(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, size, half))
		select {
		case <-backend.left:
		case <-time.After(testkit.Timeout):
			t.Fatal("the backend has got no request")
		}
		client.Send(half)
		if res, body := client.Receive(); res.StatusCode != want || body != "too big" || res.Close {
			t.Fatalf("%d %q, close %t", res.StatusCode, body, res.Close)
		}
	}
	_ = client.Close()
}

package proxy

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// TestBrokenOffUpload disconnects clients in the middle of a body, in every way and with
// either reader of the body. The log must say so, and the client must get no answer.
func TestBrokenOffUpload(t *testing.T) {
	t.Parallel()
	backend := testkit.Serve(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	heads := map[string]string{
		"small":   "Content-Length: 10\r\n\r\nabc",
		"nothing": "Content-Length: 10\r\n\r\n",
		"large":   "Content-Length: 1000000\r\n\r\nabc",
		"chunked": "Transfer-Encoding: chunked\r\n\r\na\r\nabc",
		"between": "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"at size": "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5",
		"at end":  "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
	}
	leave := map[string]func(conn *net.TCPConn){
		"half": func(conn *net.TCPConn) { _ = conn.CloseWrite() },
		"full": func(conn *net.TCPConn) { _ = conn.Close() },
		"reset": func(conn *net.TCPConn) {
			_ = conn.SetLinger(0)
			_ = conn.Close()
		},
	}
	test := func(t *testing.T, k *kit, connect func() (net.Conn, *net.TCPConn)) {
		for head, text := range heads {
			for how, leaves := range leave {
				t.Run(head+" "+how, func(t *testing.T) {
					conn, below := connect()
					defer conn.Close()
					if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\n"+text); err != nil {
						t.Fatal(err)
					}
					leaves(below)
					if how == "half" {
						if rest, _ := io.ReadAll(conn); len(rest) > 0 {
							t.Errorf("read %q", rest)
						}
					}
					if line := k.line(); line["status"] != 499.0 {
						t.Errorf("logged %v", line)
					}
				})
			}
		}
	}
	eachTransport(t, openTable, backend, func(t *testing.T, k *kit) {
		test(t, k, func() (net.Conn, *net.TCPConn) {
			conn := k.dial().Conn
			return conn, conn.(*net.TCPConn)
		})
	})
	t.Run("TLS", func(t *testing.T) {
		k := startTLS(t, openTable, backend)
		test(t, k, func() (net.Conn, *net.TCPConn) {
			conn, err := tls.Dial("tcp", strings.TrimPrefix(k.url, "https://"), &tls.Config{InsecureSkipVerify: true})
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(testkit.Timeout))
			return conn, conn.NetConn().(*net.TCPConn)
		})
	})
	t.Run("HTTP/2", func(t *testing.T) {
		k := startTLS(t, openTable, backend)
		for _, length := range []string{"10", "1000000"} {
			w := k.dial2()
			w.open(1, false, "content-length", length)
			_ = w.WriteData(1, false, []byte("abc"))
			_ = w.conn.(*tls.Conn).NetConn().(*net.TCPConn).CloseWrite()
			if line := k.line(); line["status"] != 499.0 {
				t.Errorf("%s: logged %v", length, line)
			}
		}
	})
}

//go:build unix

package transport_test

import (
	"context"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// TestAnswersInTwoParts cuts an answer at every byte. The answer must be the same, however
// late the second part comes.
func TestAnswersInTwoParts(t *testing.T) {
	cases := []struct{ name, method, raw, body string }{
		{"length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nplain", "plain"},
		{"length 0", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: b\r\n\r\n", ""},
		{"an end in the body", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nX-A: b\r\n\r\n\r\n\r\n\r\n\r\n", "\r\n\r\n\r\n\r\n"},
		{"chunks", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n5\r\nplain\r\n0\r\n\r\n", "plain"},
		{"bare newlines", "GET", "HTTP/1.1 200 OK\nContent-Length: 5\nX-A: b\n\nplain", "plain"},
		{"a line that goes on", "GET", "HTTP/1.1 200 OK\r\nX-A:\r\n b\r\nContent-Length: 5\r\n\r\nplain", "plain"},
		{"204", "GET", "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n", ""},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nX-A: b\r\n\r\n", ""},
		{"HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\n", ""},
		{"announced", "GET", "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nplain", "plain"},
	}
	each(t, func(t *testing.T, l lane) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				dialled := make(chan net.Conn, 8)
				b := serve(t, func(l *link) {
					client := <-dialled
					for k := 1; k < len(c.raw); k++ {
						if _, ok := l.request(); !ok {
							return
						}
						l.send(c.raw[:k])
						waitRead(client)
						l.send(c.raw[k:])
					}
					l.untilGone()
				})
				client := l.start(t, bounds{dial: func(ctx context.Context, network, address string) (net.Conn, error) {
					made, err := new(net.Dialer).DialContext(ctx, network, address)
					dialled <- made
					return made, err
				}})
				for k := 1; k < len(c.raw); k++ {
					o := run(client, send(testkit.Context(t), t, c.method, b.url, nil))
					if o.err != nil || o.bodyErr != nil || o.body != c.body || strings.Join(o.header["X-A"], ";") != "b" {
						t.Fatalf("cut at %d: got %+v", k, o)
					}
				}
				if made := b.made(); made != 1 {
					t.Errorf("%d connections", made)
				}
			})
		}
	})
}

// waitRead returns when the client has read everything, or when the test hangs.
func waitRead(client net.Conn) {
	raw, err := client.(syscall.Conn).SyscallConn()
	if err != nil {
		panic(err)
	}
	for deadline := time.Now().Add(testkit.Timeout); time.Now().Before(deadline); runtime.Gosched() {
		unread := false
		err := raw.Control(func(fd uintptr) {
			n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
			unread = n > 0 && err == nil
		})
		if err != nil || !unread {
			return
		}
	}
}

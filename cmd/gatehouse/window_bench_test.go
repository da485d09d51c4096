package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// longLine passes bytes on between clients and a server, each of them late: a
// line that is long and as fat as there are bytes on it.
func longLine(b *testing.B, to string, delay time.Duration) string {
	b.Helper()
	type piece struct {
		bytes []byte
		due   time.Time
	}
	carry := func(to, from net.Conn) {
		line := make(chan piece, 1<<14)
		go func() {
			defer close(line)
			for {
				bytes := make([]byte, 16<<10)
				n, err := from.Read(bytes)
				line <- piece{bytes[:n], time.Now().Add(delay)}
				if err != nil {
					return
				}
			}
		}()
		for p := range line {
			time.Sleep(time.Until(p.due))
			_, _ = to.Write(p.bytes)
		}
		to.Close()
	}
	return testkit.ServeRaw(b, func(client net.Conn) {
		server, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		var both sync.WaitGroup
		both.Go(func() { carry(server, client) })
		both.Go(func() { carry(client, server) })
		both.Wait()
	})
}

// BenchmarkLongLine measures one answer over a long line to an HTTP/2 backend,
// and one upload over a long line from an HTTP/2 client: what the windows of
// streams leave of the throughput.
func BenchmarkLongLine(b *testing.B) {
	const size = 16 << 20
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Method == http.MethodGet {
			_, _ = io.CopyN(w, zeros{}, size)
		}
	})
	certificate, key, roots := selfSigned(b)
	settings := map[string]string{"GATEWAY_TLS_CERT_FILE": certificate, "GATEWAY_TLS_KEY_FILE": key}
	for _, delay := range []time.Duration{0, 500 * time.Microsecond, 5 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond} {
		for _, kind := range []string{"download", "upload"} {
			b.Run(fmt.Sprint(kind, "/", 2*delay), func(b *testing.B) {
				var backend string
				if kind == "download" {
					backend = "http://" + longLine(b, strings.TrimPrefix(testkit.ServeH2C(b, answer.ServeHTTP), "http://"), delay)
				} else {
					server := httptest.NewServer(answer)
					b.Cleanup(server.Close)
					backend = server.URL
				}
				protocol := map[string]string{"download": "h2c", "upload": "auto"}[kind]
				gateway := start(b, testkit.TempFile(b, "routes.yaml", `
users: off
routes:
  - {name: open, prefix: /, backend: '`+backend+`', auth: none, protocol: `+protocol+`}
`), settings)
				url := gateway.url
				if kind == "upload" {
					url = "https://" + longLine(b, strings.TrimPrefix(gateway.url, "https://"), delay)
				}
				transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
				b.Cleanup(transport.CloseIdleConnections)
				b.SetBytes(size)
				for b.Loop() {
					method, body := http.MethodGet, io.Reader(nil)
					if kind == "upload" {
						method, body = http.MethodPost, io.LimitReader(zeros{}, size)
					}
					req, err := http.NewRequestWithContext(b.Context(), method, url+"/", body)
					if err != nil {
						b.Fatal(err)
					}
					res, err := transport.RoundTrip(req)
					if err != nil {
						b.Fatal(err)
					}
					if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
						b.Fatal(res.Status, err)
					}
					res.Body.Close()
				}
			})
		}
	}
}

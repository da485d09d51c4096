package transport_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"

	"gatehouse/internal/testkit"
)

// BenchmarkRoundTrip measures a small GET and its answer, with a backend that does almost
// nothing.
func BenchmarkRoundTrip(b *testing.B) {
	url := "http://" + testkit.ServeRaw(b, answerAll) + "/"
	for _, lane := range transports() {
		b.Run(lane.name, func(b *testing.B) {
			transport := lane.make(bounds{maxIdle: maxIdle, idleTimeout: idleLife, dial: new(net.Dialer).DialContext})
			defer transport.CloseIdleConnections()
			b.ReportAllocs()
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r, _ := http.NewRequestWithContext(b.Context(), http.MethodGet, url, http.NoBody)
					res, err := transport.RoundTrip(r)
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
			})
		})
	}
}

// answerAll answers each head with the same answer.
func answerAll(conn net.Conn) {
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nplain")
	head := bufio.NewReader(conn)
	for {
		line, err := head.ReadSlice('\n')
		if err != nil {
			return
		}
		if len(line) <= 2 {
			if _, err := conn.Write(answer); err != nil {
				return
			}
		}
	}
}

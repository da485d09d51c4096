package ops_test

import (
	"io"
	"log/slog"
	"net/netip"
	"os"
	"testing"
	"time"

	"gatehouse/ops"
	"gatehouse/proxy"
)

// entry is what a strict request of a browser leaves.
var entry = proxy.Access{
	Time: time.Date(2026, 3, 1, 12, 30, 0, 123456789, time.UTC), Level: slog.LevelInfo, RequestID: "0b5f3f5e-8a52-4d2c-9c53-3e9d3f0a7c11",
	Method: "GET", Path: "/api/v1/query/chats", Route: "query", Status: 200, Duration: 1234567 * time.Nanosecond, Bytes: 4096,
	ClientIP: netip.MustParseAddr("203.0.113.195"), Origin: "https://app.example.com",
	UserID: "11111111-1111-4111-8111-111111111111", CompanyID: "22222222-2222-4222-8222-222222222222",
}

// BenchmarkAccessLine is what a request waits for its line: through slog, one
// write a line, and as `serve` does it; to nowhere, and to a pipe that is read.
func BenchmarkAccessLine(b *testing.B) {
	for name, open := range map[string]func(b *testing.B) io.Writer{
		"discard": func(*testing.B) io.Writer { return io.Discard },
		"pipe":    readPipe,
	} {
		bench := func(how string, log proxy.AccessLog) {
			b.Run(how+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					log.LogAccess(entry)
				}
			})
		}
		bench("slog, line by line", proxy.AccessThrough(jsonFormat(open(b))))
		bench("slog, buffered", proxy.AccessThrough(jsonFormat(ops.NewLogWriter(open(b), jsonFormat))))
	}
}

func readPipe(b *testing.B) io.Writer {
	b.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close() })
	go func() {
		defer out.Close()
		_, _ = io.Copy(io.Discard, struct{ io.Reader }{out})
	}()
	return in
}

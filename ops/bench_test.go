package ops_test

import (
	"io"
	"os"
	"testing"
	"time"

	"gatehouse/auth"
	"gatehouse/ops"
	"gatehouse/proxy"
)

// BenchmarkAccessLine measures how long a request waits for its line: through
// slog with one write per line, and as `serve` does it; into nothing, and into
// a pipe that is read.
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
		bench("buffered", ops.NewAccessLog(ops.NewLogWriter(open(b), jsonFormat)))
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

// BenchmarkRouteMetrics counts one request, as the gateway does.
func BenchmarkRouteMetrics(b *testing.B) {
	route := ops.NewMetrics("bench").Route("query", "backend:80")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			route.Started()
			route.Decided(auth.ResultAllowed)
			route.Backend(true)
			route.ResponseHeader(20 * time.Millisecond)
			route.Finished("GET", 200, 30*time.Millisecond, 700)
		}
	})
}

package proxy

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"runtime"
	"sync/atomic"
	"testing"

	"gatehouse/internal/testkit"
)

// TestCompressStreams checks that what a backend flushes reaches the client at once, also
// when the length of the answer is known.
func TestCompressStreams(t *testing.T) {
	t.Parallel()
	more := make(chan struct{})
	backend := testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		if r.URL.Path == "/known" {
			w.Header().Set("Content-Length", "3000")
		}
		flush(w)
		for range 3 {
			<-more
			_, _ = w.Write(bytes.Repeat([]byte("part\n"), 200))
			flush(w)
		}
	})
	eachClientInTurn(t, backend, func(t *testing.T, k *kit) {
		for _, path := range []string{"/", "/known"} {
			for _, coding := range []string{"zstd", "br", "gzip"} {
				res := k.open(http.MethodGet, path, nil, "Accept-Encoding: "+coding) // the head comes before the body
				if got := res.Header.Get("Content-Encoding"); got != coding {
					t.Fatalf("%s%s: Content-Encoding %q", coding, path, got)
				}
				more <- struct{}{}
				body := decoder(t, coding, res.Body)
				part := make([]byte, 1000)
				for i := range 3 {
					if _, err := io.ReadFull(body, part); err != nil || !bytes.HasPrefix(part, []byte("part\n")) {
						t.Fatalf("%s%s: part %d: %q, %v", coding, path, i, part, err)
					}
					if i < 2 {
						more <- struct{}{}
					}
				}
				if rest, err := io.ReadAll(body); len(rest) > 0 || err != nil {
					t.Errorf("%s%s: %d more bytes, %v", coding, path, len(rest), err)
				}
			}
		}
	})
}

// eachClientInTurn is like eachClient, for a backend that serves one client at a time.
func eachClientInTurn(t *testing.T, backend string, test func(t *testing.T, k *kit)) {
	t.Helper()
	t.Run("h1", func(t *testing.T) { test(t, startBefore(t, compressTable, backend)) })
	t.Run("h2", func(t *testing.T) { test(t, startTLS(t, compressTable, backend)) })
}

// TestCompressAfterEarlyHints checks that informational answers pass.
func TestCompressAfterEarlyHints(t *testing.T) {
	t.Parallel()
	backend := testkit.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write(compressedText)
	})
	eachClient(t, compressTable, backend, func(t *testing.T, k *kit) {
		hints := 0
		req := k.request(http.MethodGet, "/", nil, "Accept-Encoding: br")
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(status int, header textproto.MIMEHeader) error {
				if hints++; status != http.StatusEarlyHints || header.Get("Link") == "" || header.Get("Content-Encoding") != "" {
					t.Errorf("%d %v", status, header)
				}
				return nil
			},
		}))
		res, err := k.client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if got, err := io.ReadAll(decoder(t, res.Header.Get("Content-Encoding"), res.Body)); err != nil || !bytes.Equal(got, compressedText) || hints != 1 {
			t.Errorf("%d bytes, %v, %d hints", len(got), err, hints)
		}
	})
}

// TestCompressBrokenAnswer checks that an answer that a backend cuts off is cut off for the
// client, too.
func TestCompressBrokenAnswer(t *testing.T) {
	t.Parallel()
	backend := testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		if r.URL.Path == "/known" {
			w.Header().Set("Content-Length", "100000")
		}
		_, _ = w.Write(compressedText)
		flush(w)
		panic(http.ErrAbortHandler)
	})
	eachClient(t, compressTable, backend, func(t *testing.T, k *kit) {
		for _, path := range []string{"/", "/known"} {
			for _, coding := range []string{"zstd", "br", "gzip"} {
				res := k.open(http.MethodGet, path, nil, "Accept-Encoding: "+coding)
				if raw, err := io.ReadAll(res.Body); err == nil {
					t.Errorf("%s%s: a body of %d bytes ends well", coding, path, len(raw))
				}
			}
		}
	})
}

// TestCompressClientGone checks that the backend notices a client that left.
func TestCompressClientGone(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{}, 1)
	backend := testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		for r.Context().Err() == nil {
			if _, err := w.Write(compressedText); err != nil {
				break
			}
			flush(w)
		}
		gone <- struct{}{}
	})
	eachClientInTurn(t, backend, func(t *testing.T, k *kit) {
		for _, coding := range []string{"zstd", "br", "gzip"} {
			res := k.open(http.MethodGet, "/", nil, "Accept-Encoding: "+coding)
			if _, err := io.ReadFull(decoder(t, coding, res.Body), make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			testkit.Receive(t, "the end of the backend's request", gone)
		}
	})
}

// TestCompressedStreamInFlatMemory sends 40 MiB through each encoder.
func TestCompressedStreamInFlatMemory(t *testing.T) { //nolint:paralleltest // it measures the memory of the process
	const size = 40 << 20
	block := bytes.Repeat(compressedText, 6)
	backend := testkit.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for sent := 0; sent < size; sent += len(block) {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	k := startBefore(t, compressTable, backend)
	for _, coding := range []string{"zstd", "br", "gzip"} {
		res := k.open(http.MethodGet, "/", nil, "Accept-Encoding: "+coding)
		var raw atomic.Int64
		body := decoder(t, coding, &countingReader{res.Body, &raw})
		var first, most uint64
		for read := int64(0); read < size; {
			n, err := io.CopyN(io.Discard, body, 4<<20)
			read += n
			if err != nil && read < size {
				t.Fatalf("%s: %v after %d bytes", coding, err, read)
			}
			runtime.GC()
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			if first == 0 {
				first = stats.HeapAlloc
			}
			most = max(most, stats.HeapAlloc)
		}
		if most > first+4<<20 {
			t.Errorf("%s: the heap grew from %d to %d bytes", coding, first, most)
		}
		t.Logf("%s: %d bytes sent, heap %d to %d", coding, raw.Load(), first, most)
	}
}

type countingReader struct {
	io.Reader
	read *atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read.Add(int64(n))
	return n, err
}

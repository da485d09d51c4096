package compress

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"gatehouse/config"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	all := config.AllCodings()
	for _, tt := range []struct {
		accept  string
		offered config.Codings
		want    config.Coding
	}{
		{"gzip, deflate, br, zstd", all, "zstd"},
		{"gzip, deflate, br", all, "br"},
		{"gzip", all, "gzip"},
		{"X-GZip", all, "gzip"},
		{"GZIP ; Q=0.5", all, "gzip"},
		{"gzip, zstd;q=0.9", all, "gzip"},
		{"br;q=0.5, gzip;q=0.5", config.Codings{"gzip", "br"}, "gzip"},
		{"br", config.Codings{"gzip"}, ""},
		{"", all, ""},
		{"identity", all, ""},
		{"*", all, "zstd"},
		{"*;q=0", all, ""},
		{"*;q=0, gzip", all, "gzip"},
		{"zstd;q=0, *", all, "br"},
		{"gzip;q=0", all, ""},
		{"gzip;q=0.000", all, ""},
		{"gzip;q=0.001", all, "gzip"},
		{"identity, gzip;q=0.5", all, ""},
		{"identity;q=0.5, gzip", all, "gzip"},
		{"identity;q=0.5, gzip;q=0.5", all, "gzip"},
		{"identity;q=0", all, ""},
		{"gzip;q=2", all, ""},
		{"gzip;q=-1", all, ""},
		{"gzip;q=", all, ""},
		{"gzip;q=1e1", all, ""},
		{"gzip;q=NaN", all, ""},
		{"gzip;level=5", all, ""},
		{"gzip;q=0.12345", all, ""},
		{";q=1, ,,", all, ""},
		{"deflate", all, ""},
	} {
		if got := choose([]string{tt.accept}, tt.offered); got != tt.want {
			t.Errorf("%q of %s: %q, want %q", tt.accept, tt.offered, got, tt.want)
		}
	}
	if got := choose(nil, all); got != "" {
		t.Errorf("without a header: %q", got)
	}
	if got := choose([]string{"br;q=0", "gzip;q=0.5, zstd;q=0.4"}, all); got != "gzip" {
		t.Errorf("two headers: %q", got)
	}
}

// FuzzChoose checks that no coding is chosen that the client does not list, or refuses.
func FuzzChoose(f *testing.F) {
	for _, accept := range []string{"gzip, br;q=0.5", "*", "identity;q=0, *;q=0.1", "gzip;q=0", "a;q=1;x=2, ;;, =", "\xff,\x00"} {
		f.Add(accept)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		got := choose([]string{accept}, config.AllCodings())
		folded := strings.ToLower(accept)
		if got != "" && !strings.Contains(folded, string(got)) && !strings.Contains(folded, "*") {
			t.Errorf("%q: %q, which is not listed", accept, got)
		}
		if got != "" && choose([]string{accept, string(got) + ";q=0"}, config.Codings{got}) != got && choose([]string{string(got) + ";q=0", accept}, config.Codings{got}) != "" {
			t.Errorf("%q: %q is not refused", accept, got)
		}
	})
}

func TestCompressibleTypes(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]bool{
		"text/html; charset=utf-8": true, "TEXT/CSS": true, "application/json": true, "application/problem+json": true, "image/svg+xml": true,
		"application/javascript;charset=utf-8": true, "application/wasm": true, "application/x-ndjson": true, "font/ttf": true,
		"text/event-stream": false, "Text/Event-Stream; charset=utf-8": false, "application/grpc": false, "application/grpc-web+proto": false,
		"application/grpc+json": false, "image/png": false, "video/mp4": false, "font/woff2": false, "application/zip": false, "application/octet-stream": false, "": false,
	} {
		if got := isCompressible(kind); got != want {
			t.Errorf("%q: %v, want %v", kind, got, want)
		}
	}
}

// decode returns the content of a compressed body.
func decode(t testing.TB, coding string, body io.Reader) ([]byte, error) {
	t.Helper()
	switch coding {
	case "gzip":
		r, err := gzip.NewReader(body)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	case "br":
		return io.ReadAll(brotli.NewReader(body))
	case "zstd":
		r, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(8<<20))
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return io.ReadAll(r)
	}
	return io.ReadAll(body)
}

// TestEncodersAreUsedAgain cuts streams off, and checks that the next ones are whole.
func TestEncodersAreUsedAgain(t *testing.T) {
	t.Parallel()
	encoders := new(Encoders)
	for _, coding := range config.AllCodings() {
		policy := New(config.Codings{coding}, encoders)
		for i := range 20 {
			text := []byte(strings.Repeat("answer number "+string(rune('a'+i))+"\n", 1000+i))
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Accept-Encoding", string(coding))
			recorded := httptest.NewRecorder()
			w := policy.Writer(recorded, r)
			w.Header().Set("Content-Type", "text/plain")
			if _, err := w.Write(text); err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 {
				w.Abort()
				if got, err := decode(t, string(coding), recorded.Body); err == nil && len(got) > 0 {
					t.Errorf("%s: a stream that was cut off is complete", coding)
				}
				continue
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			w.Abort() // as deferred by the caller
			if got, err := decode(t, string(coding), recorded.Body); err != nil || !bytes.Equal(got, text) {
				t.Errorf("%s: %d bytes, %v", coding, len(got), err)
			}
		}
	}
}

// TestHeldAnswers writes answers of unknown length.
func TestHeldAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		parts  []int // lengths; 0 flushes
		coding string
		length string
	}{
		{"tiny", []int{500, 523}, "", "1023"},
		{"empty", nil, "", "0"},
		{"large", []int{500, 524}, "gzip", ""},
		{"flushed", []int{10, 0, 10}, "gzip", ""},
		{"flushed before the body", []int{0, 10}, "gzip", ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept-Encoding", "gzip")
		recorded := httptest.NewRecorder()
		w := New(config.AllCodings(), new(Encoders)).Writer(recorded, r)
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusOK)
		var want []byte
		for _, n := range tt.parts {
			if n == 0 {
				w.Flush()
				if !recorded.Flushed {
					t.Errorf("%s: not flushed", tt.name)
				}
				continue
			}
			part := bytes.Repeat([]byte("x"), n)
			want = append(want, part...)
			if got, err := w.Write(part); got != n || err != nil {
				t.Errorf("%s: %d, %v", tt.name, got, err)
			}
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		header := recorded.Result().Header
		if header.Get("Content-Encoding") != tt.coding || header.Get("Content-Length") != tt.length || header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: %v", tt.name, header)
		}
		if got, err := decode(t, tt.coding, recorded.Body); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
}

func TestAsStored(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header["If-None-Match"] = []string{`"a"`}
	if AsStored(r) != r {
		t.Error("a request without weak tags is copied")
	}
	r.Header["If-None-Match"] = []string{`W/"a", "b"`, `W/"c"`}
	r.Header["If-Match"] = []string{`W/"d"`}
	got := AsStored(r).Header
	if want := []string{`W/"a", "b", W/"c", "a", "c"`}; !slices.Equal(got["If-None-Match"], want) {
		t.Errorf("If-None-Match %q", got["If-None-Match"])
	}
	if want := []string{`W/"d", "d"`}; !slices.Equal(got["If-Match"], want) {
		t.Errorf("If-Match %q", got["If-Match"])
	}
	if len(r.Header["If-None-Match"]) != 2 {
		t.Error("the client's header was changed")
	}
}

// TestWeakTags reads lists that a naive search for W/ misreads.
func TestWeakTags(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		lists []string
		want  []string
	}{
		{[]string{`W/"a"`}, []string{`"a"`}},
		{[]string{`"b",W/"a" , ,W/"c"`}, []string{`"a"`, `"c"`}},
		{[]string{`"b"`, `W/"a"`}, []string{`"a"`}},
		{[]string{`"W/"`, `"W/", W/"W/"`}, []string{`"W/"`}},
		{[]string{`"a, W/b", W/"a, b"`}, []string{`"a, b"`}},
		{[]string{`*`, `a`, `W/`, `W/a`, `W/"a`, `w/"a"`, `W/ "a"`, `a W/"b"`, ``}, nil},
	} {
		if got := slices.Collect(weakTags(tt.lists)); !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.lists, got, tt.want)
		}
	}
}

// FuzzAsStored checks that a request keeps its own list, and that only the strong forms of
// weak tags are added.
func FuzzAsStored(f *testing.F) {
	for _, list := range []string{`W/"a", "b"`, `"aW/"`, `W/"`, `*`, `W/"a"W/"b"`} {
		f.Add(list)
	}
	f.Fuzz(func(t *testing.T, list string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["If-None-Match"] = []string{list}
		got := AsStored(r).Header["If-None-Match"]
		added, isKept := strings.CutPrefix(got[0], list)
		if len(got) != 1 || !isKept {
			t.Fatalf("%q: %q", list, got)
		}
		for tag := range weakTags([]string{list}) {
			if !strings.Contains(list, "W/"+tag) {
				t.Errorf("%q: %q is not a tag of it", list, tag)
			}
			if added, isKept = strings.CutPrefix(added, ", "+tag); !isKept {
				t.Errorf("%q: %q is not added: %q", list, tag, got)
			}
		}
		if added != "" {
			t.Errorf("%q: %q is added, too", list, added)
		}
	})
}

func TestVary(t *testing.T) {
	t.Parallel()
	shared := make([]string, 1, 4)
	shared[0] = "Origin"
	for _, tt := range []struct{ before, want []string }{
		{nil, []string{"Accept-Encoding"}},
		{shared, []string{"Origin", "Accept-Encoding"}},
		{[]string{"origin, ACCEPT-encoding"}, []string{"origin, ACCEPT-encoding"}},
		{[]string{"*"}, []string{"*"}},
	} {
		header := http.Header{"Vary": tt.before}
		if addVary(header); !slices.Equal(header["Vary"], tt.want) {
			t.Errorf("%q: %q", tt.before, header["Vary"])
		}
	}
	if shared[:2][1] != "" {
		t.Error("a shared list was changed")
	}
}

// TestManyStreams checks that only some answers are compressed at the same time, and the
// memory of each.
func TestManyStreams(t *testing.T) { //nolint:paralleltest // it measures the memory of the process
	part := make([]byte, 0, 32<<10)
	for i := 0; len(part) < 32<<10-100; i++ {
		part = fmt.Appendf(part, `{"id": %d, "name": "a product %x", "price": %d.99}`+"\n", i*7919, i*104729, i%500)
	}
	for _, coding := range config.AllCodings() {
		policy := New(config.Codings{coding}, new(Encoders))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept-Encoding", string(coding))
		open := func() (*Writer, http.Header) {
			header := http.Header{"Content-Type": {"application/json"}}
			w := policy.Writer(discard(header), r)
			for range 8 { // 256 KiB
				if _, err := w.Write(part); err != nil {
					t.Error(err)
				}
			}
			return w, header
		}
		before := heap()
		var writers [maxStreams]*Writer
		for i := range writers {
			w, header := open()
			if writers[i] = w; header.Get("Content-Encoding") == "" {
				t.Fatalf("%s: answer %d is not compressed", coding, i)
			}
		}
		if each := (heap() - before) / maxStreams; each > 2<<20 {
			t.Errorf("%s: an encoder needs %d bytes", coding, each)
		}
		passed, header := open()
		if header.Get("Content-Encoding") != "" || passed.Sent() != int64(8*len(part)) {
			t.Errorf("%s: one answer more is compressed: %v, %d bytes", coding, header, passed.Sent())
		}
		writers[0].Abort()
		writers[0].Abort() // counts once
		for i, want := range []string{string(coding), ""} {
			if _, header := open(); header.Get("Content-Encoding") != want {
				t.Errorf("%s: answer %d after one has ended: %v", coding, i, header)
			}
		}
		for _, w := range writers[1:] {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// heap returns the bytes of memory that are in use.
func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// BenchmarkEncode measures one MiB of JSON, in parts of 32 KiB.
func BenchmarkEncode(b *testing.B) {
	part := bytes.Repeat([]byte(`{"id": 48151623, "name": "a product with a name", "price": 19.99, "tags": ["a", "b"]},`+"\n"), 400)[:32<<10]
	for _, coding := range append(config.AllCodings(), "identity") {
		b.Run(string(coding), func(b *testing.B) {
			policy := New(config.AllCodings(), new(Encoders))
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Accept-Encoding", string(coding))
			b.SetBytes(1 << 20)
			b.ReportAllocs()
			for b.Loop() {
				w := policy.Writer(discard{"Content-Type": {"application/json"}}, r)
				for range 32 {
					_, _ = w.Write(part)
				}
				_ = w.Close()
			}
		})
	}
}

// discard is a ResponseWriter without a client.
type discard http.Header

func (d discard) Header() http.Header         { return http.Header(d) }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

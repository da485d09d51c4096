package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"gatehouse/internal/testkit"
)

var compressTable = `
users: off
routes:
  - {name: text, prefix: /, backend: "${BACKEND}", auth: none, compress: true}
  - {name: plain, prefix: /plain, backend: "${BACKEND}", auth: none}
  - {name: gzip, prefix: /gzip, backend: "${BACKEND}", auth: none, compress: [gzip]}
  - {name: closed, prefix: /closed, backend: "${BACKEND}", compress: true}
  - {name: page, prefix: /page, respond: {body: "` + strings.Repeat("page ", 400) + `"}, auth: none, compress: true}
  - {name: small, prefix: /small, respond: {body: page}, auth: none, compress: true}
`

// compressedText is the content of most answers.
var compressedText = []byte(strings.Repeat(`{"id": 1, "name": "a name"}`+"\n", 400))

// compressedBackend answers with compressedText, and headers as the path says.
func compressedBackend(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	body, status := compressedText, 200
	_, kind, _ := strings.Cut(r.URL.Path[1:], "/")
	switch kind {
	case "tagged":
		h.Set("ETag", `"abc"`)
		h.Set("Accept-Ranges", "bytes")
		h.Set("Vary", "Origin")
		for _, name := range []string{"Content-MD5", "Digest", "Content-Digest", "Repr-Digest"} {
			h.Set(name, "x")
		}
		if strings.Contains(", "+r.Header.Get("If-None-Match")+", ", `, "abc", `) { // compares the text
			h.Del("Content-Type")
			w.WriteHeader(http.StatusNotModified)
			return
		}
	case "weak":
		h.Set("ETag", `W/"abc"`)
	case "encoded":
		h.Set("Content-Encoding", "x-own")
	case "cookie":
		h.Set("Set-Cookie", "a=b")
	case "no-transform":
		h.Set("Cache-Control", "public, No-Transform")
	case "events":
		h.Set("Content-Type", "text/event-stream")
	case "grpc":
		h.Set("Content-Type", "application/grpc+proto")
	case "image":
		h.Set("Content-Type", "image/png")
	case "untyped":
		h["Content-Type"] = nil
	case "tiny":
		body = body[:1023]
	case "least":
		body = body[:1024]
	case "empty":
		w.WriteHeader(http.StatusNoContent)
		return
	case "part":
		h.Set("Content-Range", "bytes 0-9999/20000")
		status = http.StatusPartialContent
	case "missing":
		status = http.StatusNotFound
	case "chunked":
		h.Set("Trailer", "X-Sum, Content-Digest")
		for part := range bytes.Lines(body) {
			_, _ = w.Write(part)
		}
		h.Set("X-Sum", "sum")
		h.Set("Content-Digest", "x")
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// decoder returns a reader of the content of a body.
func decoder(t testing.TB, coding string, body io.Reader) io.Reader {
	t.Helper()
	switch coding {
	case "gzip":
		r, err := gzip.NewReader(body)
		if err != nil {
			t.Fatal(err)
		}
		return r
	case "br":
		return brotli.NewReader(body)
	case "zstd":
		r, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20)) // RFC 9659
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
		return r
	}
	return body
}

// eachClient tests gateways over HTTP/1.1, in both lanes, and over HTTP/2.
func eachClient(t *testing.T, table, backend string, test func(t *testing.T, k *kit)) {
	t.Helper()
	eachLane(t, table, backend, test)
	t.Run("h2", func(t *testing.T) {
		t.Parallel()
		test(t, startTLS(t, table, backend))
	})
}

func TestCompress(t *testing.T) {
	t.Parallel()
	eachClient(t, compressTable, testkit.Serve(t, compressedBackend), func(t *testing.T, k *kit) {
		for _, tt := range []struct {
			path, accept, coding string
			status               int
			vary                 string
		}{
			{"/", "gzip, deflate, br, zstd", "zstd", 200, "Accept-Encoding"},
			{"/", "gzip, br", "br", 200, "Accept-Encoding"},
			{"/", "gzip", "gzip", 200, "Accept-Encoding"},
			{"/", "br;q=0.5, gzip", "gzip", 200, "Accept-Encoding"},
			{"/", "identity", "", 200, "Accept-Encoding"},
			{"/", "br;q=0", "", 200, "Accept-Encoding"},
			{"/gzip", "zstd, br, gzip;q=0.1", "gzip", 200, "Accept-Encoding"},
			{"/gzip", "zstd, br", "", 200, "Accept-Encoding"},
			{"/plain", "gzip", "", 200, ""},
			{"/closed", "gzip", "", 401, ""},
			{"/page", "gzip", "gzip", 200, "Accept-Encoding"},
			{"/small", "gzip", "", 200, "Accept-Encoding"},
			{"/a/tagged", "gzip", "gzip", 200, "Origin, Accept-Encoding"},
			{"/a/weak", "zstd", "zstd", 200, "Accept-Encoding"},
			{"/a/encoded", "gzip", "x-own", 200, "Accept-Encoding"},
			{"/a/cookie", "gzip", "", 200, "Accept-Encoding"},
			{"/a/no-transform", "gzip", "", 200, "Accept-Encoding"},
			{"/a/events", "gzip", "", 200, ""},
			{"/a/image", "gzip", "", 200, ""},
			{"/a/untyped", "gzip", "", 200, ""},
			{"/a/tiny", "gzip", "", 200, "Accept-Encoding"},
			{"/a/least", "gzip", "gzip", 200, "Accept-Encoding"},
			{"/a/grpc", "gzip", "", 200, ""},
			{"/a/empty", "gzip", "", 204, "Accept-Encoding"},
			{"/a/part", "gzip", "", 206, "Accept-Encoding"},
			{"/a/missing", "br", "br", 404, "Accept-Encoding"},
			{"/a/chunked", "br", "br", 200, "Accept-Encoding"},
			{"/a/chunked", "identity", "", 200, "Accept-Encoding"},
		} {
			what := tt.path + " for " + tt.accept
			before := k.counted()
			res := k.open(http.MethodGet, tt.path, nil, "Accept-Encoding: "+tt.accept)
			raw, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if got := res.Header.Get("Content-Encoding"); res.StatusCode != tt.status || got != tt.coding {
				t.Errorf("%s: %d, Content-Encoding %q, want %q", what, res.StatusCode, got, tt.coding)
			}
			if got := strings.Join(res.Header["Vary"], ", "); got != tt.vary {
				t.Errorf("%s: Vary %q, want %q", what, got, tt.vary)
			}
			isCoded := tt.coding != "" && tt.coding != "x-own"
			if isCoded && (res.ContentLength != -1 && res.ContentLength != int64(len(raw)) || len(res.Header["Accept-Ranges"]) > 0) {
				t.Errorf("%s: Content-Length %d of %d, %v", what, res.ContentLength, len(raw), res.Header)
			}
			if got, err := io.ReadAll(decoder(t, tt.coding, bytes.NewReader(raw))); err != nil {
				t.Errorf("%s: %v", what, err)
			} else if strings.HasPrefix(tt.path, "/a/chunked") && !bytes.Equal(got, compressedText) {
				t.Errorf("%s: %d bytes", what, len(got))
			}
			counts := fmt.Sprintf("GET %d %d", tt.status, len(raw))
			testkit.Eventually(t, what+" to be counted as "+counts, func() bool { return k.counted()[counts] > before[counts] })
			k.checkFields(what, tt.path, isCoded, res)
			k.checkHead(what, tt.path, tt.accept, res)
		}
		for _, ask := range []string{"Range: bytes=0-99", "Cache-Control: no-transform"} {
			if res := k.get("/page", "Accept-Encoding: gzip", ask); res.Header.Get("Content-Encoding") != "" || res.Header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s: %v", ask, res.Header)
			}
		}
	})
}

// checkFields checks the fields that depend on the bytes of the content.
func (k *kit) checkFields(what, path string, isCoded bool, res *http.Response) {
	k.t.Helper()
	if isCoded && path == "/a/tagged" {
		for _, name := range []string{"Content-Md5", "Digest", "Content-Digest", "Repr-Digest"} {
			if len(res.Header[name]) > 0 {
				k.t.Errorf("%s: %s is kept", what, name)
			}
		}
	}
	if tag := res.Header.Get("Etag"); isCoded && tag != "" && !strings.HasPrefix(tag, `W/"`) || strings.HasPrefix(tag, "W/W") {
		k.t.Errorf("%s: ETag %s", what, tag)
	}
	if path != "/a/chunked" {
		return
	}
	if got := res.Trailer.Get("X-Sum"); got != "sum" {
		k.t.Errorf("%s: trailer %q", what, got)
	}
	if got := res.Trailer.Get("Content-Digest"); (got == "x") == isCoded {
		k.t.Errorf("%s: trailer Content-Digest %q", what, got)
	}
}

// checkHead checks that the answer to HEAD has the fields of that to GET.
func (k *kit) checkHead(what, path, accept string, get *http.Response) {
	k.t.Helper()
	res := k.open(http.MethodHead, path, nil, "Accept-Encoding: "+accept)
	for _, name := range []string{"Content-Encoding", "Vary", "Etag", "Accept-Ranges", "Content-Digest"} {
		if head, want := res.Header.Get(name), get.Header.Get(name); head != want {
			k.t.Errorf("HEAD %s: %s %q, GET has %q", what, name, head, want)
		}
	}
	if get.Header.Get("Content-Encoding") != "" && get.Header.Get("Content-Encoding") != "x-own" && res.ContentLength > 0 {
		k.t.Errorf("HEAD %s: Content-Length %d", what, res.ContentLength)
	}
}

// counted returns how many GET requests to all routes had the same status and length.
func (k *kit) counted() map[string]int {
	counts := make(map[string]int)
	for _, name := range []string{"text", "plain", "gzip", "closed", "page", "small"} {
		r := k.metrics.of(name)
		r.mu.Lock()
		for _, one := range r.finished {
			if strings.HasPrefix(one, "GET") {
				counts[one]++
			}
		}
		r.mu.Unlock()
	}
	return counts
}

// TestCompressConditional asks again with the ETag of a compressed answer.
func TestCompressConditional(t *testing.T) {
	t.Parallel()
	eachClient(t, compressTable, testkit.Serve(t, compressedBackend), func(t *testing.T, k *kit) {
		for _, path := range []string{"/a/tagged", "/page"} {
			tag := k.get(path, "Accept-Encoding: gzip").Header.Get("Etag")
			if !strings.HasPrefix(tag, `W/"`) {
				t.Errorf("%s: ETag %s", path, tag)
			}
			res := k.get(path, "Accept-Encoding: gzip", "If-None-Match: "+tag)
			if res.StatusCode != 304 || res.Header.Get("Etag") != tag || !strings.Contains(strings.Join(res.header("Vary"), ", "), "Accept-Encoding") || res.body != "" {
				t.Errorf("%s: %d %v", path, res.StatusCode, res.Header)
			}
			if res := k.get(path, "Accept-Encoding: gzip", `If-None-Match: W/"other"`); res.StatusCode != 200 {
				t.Errorf("%s: %d", path, res.StatusCode)
			}
			// A part is asked for by a strong ETag only, so the whole is sent.
			if res := k.get(path, "Accept-Encoding: gzip", "Range: bytes=0-9", "If-Range: "+tag); res.Header.Get("Content-Encoding") != "" || res.StatusCode != 200 {
				t.Errorf("%s, a range: %d %v", path, res.StatusCode, res.Header)
			}
		}
	})
}

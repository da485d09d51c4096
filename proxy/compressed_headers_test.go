package proxy

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// TestCompressAfterResponseHeaders checks that `compress` sees the header of an answer as the
// client gets it.
func TestCompressAfterResponseHeaders(t *testing.T) {
	t.Parallel()
	const table = `
users: off
cors: {origins: ["https://app.example.com"]}
defaults: {auth: none, compress: [gzip]}
routes:
  - {name: vary, prefix: /vary, backend: "${BACKEND}", response_headers: {remove: [Vary]}}
  - {name: weak, prefix: /weak, backend: "${BACKEND}", response_headers: {remove: [ETag]}}
  - {name: added-cookie, prefix: /added-cookie, backend: "${BACKEND}", response_headers: {add: {Set-Cookie: a=b}}}
  - {name: removed-cookie, prefix: /cookie, backend: "${BACKEND}", response_headers: {remove: [Set-Cookie]}}
  - {name: added-transform, prefix: /added-transform, backend: "${BACKEND}", response_headers: {set: {Cache-Control: no-transform}}}
  - {name: removed-transform, prefix: /no-transform, backend: "${BACKEND}", response_headers: {set: {Cache-Control: private}}}
`
	eachClient(t, table, testkit.Serve(t, compressedBackend), func(t *testing.T, k *kit) {
		for path, isCoded := range map[string]bool{
			"/vary/tagged": true, "/weak/weak": true, "/added-cookie": false, "/cookie/cookie": true, "/added-transform": false, "/no-transform/no-transform": true,
		} {
			res := k.get(path, "Accept-Encoding: gzip", "Origin: https://app.example.com")
			if got := res.Header.Get("Content-Encoding") == "gzip"; got != isCoded {
				t.Errorf("%s: compressed is %v: %v", path, got, res.Header)
			}
			if got := strings.Join(res.Header["Vary"], ", "); strings.Count(got, "Origin") != 1 || strings.Count(got, "Accept-Encoding") != 1 {
				t.Errorf("%s: Vary %q", path, got)
			}
			if path == "/weak/weak" && len(res.Header["Etag"]) > 0 {
				t.Errorf("%s: ETag %q", path, res.Header["Etag"])
			}
			if got := res.Header.Get("Access-Control-Allow-Origin"); got != "https://app.example.com" {
				t.Errorf("%s: Access-Control-Allow-Origin %q", path, got)
			}
			if res.Header.Get("X-Request-Id") == "" || res.Header.Get("X-Process-Time") == "" {
				t.Errorf("%s: %v", path, res.Header)
			}
		}
	})
}

// TestCompressLogsWhatIsSent compares the access lines with the bytes of the body.
func TestCompressLogsWhatIsSent(t *testing.T) {
	t.Parallel()
	eachClient(t, compressTable, testkit.Serve(t, compressedBackend), func(t *testing.T, k *kit) {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			for _, coding := range []string{"zstd", "br", "gzip", "identity"} {
				res := k.do(method, "/", nil, "Accept-Encoding: "+coding)
				if got := k.line()["bytes"]; got != float64(len(res.body)) {
					t.Errorf("%s %s: logged %v, sent %d", method, coding, got, len(res.body))
				}
			}
		}
	})
}

// TestCompressErrors asks for errors of the gateway on routes with `compress`, before and
// after its writer is there.
func TestCompressErrors(t *testing.T) {
	t.Parallel()
	page := filepath.Join(t.TempDir(), "sorry.html")
	testkit.WriteFile(t, page, strings.Repeat("<p>sorry</p>", 1000))
	table := "users: off\nerrors: {503: " + page + ", 405: " + page + `}
routes:
  - {name: away, prefix: /away, backend: "http://` + testkit.RefusingAddress(t) + `", auth: none, compress: true, methods: [GET]}
  - {name: text, prefix: /, backend: "${BACKEND}", auth: none, compress: true}
`
	eachClient(t, table, testkit.Serve(t, compressedBackend), func(t *testing.T, k *kit) {
		for _, tt := range []struct {
			method, accept string
			status         int
			want           string
		}{
			{http.MethodGet, browser, 503, strings.Repeat("<p>sorry</p>", 1000)},
			{http.MethodPost, browser, 405, strings.Repeat("<p>sorry</p>", 1000)},
			{http.MethodGet, "Accept: */*", 503, `"detail"`},
		} {
			res := k.open(tt.method, "/away", nil, tt.accept, "Accept-Encoding: gzip")
			got, err := io.ReadAll(decoder(t, res.Header.Get("Content-Encoding"), res.Body))
			if err != nil || res.StatusCode != tt.status || !strings.Contains(string(got), tt.want) || res.Header.Get("X-Request-Id") == "" {
				t.Errorf("%s %s: %d %v %.100q, %v", tt.method, tt.accept, res.StatusCode, res.Header, got, err)
			}
		}
	})
}

// TestCompressHTTP10 checks that a client of HTTP/1.0 gets answers as they are. It could not
// tell their end from a cut.
func TestCompressHTTP10(t *testing.T) {
	t.Parallel()
	eachLane(t, compressTable, testkit.Serve(t, compressedBackend), func(t *testing.T, k *kit) {
		res := k.raw("GET /page HTTP/1.0\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
		if res.Header.Get("Content-Encoding") != "" || res.body != strings.Repeat("page ", 400) || res.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%v %.100q", res.Header, res.body)
		}
	})
}

// TestCompressRestrictedChange changes something with the ETag of a compressed answer. The
// backend must find the one that it gave out (RFC 9110 section 13.1.1).
func TestCompressRestrictedChange(t *testing.T) {
	t.Parallel()
	backend := testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"one"`)
		w.Header().Set("Content-Type", "text/plain")
		if r.Method == http.MethodPut && !strings.Contains(", "+r.Header.Get("If-Match")+",", `, "one",`) { // the strong comparison
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		_, _ = w.Write(compressedText)
	})
	eachClient(t, compressTable, backend, func(t *testing.T, k *kit) {
		tag := k.get("/", "Accept-Encoding: gzip").Header.Get("Etag")
		k.do(http.MethodPut, "/", strings.NewReader("new"), "If-Match: "+tag, "Accept-Encoding: gzip").wantStatus(t, 200)
		k.do(http.MethodPut, "/", strings.NewReader("new"), `If-Match: W/"two"`, "Accept-Encoding: gzip").wantStatus(t, 412)
	})
}

// BenchmarkCompress measures requests to routes with and without `compress`, for clients that
// accept a coding and for others.
func BenchmarkCompress(b *testing.B) {
	backend := testkit.Serve(b, compressedBackend)
	k := startBefore(b, compressTable, backend)
	for name, header := range map[string][2]string{
		"off": {"/plain", "gzip"}, "identity": {"/", "identity"}, "zstd": {"/", "zstd"}, "br": {"/", "br"}, "gzip": {"/", "gzip"},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				res := k.open(http.MethodGet, header[0], nil, "Accept-Encoding: "+header[1])
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		})
	}
}

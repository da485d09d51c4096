package proxy

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gatehouse/auth"
	"gatehouse/internal/httperr"
	"gatehouse/internal/testkit"
)

const browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// pagesTable returns a table with pages in a folder. REFUSED is an address without a
// server.
func pagesTable(t *testing.T) string {
	folder := t.TempDir()
	testkit.WriteFile(t, filepath.Join(folder, "oops.html"), "<style>p {color: red}</style><p>{status} {detail}<p id='{request_id}'>{nothing}")
	testkit.WriteFile(t, filepath.Join(folder, "sorry.html"), "{request_id}")
	testkit.WriteFile(t, filepath.Join(folder, "lost.html"), "<p>lost")
	testkit.WriteFile(t, filepath.Join(folder, "large.html"), strings.Repeat("a", 1<<20-12)+"{request_id}")
	return strings.NewReplacer("FOLDER", folder, "REFUSED", testkit.RefusingAddress(t)).Replace(`
errors: {503: FOLDER/sorry.html, "404": FOLDER/lost.html, 4xx: FOLDER/oops.html, 504: FOLDER/large.html}
cors: {origins: ["https://app.example.com"]}
response_headers: {X-Frame-Options: DENY}
routes:
  - {name: well, prefix: /well, backend: "${BACKEND}", auth: none, max_body: 1KiB, methods: [GET, POST]}
  - {name: strict, prefix: /strict, backend: "${BACKEND}"}
  - {name: connect, prefix: /connect, backend: "http://REFUSED", auth: none}
  - {name: slow, prefix: /slow, backend: "${BACKEND}", auth: none, timeout: 50ms}
  - {name: broken, prefix: /broken, backend: "${BACKEND}", auth: none}
  - {name: fixed, prefix: /fixed, respond: {status: 503, body: closed}, auth: none}
  - {name: users, prefix: /users, handler: users}
`)
}

func pagesBackend(w http.ResponseWriter, r *http.Request) {
	switch _, _ = io.Copy(io.Discard, r.Body); {
	case strings.HasPrefix(r.URL.Path, "/slow"):
		<-r.Context().Done()
	case strings.HasPrefix(r.URL.Path, "/broken"):
		panic(http.ErrAbortHandler)
	default:
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "the backend's own")
	}
}

// TestErrorPages checks which answers are pages: the gateway's own errors, for clients that
// prefer HTML.
func TestErrorPages(t *testing.T) {
	t.Parallel()
	table := pagesTable(t)
	eachProtocol(t, table, testkit.Serve(t, pagesBackend), func(t *testing.T, k *kit) {
		k.parts.Users = builtIn(func(w http.ResponseWriter, _ *http.Request) { httperr.NotFound.WriteTo(w) })
		k.gateway.Swap(k.compile(table))
		for _, c := range []struct {
			method, path string
			status       int
			page         string // with ID for the request id; "" for no page
			header       string // one that the answer must have
		}{
			{"GET", "/nowhere", 404, "<p>lost", "X-Frame-Options: DENY"},
			{"GET", "/strict", 401, "<style>p {color: red}</style><p>401 Not authenticated<p id='ID'>{nothing}", "Www-Authenticate: Bearer"},
			{"DELETE", "/well", 405, "<style>p {color: red}</style><p>405 Method Not Allowed<p id='ID'>{nothing}", "Allow: GET, HEAD, POST"},
			{"POST", "/well", 413, "<style>p {color: red}</style><p>413 Request body is too large.<p id='ID'>{nothing}", ""},
			{"GET", "/connect", 503, "ID", ""},
			{"GET", "/slow", 504, strings.Repeat("a", 1<<20-12) + "ID", ""},
			{"GET", "/broken", 502, "", ""}, // there is no page for it
			{"GET", "/well", 503, "", ""},   // the backend's
			{"GET", "/fixed", 503, "", ""},  // what the table says
			{"GET", "/users/x", 404, "", ""},
		} {
			body := io.Reader(nil)
			if c.method == "POST" {
				body = zeros(2 << 10)
			}
			want := strings.ReplaceAll(c.page, "ID", "the-id")
			res := k.do(c.method, c.path, body, browser, "X-Request-ID: the-id", "Origin: https://app.example.com")
			res.wantStatus(t, c.status)
			isPage := strings.HasPrefix(res.Header.Get("Content-Type"), "text/html")
			if isPage != (want != "") || isPage && res.body != want {
				t.Errorf("%s %s: a page: %t, %.200q; want %.200q", c.method, c.path, isPage, res.body, want)
			}
			if name, value, _ := strings.Cut(c.header, ": "); name != "" && res.Header.Get(name) != value {
				t.Errorf("%s %s: header %v", c.method, c.path, res.Header)
			}
			if want != "" {
				res.wantPageHeaders(t, len(want))
				if c.method == "GET" {
					head := k.do("HEAD", c.path, nil, browser, "X-Request-ID: the-id")
					head.wantStatus(t, c.status)
					head.wantPageHeaders(t, len(want))
				}
			}
			if c.status == 413 {
				continue
			}
			other := k.do(c.method, c.path, nil, "Accept: */*")
			if other.Header.Get("Content-Type") == "text/html; charset=utf-8" {
				t.Errorf("%s %s: %s for a client that does not prefer HTML", c.method, c.path, other.body)
			}
			if vary := strings.Join(other.Header.Values("Vary"), ", "); strings.Contains(vary, "Accept") != (want != "") {
				t.Errorf("%s %s: Vary %q of the other answer", c.method, c.path, vary)
			}
		}
	})
}

// wantPageHeaders checks the headers that each page has.
func (a answer) wantPageHeaders(t *testing.T, length int) {
	t.Helper()
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Content-Length": strconv.Itoa(length), "Cache-Control": "no-store",
		"X-Content-Type-Options": "nosniff", "X-Request-Id": "the-id",
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s %q, want %q", name, got, want)
		}
	}
	if vary := strings.Join(a.Header.Values("Vary"), ", "); vary != "Accept, Origin" {
		t.Errorf("Vary %q", vary)
	}
}

// eachProtocol tests a gateway over HTTP/1.1, with our own server and with net/http's, and
// over HTTP/2.
func eachProtocol(t *testing.T, table, backend string, test func(t *testing.T, k *kit)) {
	eachLane(t, table, backend, test)
	t.Run("HTTP/2", func(t *testing.T) {
		t.Parallel()
		test(t, startTLS(t, table, backend))
	})
}

// TestErrorPageEscapes checks that what a page has of a request cannot be markup.
func TestErrorPageEscapes(t *testing.T) {
	t.Parallel()
	page := parsePage("x.html", "a{detail}b{request_id}{request_id}{status")
	w := &recordingWriter{header: http.Header{"X-Request-Id": {`<"'&>`}}}
	page.write(w, &httperr.Error{Status: 400, Detail: "<script>"})
	const id = "&lt;&#34;&#39;&amp;&gt;"
	if got, want := w.body.String(), "a&lt;script&gt;b"+id+id+"{status"; got != want || w.header.Get("Content-Length") != strconv.Itoa(len(want)) {
		t.Errorf("got %q with length %s, want %q", got, w.header.Get("Content-Length"), want)
	}
}

type recordingWriter struct {
	header http.Header
	body   strings.Builder
}

func (w *recordingWriter) Header() http.Header         { return w.header }
func (w *recordingWriter) WriteHeader(int)             {}
func (w *recordingWriter) Write(p []byte) (int, error) { return w.body.Write(p) }

// TestErrorPagesUnreadable checks that all pages that cannot be read are reported, with
// their places.
func TestErrorPagesUnreadable(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	testkit.WriteFile(t, filepath.Join(folder, "large.html"), strings.Repeat("a", 1<<20+1))
	cfg := parse(t, fmt.Sprintf("users: off\nerrors: {404: %s/large.html, 5xx: %s/nowhere.html}\nroutes: [{name: a, prefix: /, backend: \"http://b\"}]\n", folder, folder), "")
	_, err := Compile(cfg, Parts{Gate: auth.NewGate(nil, nil), Metrics: newRecorder()})
	for _, want := range []string{"routes.yaml:2:15: errors: 404: ", "large.html cannot be read: it is larger than 1024 KiB", "errors: 5xx: ", "nowhere.html cannot be read: no such file"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// FuzzErrorPage checks that a page keeps all of its text, and is as long as it says.
func FuzzErrorPage(f *testing.F) {
	f.Add("<p>{status} {detail} {request_id}", "Not Found", "an id")
	f.Add("{{status}{request_id", "<&>", "'")
	f.Fuzz(func(t *testing.T, text, detail, id string) {
		w := &recordingWriter{header: http.Header{"X-Request-Id": {id}}}
		parsePage("x.html", text).write(w, &httperr.Error{Status: 404, Detail: detail})
		if w.header.Get("Content-Length") != strconv.Itoa(w.body.Len()) {
			t.Errorf("%d bytes, announced %s", w.body.Len(), w.header.Get("Content-Length"))
		}
		if !strings.Contains(text, "{") && w.body.String() != text {
			t.Errorf("%q became %q", text, w.body.String())
		}
		alone := &recordingWriter{header: http.Header{"X-Request-Id": {id}}}
		parsePage("x.html", "{detail}").write(alone, &httperr.Error{Status: 404, Detail: detail})
		if got := alone.body.String(); strings.ContainsAny(got, `<>"'`) || html.UnescapeString(got) != html.UnescapeString(html.EscapeString(detail)) {
			t.Errorf("%q became %q", detail, got)
		}
	})
}

// BenchmarkRefusal measures a 404, without pages and with one.
func BenchmarkRefusal(b *testing.B) {
	folder := b.TempDir()
	testkit.WriteFile(b, filepath.Join(folder, "lost.html"), strings.Repeat("<p>lost", 500)+"{request_id}")
	for name, table := range map[string]string{"json": openRoute, "page": openRoute + "errors: {404: " + folder + "/lost.html}\n"} {
		b.Run(name, func(b *testing.B) {
			k := newQuietKit(b, table)
			k.gateway.Swap(k.compile(table))
			header := http.Header{"Accept": {"text/html,*/*;q=0.8"}}
			b.ReportAllocs()
			for b.Loop() {
				k.gateway.ServeHTTP(&nowhere{header: make(http.Header, 8)}, &http.Request{
					Method: http.MethodGet, URL: &url.URL{Path: "/nowhere"}, RequestURI: "/nowhere", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
					Header: header, Host: "gate.example.com", RemoteAddr: "192.0.2.1:4711", Body: http.NoBody,
				})
			}
		})
	}
}

const openRoute = "users: off\nroutes:\n  - {name: open, prefix: /open, backend: \"${BACKEND}\", auth: none}\n"

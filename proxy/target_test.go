package proxy

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

const redirectTable = `
cors: {origins: ["https://app.example.com"]}
response_headers: {X-Frame-Options: DENY}
routes:
  - {name: moved, prefix: /old, auth: none, redirect: {to: /new}}
  - {name: host, prefix: /, hosts: [old.example.com], auth: none, redirect: {to: "https://new.example.com", status: 301}}
  - {name: member, prefix: /member, redirect: {to: "https://new.example.com/{rest}", status: 303}}
  - {name: new, prefix: /new, auth: none, backend: "${BACKEND}"}
`

// TestRedirect asks a gateway for redirects over a real connection.
func TestRedirect(t *testing.T) {
	eachLane(t, redirectTable, testkit.Serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the backend was asked") }), func(t *testing.T, k *kit) {
		for _, test := range []struct {
			name, head, body string
			status           int
			location         string
		}{
			{"path and query", "GET /old/a/b?x=1 HTTP/1.1\r\nHost: x\r\n", "", http.StatusPermanentRedirect, "/new/a/b?x=1"},
			{"HEAD", "HEAD /old HTTP/1.1\r\nHost: x\r\n", "", http.StatusPermanentRedirect, "/new"},
			{"body", "POST /old/a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n", "abc", http.StatusPermanentRedirect, "/new/a"},
			{"host of the table", "GET /a HTTP/1.1\r\nHost: OLD.example.com:8080\r\n", "", http.StatusMovedPermanently, "https://new.example.com/a"},
			{"absolute target", "GET http://old.example.com/a HTTP/1.1\r\nHost: old.example.com\r\n", "", http.StatusMovedPermanently, "https://new.example.com/a"},
			{"another host", "GET /old//evil.example HTTP/1.1\r\nHost: x\r\n", "", http.StatusBadRequest, ""},
			{"a backslash", "GET /old/\\evil.example HTTP/1.1\r\nHost: x\r\n", "", http.StatusBadRequest, ""},
			{"policy", "GET /member/a HTTP/1.1\r\nHost: x\r\n", "", http.StatusUnauthorized, ""},
			{"member", "GET /member/a HTTP/1.1\r\nHost: x\r\nAuthorization: " + k.member() + "\r\n", "", http.StatusSeeOther, "https://new.example.com/a"},
		} {
			client := k.dial()
			client.Send(test.head + "Origin: https://app.example.com\r\n\r\n" + test.body)
			r := client.ReceiveHead()
			if r.StatusCode != test.status || r.Header.Get("Location") != test.location {
				t.Errorf("%s: got %d to %q, want %d to %q", test.name, r.StatusCode, r.Header.Get("Location"), test.status, test.location)
			}
			for _, name := range []string{"X-Request-Id", "X-Process-Time", "X-Frame-Options", "Access-Control-Allow-Origin"} {
				if r.Header.Get(name) == "" {
					t.Errorf("%s: the answer has no %s", test.name, name)
				}
			}
		}
		for range 2 { // of all lines, these have routes
			if line := k.line(); line["route"] != "moved" || line["status"] != float64(http.StatusPermanentRedirect) {
				t.Errorf("access line: %v", line)
			}
		}
	})
}

const respondTable = `
cors: {origins: ["https://app.example.com"]}
response_headers: {X-Frame-Options: DENY}
routes:
  - {name: stop, prefix: /stop, auth: none, respond: {status: 503, body: "Back at noon.", headers: {retry-after: "600"}}}
  - {name: text, prefix: /text, auth: none, respond: {body: "0123456789"}}
  - {name: empty, prefix: /empty, auth: none, respond: {status: 204}}
  - {name: member, prefix: /member, respond: {status: 404, body: "{}", content_type: application/json}}
`

// TestRespond asks a gateway for fixed answers over a real connection.
func TestRespond(t *testing.T) {
	eachLane(t, respondTable, "http://127.0.0.1:9", func(t *testing.T, k *kit) {
		client := k.dial() // every answer leaves the connection usable
		ask := func(head string) answer {
			client.Send(head + "Host: x\r\nOrigin: https://app.example.com\r\n\r\n")
			a := receive(client)
			for _, name := range []string{"X-Request-Id", "X-Process-Time", "X-Frame-Options", "Access-Control-Allow-Origin"} {
				if a.Header.Get(name) == "" {
					t.Errorf("%q: the answer has no %s", head, name)
				}
			}
			return a
		}
		want := func(a answer, status int, body, kind string) {
			t.Helper()
			if a.StatusCode != status || a.body != body || a.Header.Get("Content-Type") != kind {
				t.Errorf("got %d %q (%s), want %d %q (%s)", a.StatusCode, a.body, a.Header.Get("Content-Type"), status, body, kind)
			}
		}
		const plain = "text/plain; charset=utf-8"
		stop := ask("GET /stop/a?b HTTP/1.1\r\n")
		want(stop, http.StatusServiceUnavailable, "Back at noon.", plain)
		if got := stop.Header.Get("Retry-After"); got != "600" {
			t.Errorf("Retry-After: %q", got)
		}
		want(ask("GET /stop HTTP/1.1\r\nRange: bytes=0-1\r\n"), http.StatusServiceUnavailable, "Back at noon.", plain)
		text := ask("GET /text HTTP/1.1\r\n")
		want(text, http.StatusOK, "0123456789", plain)
		want(ask("GET /text HTTP/1.1\r\nRange: bytes=2-4\r\n"), http.StatusPartialContent, "234", plain)
		// RFC 9110 section 14.2: other units and methods have no ranges.
		want(ask("GET /text HTTP/1.1\r\nRange: lines=1\r\n"), http.StatusOK, "0123456789", plain)
		want(ask("POST /text HTTP/1.1\r\nContent-Length: 0\r\nRange: bytes=2-4\r\n"), http.StatusOK, "0123456789", plain)
		want(ask("GET /text HTTP/1.1\r\nIf-Range: \"other\"\r\nRange: bytes=2-4\r\n"), http.StatusOK, "0123456789", plain)
		want(ask("GET /text HTTP/1.1\r\nIf-Match: "+text.Header.Get("Etag")+"\r\n"), http.StatusOK, "0123456789", plain)
		for _, head := range []string{"GET /text HTTP/1.1\r\nIf-Match: \"other\"\r\n", "POST /text HTTP/1.1\r\nContent-Length: 0\r\nIf-None-Match: *\r\n"} {
			a := ask(head)
			a.wantDetail(t, http.StatusPreconditionFailed, "A precondition of the request failed.")
			if a.Header.Get("Etag") != "" {
				t.Errorf("%q: %v", head, a.Header)
			}
		}
		for _, unsatisfiable := range []string{"bytes=10-", "bytes=5-2"} {
			a := ask("GET /text HTTP/1.1\r\nRange: " + unsatisfiable + "\r\n")
			a.wantDetail(t, http.StatusRequestedRangeNotSatisfiable, "The requested range is not satisfiable.")
			if a.Header.Get("Etag") != "" || (a.Header.Get("Content-Range") == "bytes */10") != (unsatisfiable == "bytes=10-") {
				t.Errorf("Range %s: %v", unsatisfiable, a.Header)
			}
		}
		for _, ignored := range []string{ // many ranges would cost much more than the whole body
			"GET /text HTTP/1.1\r\nRange: bytes=" + strings.Repeat("-1,", 16) + "-1\r\n",
			"GET /text HTTP/1.1\r\nRange: bytes=0-1\r\nRange: bytes=2-4\r\n",
			"POST /text HTTP/1.1\r\nContent-Length: 0\r\nRange: bytes=2-4\r\n",
		} {
			want(ask(ignored), http.StatusOK, "0123456789", plain)
		}
		if a := ask("GET /text HTTP/1.1\r\nRange: bytes=" + strings.Repeat("-1, ", 7) + "0-1\r\n"); a.StatusCode != http.StatusPartialContent || strings.Count(a.body, "Content-Range: ") != 8 {
			t.Errorf("eight ranges: got %d %q", a.StatusCode, a.body)
		}
		want(ask("GET /text HTTP/1.1\r\nIf-None-Match: "+text.Header.Get("Etag")+"\r\n"), http.StatusNotModified, "", "")
		want(ask("GET /empty HTTP/1.1\r\n"), http.StatusNoContent, "", "")
		want(ask("GET /member HTTP/1.1\r\nAuthorization: "+k.member()+"\r\n"), http.StatusNotFound, "{}", "application/json")
		if a := ask("GET /member HTTP/1.1\r\n"); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("without a token: %d", a.StatusCode)
		}
		for path, status := range map[string]int{"/stop": http.StatusServiceUnavailable, "/text": http.StatusOK} {
			head := k.do(http.MethodHead, path, nil)
			if head.StatusCode != status || head.body != "" || head.ContentLength < 10 {
				t.Errorf("HEAD %s: got %d, length %d, body %q", path, head.StatusCode, head.ContentLength, head.body)
			}
		}
		posted := k.do(http.MethodPost, "/stop", strings.NewReader("a body"))
		want(posted, http.StatusServiceUnavailable, "Back at noon.", plain)
	})
}

// TestLargeAnswerBeforeTheBody asks for answers that are larger than the buffer of a server,
// with a body that never comes. The server must not wait for it.
func TestLargeAnswerBeforeTheBody(t *testing.T) {
	folder, large := t.TempDir(), strings.Repeat("a", 100<<10)
	page := filepath.Join(folder, "page.html")
	testkit.WriteFile(t, page, large)
	table := "errors: {404: " + page + "}\nroutes:\n  - {name: large, prefix: /large, auth: none, respond: {file: " + page + "}}\n"
	eachLane(t, table, "http://127.0.0.1:9", func(t *testing.T, k *kit) {
		for path, status := range map[string]int{"/large": http.StatusOK, "/nowhere": http.StatusNotFound} {
			client := k.dial()
			client.Send("POST " + path + " HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nContent-Length: 1000\r\n\r\nabc")
			if a := receive(client); a.StatusCode != status || a.body != large {
				t.Errorf("%s: got %d and %d bytes", path, a.StatusCode, len(a.body))
			}
		}
	})
}

// Redirects and fixed answers have one meaning over HTTP/1.1 and HTTP/2.
func TestTargetsOverHTTP2(t *testing.T) {
	t.Parallel()
	const table = redirectTable + `  - {name: stop, prefix: /stop, auth: none, respond: {status: 503, body: "Back at noon.", headers: {retry-after: "600"}}}
  - {name: text, prefix: /text, auth: none, respond: {body: "0123456789"}}
  - {name: empty, prefix: /empty, auth: none, respond: {status: 204}}
`
	k := startTLS(t, table, "http://127.0.0.1:9")
	for _, test := range []struct {
		method, path, sent string
		header             []string
		status             int
		body, location     string
	}{
		{method: "GET", path: "/old/a/b?x=1", status: 308, location: "/new/a/b?x=1"},
		{method: "HEAD", path: "/old", status: 308, location: "/new"},
		{method: "POST", path: "/old/a", sent: strings.Repeat("a body", 1000), status: 308, location: "/new/a"},
		{method: "GET", path: "/a", header: []string{"Host: OLD.example.com:8080"}, status: 301, location: "https://new.example.com/a"},
		{method: "GET", path: "/member/a", status: 401},
		{method: "GET", path: "/member/a", header: []string{"Authorization: " + k.member()}, status: 303, location: "https://new.example.com/a"},
		{method: "GET", path: "/stop/a?b", status: 503, body: "Back at noon."},
		{method: "HEAD", path: "/stop", status: 503},
		{method: "POST", path: "/stop", sent: strings.Repeat("a body", 1000), status: 503, body: "Back at noon."},
		{method: "GET", path: "/text", status: 200, body: "0123456789"},
		{method: "HEAD", path: "/text", status: 200},
		{method: "GET", path: "/text", header: []string{"Range: bytes=2-4"}, status: 206, body: "234"},
		{method: "GET", path: "/text", header: []string{"If-None-Match: *"}, status: 304},
		{method: "GET", path: "/empty", status: 204},
	} {
		a := k.do(test.method, test.path, strings.NewReader(test.sent), append(test.header, "Origin: https://app.example.com")...)
		if a.ProtoMajor != 2 {
			t.Fatalf("answered over %s", a.Proto)
		}
		if a.StatusCode != test.status || a.Header.Get("Location") != test.location || test.status != 401 && a.body != test.body {
			t.Errorf("%s %s: got %d %q to %q, want %+v", test.method, test.path, a.StatusCode, a.body, a.Header.Get("Location"), test)
		}
		for _, name := range []string{"X-Request-Id", "X-Process-Time", "X-Frame-Options", "Access-Control-Allow-Origin"} {
			if a.Header.Get(name) == "" {
				t.Errorf("%s %s: the answer has no %s", test.method, test.path, name)
			}
		}
	}
	k.get("/text", "Range: bytes=10-", "Origin: https://app.example.com").wantDetail(t, http.StatusRequestedRangeNotSatisfiable, "The requested range is not satisfiable.")
}

// BenchmarkTargets measures the whole handler for answers of the table, beside a request
// to a backend that answers at once.
func BenchmarkTargets(b *testing.B) {
	const table = redirectTable + `  - {name: text, prefix: /text, auth: none, respond: {body: "Back at noon."}}
  - {name: stop, prefix: /stop, auth: none, respond: {status: 503, body: "Back at noon."}}
`
	for name, c := range map[string]struct {
		path   string
		status int
	}{"redirect": {"/old/a", 308}, "respond": {"/text", 200}, "respond503": {"/stop", 503}, "proxied": {"/new/a", 200}} {
		b.Run(name, func(b *testing.B) {
			newQuietKit(b, table).measure(b, table, c.path, http.Header{}, c.status)
		})
	}
}

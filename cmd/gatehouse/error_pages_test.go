package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// TestErrorPageFile serves an error page, and its edits. A page that vanishes, or becomes
// huge, stays as it was. A table that was refused because of a missing page is served when the page is there.
func TestErrorPageFile(t *testing.T) {
	t.Parallel()
	const rest = "users: off\nroutes: [{name: a, prefix: /a, auth: none, respond: {body: a}}]\n"
	folder := t.TempDir()
	page, file := filepath.Join(folder, "lost.html"), filepath.Join(folder, "routes.yaml")
	testkit.WriteFile(t, page, "<p>first {request_id}")
	testkit.WriteFile(t, file, "errors: {404: lost.html}\n"+rest)
	gateway := start(t, file, nil)
	lost := func() answer {
		return do(t, request{url: gateway.url + "/lost", header: http.Header{"Accept": {"text/html,*/*;q=0.8"}, "X-Request-Id": {"an-id"}}})
	}
	if got := lost(); got.status != http.StatusNotFound || got.body != "<p>first an-id" {
		t.Errorf("got %+v", got)
	}
	if got := do(t, request{url: gateway.url + "/lost"}); !strings.HasPrefix(got.body, `{"detail":"Not Found"`) {
		t.Errorf("a program got %+v", got)
	}

	testkit.WriteFile(t, page, "<p>second")
	testkit.Eventually(t, "the edit is served", func() bool { return lost().body == "<p>second" })
	if err := os.Remove(page); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the log reports the missing page", func() bool { return strings.Contains(gateway.log.String(), "lost.html cannot be read: no such file") })
	if got := lost(); got.body != "<p>second" {
		t.Errorf("without its file: got %+v", got)
	}

	testkit.WriteFile(t, page, strings.Repeat("a", 1<<20+1))
	testkit.Eventually(t, "the log reports the huge page", func() bool {
		return strings.Contains(gateway.log.String(), "lost.html cannot be read: it is larger than")
	})
	if got := lost(); got.body != "<p>second" {
		t.Errorf("with a huge file: got %.100v", got)
	}

	testkit.WriteFile(t, file, "errors: {404: found.html}\n"+rest)
	testkit.Eventually(t, "the log reports the new page", func() bool { return strings.Contains(gateway.log.String(), "found.html cannot be read: no such file") })
	if got := lost(); got.body != "<p>second" {
		t.Errorf("after a refused table: got %+v", got)
	}
	testkit.WriteFile(t, filepath.Join(folder, "found.html"), "<p>found")
	testkit.Eventually(t, "the new page is served", func() bool { return lost().body == "<p>found" })
}

// TestErrorPageOfClass serves a page for all 5xx over HTTP/2, but for one with a page of its
// own. A malformed request gets a page, too. The answer of a backend does not.
func TestErrorPageOfClass(t *testing.T) {
	t.Parallel()
	backend := testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/backend/aborts" {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write([]byte("the backend's own"))
	})
	folder := t.TempDir()
	for name, text := range map[string]string{"any.html": "<p>{status}", "busy.html": "<p>busy", "wrong.html": "<p>wrong"} {
		testkit.WriteFile(t, filepath.Join(folder, name), text)
	}
	file := filepath.Join(folder, "routes.yaml")
	testkit.WriteFile(t, file, strings.NewReplacer("BACKEND", backend, "REFUSED", testkit.RefusingAddress(t)).Replace(`
users: off
errors: {5xx: any.html, 503: busy.html, "400": wrong.html}
routes:
  - {name: backend, prefix: /backend, backend: "BACKEND", auth: none}
  - {name: down, prefix: /down, backend: "http://REFUSED", auth: none}
`))
	p := startProcess(t, file, nil)
	for _, c := range []struct {
		path, accept string
		fields       []string
		status, body string // a JSON body for ""
	}{
		{"/backend/aborts", "text/html", nil, "502", "<p>502"},
		{"/backend/aborts", "text/html;q=0.5, application/json", nil, "502", ""},
		{"/backend/aborts", "text/html;q=0", nil, "502", ""},
		{"/backend", "text/html", nil, "502", "the backend's own"},
		{"/down", "text/html", nil, "503", "<p>busy"},
		{"/down", "*/*", nil, "503", ""},
		{"/nowhere", "text/html", nil, "404", ""},
		{"/down", "text/html", []string{"connection", "close"}, "400", "<p>wrong"},
		{"/down", "application/json", []string{"connection", "close"}, "400", ""},
	} {
		client := &http2Client{t: t, Client: testkit.Dial(t, p.url)}
		client.begin()
		status, header, body := client.roundTrip(1, 16<<10, append([]string{":path", c.path, "accept", c.accept}, c.fields...))
		isJSON := header.Get("Content-Type") == "application/json" && strings.Contains(body, header.Get("X-Request-Id"))
		if status != c.status || header.Get("X-Request-Id") == "" || body != c.body && (c.body != "" || !isJSON) {
			t.Errorf("%s for %s: %s %q, want %s %q", c.path, c.accept, status, body, c.status, c.body)
		}
	}
}

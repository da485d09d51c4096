package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// TestRespondFile serves a page from a file, and its edits. A page that vanishes stays
// as it was.
func TestRespondFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	page, file := filepath.Join(folder, "closed.html"), filepath.Join(folder, "routes.yaml")
	testkit.WriteFile(t, page, "<p>first")
	testkit.WriteFile(t, file, `
users: off
routes:
  - {name: closed, prefix: /closed, auth: none, respond: {status: 503, file: closed.html, headers: {Retry-After: "600"}}}
  - {name: page, prefix: /page, auth: none, respond: {file: closed.html}}
  - {name: moved, prefix: /old, auth: none, redirect: {to: /page}}
`)
	gateway := start(t, file, nil)
	closed := do(t, request{url: gateway.url + "/closed/below"})
	if closed.status != http.StatusServiceUnavailable || closed.body != "<p>first" || closed.header.Get("Retry-After") != "600" ||
		!strings.HasPrefix(closed.header.Get("Content-Type"), "text/html") {
		t.Errorf("got %+v", closed)
	}
	if moved := do(t, request{url: gateway.url + "/old/a?b=c"}); moved.status != http.StatusPermanentRedirect || moved.header.Get("Location") != "/page/a?b=c" {
		t.Errorf("got %+v", moved)
	}
	served := do(t, request{url: gateway.url + "/page"})
	again := do(t, request{url: gateway.url + "/page", header: http.Header{"If-None-Match": {served.header.Get("Etag")}}})
	if served.status != http.StatusOK || again.status != http.StatusNotModified {
		t.Errorf("got %+v, then %+v", served, again)
	}

	testkit.WriteFile(t, page, "<p>second")
	testkit.Eventually(t, "the edit is served", func() bool { return do(t, request{url: gateway.url + "/page"}).body == "<p>second" })
	if edited := do(t, request{url: gateway.url + "/page"}); edited.header.Get("Etag") == served.header.Get("Etag") {
		t.Error("another content has the same ETag")
	}

	if err := os.Remove(page); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the log reports the missing file", func() bool { return strings.Contains(gateway.log.String(), "closed.html: no such file") })
	if got := do(t, request{url: gateway.url + "/page"}); got.body != "<p>second" {
		t.Errorf("without its file: got %+v", got)
	}
	testkit.WriteFile(t, page, "<p>third")
	testkit.Eventually(t, "the new file is served", func() bool { return do(t, request{url: gateway.url + "/page"}).body == "<p>third" })
}

// TestReloadRefusesLoop keeps the served table when the new one has a redirect that never
// ends, or a page that is not there.
func TestReloadRefusesLoop(t *testing.T) {
	t.Parallel()
	const head = "users: off\nroutes:\n  - {name: old, prefix: /old, auth: none, "
	file := testkit.TempFile(t, "routes.yaml", head+"redirect: {to: /new}}\n")
	gateway := start(t, file, nil)
	for bad, reason := range map[string]string{
		"redirect: {to: /old/older}}\n":    "redirect leads into a loop: /old → /old/older",
		"respond: {file: nowhere.html}}\n": "read file nowhere.html: no such file",
	} {
		testkit.WriteFile(t, file, head+bad)
		testkit.Eventually(t, "the log says "+reason, func() bool { return strings.Contains(gateway.log.String(), reason) })
		if got := do(t, request{url: gateway.url + "/old/a"}).header.Get("Location"); got != "/new/a" {
			t.Errorf("after a refused table: got %q", got)
		}
	}
}

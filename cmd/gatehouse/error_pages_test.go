package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// TestErrorPageFile serves an error page, and its edits. A page that vanishes stays as it
// was. A table that was refused because of a missing page is served when the page is there.
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

	testkit.WriteFile(t, file, "errors: {404: found.html}\n"+rest)
	testkit.Eventually(t, "the log reports the new page", func() bool { return strings.Contains(gateway.log.String(), "found.html cannot be read: no such file") })
	if got := lost(); got.body != "<p>second" {
		t.Errorf("after a refused table: got %+v", got)
	}
	testkit.WriteFile(t, filepath.Join(folder, "found.html"), "<p>found")
	testkit.Eventually(t, "the new page is served", func() bool { return lost().body == "<p>found" })
}

package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestBehindNginx uses a real nginx in front, which by default speaks HTTP/1.0
// to its backends. A backend's 1xx must not reach it (RFC 9110 section 15.2),
// or its clients get no answer.
func TestBehindNginx(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			t.Error("the backend was asked to upgrade by HTTP/1.0")
		}
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusProcessing)
		_, _ = io.WriteString(w, "done")
	}))
	defer backend.Close()
	for _, transport := range []string{"lean", "standard"} {
		gateway := start(t, openTable(t, backend.URL), map[string]string{"GATEWAY_TRANSPORT": transport})
		for _, upgrade := range []string{"", "proxy_set_header Upgrade websocket; proxy_set_header Connection upgrade;"} {
			front := startNginx(t, "location / { proxy_pass "+gateway.url+"; "+upgrade+" }")
			for _, path := range []string{"/open", "/open/again"} {
				a := do(t, request{url: front + path})
				if a.status != http.StatusOK || a.body != "done" {
					t.Errorf("%s, %q: %d %q", transport, upgrade, a.status, a.body)
				}
			}
		}
	}
}

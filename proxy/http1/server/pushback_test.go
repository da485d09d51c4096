package server

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// A handler may keep parts of its request. Using them after the handler has ended does not
// affect later requests.
func TestUseAfterTheHandlerHasEnded(t *testing.T) {
	kept := make(chan func(), 1)
	s := start(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case use := <-kept:
			use()
		default:
		}
		_, _ = io.WriteString(w, r.URL.Path)
		kept <- func() {
			if _, err := io.WriteString(w, "late"); !errors.Is(err, errHandlerDone) {
				t.Errorf("Write gave %v", err)
			}
			if err := http.NewResponseController(w).Flush(); !errors.Is(err, errHandlerDone) {
				t.Errorf("Flush gave %v", err)
			}
			w.WriteHeader(http.StatusTeapot)
			w.Header().Set("X", "late")
			if n, err := r.Body.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("Read gave %d, %v", n, err)
			}
		}
	})
	c := testkit.Dial(t, s.addr)
	c.TrySend(post("hello", "Content-Length: 5") + with("POST /b HTTP/1.1", "Host: h", "Content-Length: 3", "Connection: close") + "abc")
	if got := c.Rest(); strings.Count(got, "200 OK") != 2 || !strings.HasSuffix(got, "/b") || strings.Contains(got, "late") {
		t.Errorf("got %q", got)
	}
}

// MergeHeader saves copies for a handler that already has a header.
func TestMergeHeader(t *testing.T) {
	s := start(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Y", "0")
		w.(interface{ MergeHeader(http.Header) }).MergeHeader(http.Header{"Y": {"1", "2"}, "Content-Length": {"2"}})
		w.Header().Set("Z", "3")
		_, _ = io.WriteString(w, "ok")
	})
	c := testkit.Dial(t, s.addr)
	c.TrySend(get("Connection: close"))
	got := c.Rest()
	for _, line := range []string{"Y: 0\r\nY: 1\r\nY: 2\r\n", "Z: 3\r\n", "Content-Length: 2\r\n"} {
		if !strings.Contains(got, line) {
			t.Errorf("%q misses %q", got, line)
		}
	}
}

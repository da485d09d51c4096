package proxy

import (
	"net/http"
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

package proxy

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestHeadersEitherWay wants a backend to get the same headers by each of the
// three ways there: field by field on the lean lane, as a map with a body, and
// through httputil's own copy, which TE asks for.
func TestHeadersEitherWay(t *testing.T) {
	t.Parallel()
	k := start(t, identityTable, mirror)
	for name, headers := range map[string][]string{
		"none":       nil,
		"a browser":  {"User-Agent: b", "Accept: */*", "Cookie: a=b", "Accept-Encoding: gzip", "Origin: https://app.example.com"},
		"identity":   {"X-User-ID: evil", "x_user_id: evil", "X-User-Email: evil", "X-COMPANY-ID: evil"},
		"claims":     {"X-Forwarded-For: 6.6.6.6", "X-Forwarded-Host: evil", "Forwarded: for=6.6.6.6", "X-Real-IP: 6.6.6.6", "X-Forwarded-Port: 1"},
		"hop by hop": {"Keep-Alive: 5", "Proxy-Connection: x", "Proxy-Authorization: x", "X-Other: 1"},
		"repeated":   {"X-A: 1", "X-A: 2", "X-Empty:"},
		"user agent": {"User-Agent: a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			headers = append([]string{"Authorization: " + k.member()}, headers...)
			seen := func(way string, headers []string, post bool) http.Header {
				head := "GET /strict HTTP/1.1\r\n"
				if post {
					head = "POST /strict HTTP/1.1\r\nContent-Length: 2\r\n"
				}
				for _, header := range headers {
					head += header + "\r\n"
				}
				body := ""
				if post {
					body = "hi"
				}
				res := k.raw(head + "Host: x\r\n\r\n" + body)
				if res.StatusCode != http.StatusOK {
					t.Fatalf("%s: %d %s", way, res.StatusCode, res.body)
				}
				header := res.seen(t).Header
				for _, of := range []string{"X-Request-Id", "Te", "Content-Length", "Authorization"} {
					delete(header, of)
				}
				return header
			}
			field := seen("field by field", headers, false)
			if field.Get("X-User-Id") != testUser.String() {
				t.Errorf("the backend saw %v", field)
			}
			for way, header := range map[string]http.Header{
				"as a map": seen("as a map", headers, true),
				"httputil": seen("httputil", append(headers, "Te: trailers"), false),
			} {
				if diff := cmp.Diff(field, header); diff != "" {
					t.Errorf("%s (-field by field +so): %s", way, diff)
				}
			}
		})
	}
}

package proxy

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

const rewriteTable = `
users: off
defaults: {auth: none}
routes:
  - {name: orders, prefix: /api/v1/orders, backend: "${BACKEND}", rewrite: {from: '^/api/v1/orders/(\d+)$', to: '/orders/$1'}}
  - {name: base, prefix: /base, backend: "${BACKEND}/v2/", rewrite: {from: '^/base(/.*)?$', to: '/x$1'}}
  - {name: split, prefix: /split, backend: "${BACKEND}", rewrite: {from: '^/split/([^/]+)-([^/]+)$', to: '/$1/$2'}}
  - {name: member, prefix: /member, backend: "${BACKEND}", auth: strict, rewrite: {from: '^/member$', to: /admin}}
`

// rewriteRequests are requests with the target that the backend gets; "" stands for 502.
var rewriteRequests = []struct{ target, want string }{
	{"/api/v1/orders/7", "/orders/7"},
	{"/api/v1/orders/7?full=1&a=%2e%2E", "/orders/7?full=1&a=%2e%2E"},
	{"/api/v1/orders/x", "/api/v1/orders/x"},
	{"/api/v1/orders", "/api/v1/orders"},
	{"/api/v1/orders/%37", "/orders/7"},
	{"/api/v1/orders/%78", "/api/v1/orders/%78"}, // what is not rewritten stays byte for byte
	{"/base", "/v2/x"},
	{"/base?q", "/v2/x?q"},
	{"/base/", "/v2/x/"},
	{"/base/caf%C3%A9/%252", "/v2/x/caf%C3%A9/%252"},
	{"/split/a-b", "/a/b"},
	{"/split/a-..", ""},
	{"/split/..-a", ""},
}

func TestRewrite(t *testing.T) {
	eachLane(t, rewriteTable, testkit.Serve(t, mirror), func(t *testing.T, k *kit) {
		for _, test := range rewriteRequests {
			a := k.raw("GET " + test.target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			if test.want == "" {
				a.wantDetail(t, http.StatusBadGateway, "The request path cannot be rewritten for the upstream service.")
				continue
			}
			if got := a.seen(t).URI; got != test.want {
				t.Errorf("%s: the backend saw %s, want %s", test.target, got, test.want)
			}
		}
		if got := k.raw("GET /base/%7c/a|b/\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").seen(t).URI; got != "/v2/x/%7C/a|b/%FF" {
			t.Errorf("the backend saw %q", got)
		}
		// An expression is never matched with a long path, because that takes long.
		longest := "/base/" + strings.Repeat("a", 8<<10-len("/base/"))
		if got := k.get(longest).seen(t).URI; got != "/v2/x"+longest[len("/base"):] {
			t.Errorf("the backend saw %d bytes", len(got))
		}
		k.get(longest+"b").wantDetail(t, http.StatusRequestURITooLong, "The request path is too long to be rewritten.")
		// The policy is that of the client's path.
		if a := k.get("/member"); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("without a token: %d", a.StatusCode)
		}
		if got := k.get("/member", "Authorization: "+k.member()).seen(t).URI; got != "/admin" {
			t.Errorf("the backend saw %s", got)
		}
	})
}

func TestRewriteOverHTTP2(t *testing.T) {
	t.Parallel()
	k := startTLS(t, rewriteTable, testkit.Serve(t, mirror))
	for _, test := range rewriteRequests {
		a := k.get(test.target)
		if a.ProtoMajor != 2 {
			t.Fatalf("answered over %s", a.Proto)
		}
		if test.want == "" {
			a.wantDetail(t, http.StatusBadGateway, "The request path cannot be rewritten for the upstream service.")
			continue
		}
		if got := a.seen(t).URI; got != test.want {
			t.Errorf("%s: the backend saw %s, want %s", test.target, got, test.want)
		}
	}
}

// A refused path is logged with its route, and the connection stays usable.
func TestRewriteRefusalIsLogged(t *testing.T) {
	t.Parallel()
	k := start(t, rewriteTable, mirror)
	client := k.dial()
	for range 2 {
		client.Send("POST /split/a-.. HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
		receive(client).wantDetail(t, http.StatusBadGateway, "The request path cannot be rewritten for the upstream service.")
		if line := k.line(); line["route"] != "split" || line["path"] != "/split/a-.." || line["status"] != float64(http.StatusBadGateway) {
			t.Errorf("access line: %v", line)
		}
	}
}

package rewrite

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"gatehouse/config"
	"gatehouse/proxy/route"
)

// routeOf returns the only route of a table, with the given keys.
func routeOf(t testing.TB, keys string) *config.Route {
	t.Helper()
	table, err := config.Parse("routes.yaml", []byte("routes: [{name: r, "+keys+"}]"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return &table.Routes[0]
}

func TestApply(t *testing.T) {
	const api = `prefix: /api, backend: "http://b", `
	for _, test := range []struct {
		keys, path, want string // want is "" for a path that is refused
	}{
		{api + `rewrite: {from: '^/api/v1/orders/(\d+)$', to: '/orders/$1'}`, "/api/v1/orders/7", "/orders/7"},
		{api + `rewrite: {from: '^/api/v1/orders/(\d+)$', to: '/orders/$1'}`, "/api/v1/orders/7/", "/api/v1/orders/7/"},
		{api + `rewrite: {from: '^/api/v1/orders/(\d+)$', to: '/orders/$1'}`, "/api/v1/orders/x", "/api/v1/orders/x"},
		{api + `rewrite: {from: '^/api(/.*)?$', to: '/v2$1'}`, "/api", "/v2"},
		{api + `rewrite: {from: '^/api(/.*)?$', to: '/v2$1'}`, "/api/", "/v2/"},
		{api + `rewrite: {from: '^/api(/.*)?$', to: '/v2$1'}`, "/api/caf%C3%A9/%7c/é", "/v2/caf%C3%A9/%7C/%C3%A9"},
		{api + `rewrite: {from: '^/api(/.*)?$', to: '/v2$1'}`, "/api/%61%2e%2D%7E%5f%2525", "/v2/a.-~_%2525"},
		{api + `rewrite: {from: '^/api/secret$', to: /denied}`, "/api/s%65cre%74", "/denied"},
		{api + `rewrite: {from: '^/api/secret$', to: /denied}`, "/api/s%65crets", "/api/s%65crets"},
		{api + `rewrite: {from: '^/api/caf%C3%A9$', to: /denied}`, "/api/café", "/denied"},
		{api + `rewrite: {from: '^/api/caf%C3%A9$', to: /denied}`, "/api/caf%c3%a9", "/denied"},
		{api + `rewrite: {from: '^/api/(.*)$', to: '/$1'}`, "/api/", "/"},
		{api + `rewrite: {from: '^/api/([^/]+)-([^/]+)$', to: '/$1/$2'}`, "/api/a-b", "/a/b"},
		{api + `rewrite: {from: '^/api/([^/]+)-([^/]+)$', to: '/$1/$2'}`, "/api/a-..", ""},
		{api + `rewrite: {from: '^/api/(x+)-(y*)$', to: '/v/$1.$2'}`, "/api/x-y", "/v/x.y"},
		{api + `rewrite: {from: '^/api/x(%..)y(.*)$', to: '/$1$2'}`, "/api/x%7cy.", "/%7C."},
		{api + `rewrite: {from: '^/api/([^/]*)7C([^/]*)$', to: '/$1$2'}`, "/api/%7c", ""},
		{api + `rewrite: {from: '^/api/x([^/]*)2([^/]*)$', to: '/$1$2'}`, "/api/x%20", ""},
		{api + `rewrite: {from: '^/api/x%25(.*)$', to: '/a%25$1'}`, "/api/x%2541", "/a%2541"},
		{api + `rewrite: {from: '^/api/x%25(.*)$', to: '/a%25$1'}`, "/api/x%252f", ""},
		{api + `rewrite: {from: '^/api/(.+)-$', to: '/$1'}, allow_encoded_slashes: true`, "/api/a%2Fb-", "/a%2Fb"},
		{api + `rewrite: {from: '^/api/(.)$', to: '/$$$1'}`, "/api/x", "/$x"},
		{api + `rewrite: {from: '^/api/x/(.*)$', to: '/api/x/$1'}`, "/api/x/y", "/api/x/y"},
	} {
		p, err := NewPath(routeOf(t, test.keys))
		if err != nil && test.want != "" {
			t.Errorf("%s: %v", test.keys, err)
		}
		if err != nil {
			continue
		}
		got, ok := p.Apply(test.path)
		if ok != (test.want != "") || ok && got != test.want {
			t.Errorf("%s: %s became %q, %t, want %q", test.keys, test.path, got, ok, test.want)
		}
	}
}

// What makes a path that is not canonical from some short path of the route is an error
// of the table.
func TestNewPathRefuses(t *testing.T) {
	for rewrite, want := range map[string]string{
		`{from: '^/api(.*)$', to: '/x/$1'}`:           "makes /x// of /api/",
		`{from: '^/api(/.*)$', to: '/$1'}`:            "makes // of /api/",
		`{from: '^/api/(x?)/(.*)$', to: '/$1/$2'}`:    "",
		`{from: '^/api/(x?)y/(.*)$', to: '/$1/$2'}`:   "makes // of /api/y/",
		`{from: '^/api/(\.)x$', to: '/$1'}`:           "makes /. of /api/.x",
		`{from: '^/api/(.*)$', to: '/x/$1'}`:          "",
		`{from: '^/api(?:/(.*))?$', to: '/x/$1'}`:     "",
		`{from: '^/api/(\d+)/(\d+)$', to: '/$2-$1/'}`: "",
	} {
		_, err := NewPath(routeOf(t, `prefix: /api, backend: "http://b", rewrite: `+rewrite))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", rewrite, err, want)
		}
	}
}

// FuzzRewrite applies any rewrite that a table may have to any path that a client may
// send. The new path is canonical, or it is refused.
func FuzzRewrite(f *testing.F) {
	for _, seed := range [][3]string{
		{`^/api/(\d+)$`, "/orders/$1", "/api/7"},
		{"^/api(.*)$", "/$1", "/api/x"},
		{"^/api/(.)(.*)$", "/$2$1", "/api/%2e"},
		{"^/api/(.*)-(.*)$", "/x%$1$2", "/api/2-f"},
		{"^/api/([^/]*)/(.*)$", "/$1/$2", "/api/./x"},
		{"^/api/(.*)$", "/$1", "/api//evil.example"},
		{"^/api/(.*)$", "/$1", `/api/\evil.example`},
		{"^/api/(.*);(.*)$", "/$1;$2", "/api/..;/x"},
	} {
		f.Add(seed[0], seed[1], seed[2], false)
		f.Add(seed[0], seed[1], seed[2], true)
	}
	f.Fuzz(func(t *testing.T, from, to, target string, slashes bool) {
		path, ok := route.ParsePath(target)
		if !ok || path.EncodedSlash && !slashes {
			return
		}
		written, err := json.Marshal(map[string]string{"from": from, "to": to}) // JSON is YAML
		if err != nil {
			return
		}
		table, err := config.Parse("routes.yaml", fmt.Appendf(nil,
			"routes: [{name: r, prefix: /, backend: 'http://b', allow_encoded_slashes: %t, rewrite: %s}]", slashes, written), nil)
		if err != nil {
			return
		}
		p, err := NewPath(&table.Routes[0])
		if err != nil {
			return
		}
		rewritten, ok := p.Apply(path.Raw)
		if !ok {
			return
		}
		again, ok := route.ParsePath(rewritten)
		if !ok || again.Raw != rewritten || again.EncodedSlash && !slashes {
			t.Fatalf("%s to %s makes %q of %q", from, to, rewritten, path.Raw)
		}
		if !strings.HasPrefix(rewritten, "/") || strings.HasPrefix(rewritten, "//") || strings.ContainsAny(rewritten, "\\?# \r\n\x00") {
			t.Fatalf("%s to %s makes %q of %q, which leads to another place", from, to, rewritten, path.Raw)
		}
	})
}

func BenchmarkApply(b *testing.B) {
	p, err := NewPath(routeOf(b, `prefix: /api, backend: "http://b", rewrite: {from: '^/api/v1/orders/(\d+)$', to: '/orders/$1'}`))
	if err != nil {
		b.Fatal(err)
	}
	for name, path := range map[string]string{"match": "/api/v1/orders/4711", "no match": "/api/v1/customers/4711"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = p.Apply(path)
			}
		})
	}
}

// BenchmarkWorstCase has an expression and a path that are as expensive as the bounds allow.
func BenchmarkWorstCase(b *testing.B) {
	p, err := NewPath(routeOf(b, `prefix: /, backend: "http://b", rewrite: {from: '^/(?:.*a.?){0,40}x$', to: '/'}`))
	if err != nil {
		b.Fatal(err)
	}
	path := "/" + strings.Repeat("a", 32<<10)
	for b.Loop() {
		_, _ = p.Apply(path)
	}
}

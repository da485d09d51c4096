package rewrite

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// backOf returns the Back of a route with the given keys.
func backOf(t testing.TB, keys string) *Back {
	t.Helper()
	cfg := routeOf(t, keys)
	if cfg.Rewrite == nil {
		return NewBack(cfg, nil)
	}
	rewritten, err := NewPath(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return NewBack(cfg, rewritten)
}

// Routes on which something is mapped.
const (
	stripped  = `prefix: /api, backend: "http://app:8080", strip_prefix: true`
	based     = `prefix: /orders, backend: "http://app/v2/"`
	both      = `prefix: /api, backend: "https://app/v2", strip_prefix: true`
	preserved = `prefix: /api, backend: "http://app", strip_prefix: true, preserve_host: true`
	literal   = `prefix: /old, backend: "http://app", rewrite: {from: '^/old/page$', to: /new}`
	literal2  = `prefix: /old, backend: "http://app/v2", rewrite: {from: '^/old/page$', to: /new}`
	many      = `prefix: /app, backend: "http://app/v2", rewrite: {from: '^/app/.*$', to: /index.html}`
	inside    = `prefix: /api, backend: "http://app/api/v1", strip_prefix: true`
	outside   = `prefix: /api/v1, backend: "http://app/api", strip_prefix: true`
	ipv6      = `prefix: /api, backend: "http://[::1]:8080", strip_prefix: true`
)

func TestLocation(t *testing.T) {
	const client = "shop.example.com"
	for _, test := range []struct{ keys, address, want string }{ // want is "" for what stays
		// Paths.
		{stripped, "/login", "/api/login"},
		{stripped, "/login?next=/a&b#c?d", "/api/login?next=/a&b#c?d"},
		{stripped, "/", "/api/"},
		{stripped, "/?a", "/api/?a"},
		{stripped, "/caf%C3%A9/é/", "/api/caf%C3%A9/é/"},
		{stripped, "/api/login", ""}, // the backend knows its prefix
		{stripped, "/api", ""},
		{stripped, "/apis", "/api/apis"},
		{based, "/v2/orders/7", "/orders/7"},
		{based, "/v2", "/"},
		{based, "/v2/", "/"},
		{based, "/v2?a", "/?a"},
		{based, "/v2/login", "/login"},
		{based, "/v2x", ""},
		{based, "/orders/7", ""},
		{both, "/v2/x", "/api/x"},
		{both, "/v2", "/api"},
		{both, "/v2/", "/api/"},
		{both, "/x", ""},
		{both, "/api/x", ""},
		{inside, "/api/v1/x", "/api/x"}, // the base says more than the prefix
		{inside, "/api/x", ""},
		{outside, "/api/x", "/api/v1/x"},
		{outside, "/api/v1/x", ""},
		// Relative addresses, and none.
		{stripped, "login", ""},
		{stripped, "./login", ""},
		{stripped, "../login", ""},
		{stripped, "?a", ""},
		{stripped, "#a", ""},
		{stripped, "", ""},
		{stripped, "mailto:a@app:8080", ""},
		{stripped, "javascript://app:8080/%0a", ""},
		// The backend's own host, and others.
		{stripped, "http://app:8080/login?a#b", "/api/login?a#b"},
		{stripped, "HTTP://APP:8080/login", "/api/login"},
		{stripped, "https://app:8080/login", "/api/login"},
		{stripped, "//app:8080/login", "/api/login"},
		{stripped, "http://app:8080", "/api/"},
		{stripped, "http://app:8080?a=/b", "/api/?a=/b"},
		{stripped, "http://app/login", ""},
		{stripped, "http://app:80/login", ""},
		{stripped, "http://app:8080@evil.example/login", ""},
		{stripped, "http://a@app:8080/login", ""},
		{stripped, "http://app:8080.evil.example/", ""},
		{stripped, "http://app:8080\\@evil.example/", ""},
		{stripped, "http://evil.example/login", ""},
		{stripped, "//evil.example/login", ""},
		{stripped, "ftp://app:8080/login", ""},
		{based, "http://app/v2/x", "/x"},
		{based, "http://app:80/v2/x", "/x"},
		{based, "https://app/v2/x", "/x"},
		{based, "https://app:443/v2/x", ""},
		{based, "http://app/x", ""},
		{both, "https://app:443/v2/x", "/api/x"},
		{ipv6, "http://[::1]:8080/x", "/api/x"},
		{ipv6, "http://[::1]/x", ""},
		// The client's host, by which the backend may call itself.
		{preserved, "https://shop.example.com/login", "https://shop.example.com/api/login"},
		{preserved, "https://Shop.Example.Com/login?a", "https://Shop.Example.Com/api/login?a"},
		{preserved, "//shop.example.com/login", "//shop.example.com/api/login"},
		{preserved, "https://shop.example.com", "https://shop.example.com/api/"},
		{preserved, "https://shop.example.com/api/login", ""},
		{preserved, "https://shop.example.com:8443/login", ""},
		{based, "https://shop.example.com/v2/x", "https://shop.example.com/x"},
		{based, "https://shop.example.com/x", ""},
		{stripped, "https://shop.example.com/login", ""}, // perhaps another part of the site
		// Nothing that programs read in different ways.
		{stripped, "/a//b", ""},
		{stripped, "/../b", ""},
		{stripped, "/%2e%2e/b", ""},
		{stripped, `/\evil.example`, ""},
		{stripped, "/a b", ""},
		{stripped, "/a\tb", ""},
		{based, "/v2//evil.example", ""},
		{based, `/v2/\evil.example`, ""},
		{based, "/v2/../x", ""},
		{based, "http://app/v2//evil.example", ""},
		// Rewrites without groups.
		{literal, "/new", "/old/page"},
		{literal, "/new?a", "/old/page?a"},
		{literal, "http://app/new", "/old/page"},
		{literal, "/new/x", ""},
		{literal, "/old/page", ""},
		{literal, "/x", ""},
		{literal2, "/v2/new", "/old/page"},
		{literal2, "/v2/old/x", "/old/x"},
		{literal2, "/v2/old/page", ""}, // the client would get /v2/new
		{literal2, "/new", ""},
		{many, "/v2/index.html", ""},
		{many, "/v2/other", "/other"},
		{many, "/v2/app/x", ""},
	} {
		got, ok := backOf(t, test.keys).Location(test.address, client)
		if ok != (test.want != "") || ok && got != test.want {
			t.Errorf("%s: %q became %q, %t, want %q", test.keys, test.address, got, ok, test.want)
		}
	}
}

func TestCookie(t *testing.T) {
	for _, test := range []struct{ keys, field, want string }{
		{stripped, "a=b; Path=/; HttpOnly", "a=b; Path=/api; HttpOnly"},
		{stripped, "a=b; path=/x/;Secure", "a=b; path=/api/x/;Secure"},
		{stripped, "a=b;PATH = /x ", "a=b;PATH =/api/x"},
		{stripped, "a=b; Path=/api/x", ""},
		{stripped, "a=b; Path=/x; Domain=app; Path=/y", "a=b; Path=/api/x; Domain=app; Path=/api/y"},
		{stripped, "a=b", ""},
		{stripped, "a=b; HttpOnly", ""},
		{stripped, "a=b; Path", ""},
		{stripped, "a=b; Path=", ""},
		{stripped, `a=b; Path="/x"`, ""},
		{stripped, "a=b; Path=x", ""},
		{stripped, "Path=/x", ""},
		{stripped, "Path=/x; Path=/y", "Path=/x; Path=/api/y"},
		{stripped, "a=/x; Pathology=/x", ""},
		{stripped, "__Host-a=b; Path=/; Secure", ""},
		{stripped, " __host-a=b; Path=/; Secure", ""},
		{stripped, "__Secure-a=b; Path=/; Secure", "__Secure-a=b; Path=/api; Secure"},
		{stripped, "a=b; Path=/x//y", ""},
		{stripped, `a=b; Path=/\x`, ""},
		{based, "a=b; Path=/v2", "a=b; Path=/"},
		{based, "a=b; Path=/v2/", "a=b; Path=/"},
		{based, "a=b; Path=/v2/orders; SameSite=Lax", "a=b; Path=/orders; SameSite=Lax"},
		{based, "a=b; Path=/", ""},
		{based, "a=b; Path=/v2x", ""},
		{both, "a=b; Path=/v2", "a=b; Path=/api"},
		{both, "a=b; Path=/v2/", "a=b; Path=/api"},
		{literal, "a=b; Path=/new", "a=b; Path=/old/page"},
		{literal, "a=b; Path=/", ""},
	} {
		got, ok := backOf(t, test.keys).Cookie(test.field)
		if ok != (test.want != "") || ok && got != test.want {
			t.Errorf("%s: %q became %q, %t, want %q", test.keys, test.field, got, ok, test.want)
		}
	}
}

// Where nothing is mapped, a route has no Back, and its answers cost nothing.
func TestNothingToMap(t *testing.T) {
	for _, keys := range []string{
		`prefix: /api, backend: "http://app"`,
		`prefix: /, backend: "http://app/", strip_prefix: true`,
		`prefix: /api, backend: "http://app/api", strip_prefix: true`,
		`prefix: /api, backend: "http://app/v2", rewrite_location: off`,
		`prefix: /api, backend: "http://app/v2", strip_prefix: true, rewrite_location: false`,
		`prefix: /api, backend: "http://app/v2", rewrite: {from: '^/api/(.*)$', to: /$1}`,
		`prefix: /api, backend: "http://app", rewrite: {from: '^/api/.*$', to: /index.html}`,
	} {
		if backOf(t, keys) != nil {
			t.Errorf("%s: there is something to map", keys)
		}
	}
}

func TestMap(t *testing.T) {
	header := http.Header{
		"Location": {"/a"}, "Content-Location": {"http://app:8080/b"}, "Set-Cookie": {"a=b; Path=/", "c=d", "e=f; Path=/x"}, "Link": {"</a>; rel=next"},
	}
	backOf(t, stripped).Map(header, "")
	want := `map[Content-Location:[/api/b] Link:[</a>; rel=next] Location:[/api/a] Set-Cookie:[a=b; Path=/api c=d e=f; Path=/api/x]]`
	if got := fmt.Sprint(header); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzMap maps whatever a backend may send. A mapped address leads to the same host as
// before, or to the gateway; it never begins a host or another header line. A client that
// follows it comes to where the backend has meant.
func FuzzMap(f *testing.F) {
	for _, seed := range []string{
		"/login", "/v2/x", "//evil.example", `/\evil.example`, "http://app:8080/x", "http://app:8080//evil.example", "/v2//evil.example", `/v2/\evil`,
		"/v2/..//evil", "/new", "https://shop.example.com/v2//evil.example", "/v2/\r\nX: y", "\t/x", "http:/x", "http:x", "/v2?//evil", "/v2#//evil",
	} {
		f.Add(seed, seed)
		f.Add(seed, "a=b; Path="+seed)
	}
	const client = "shop.example.com"
	public, _ := url.Parse("https://" + client + "/")
	routes := map[string]*Back{}
	for _, keys := range []string{stripped, based, both, preserved, literal, literal2, many, inside, outside} {
		routes[keys] = backOf(f, keys)
	}
	f.Fuzz(func(t *testing.T, address, field string) {
		for keys, b := range routes {
			if mapped, ok := b.Location(address, client); ok {
				parsed, err := public.Parse(mapped)
				if head, _, _ := strings.Cut(mapped, "?"); err == nil && parsed.Host != client && !strings.Contains(head, "#") {
					t.Fatalf("%s: %q became %q, which leads to %q", keys, address, mapped, parsed.Host)
				}
				path := mapped
				if end := strings.IndexAny(path, "?#"); end >= 0 {
					path = path[:end]
				}
				if strings.HasPrefix(path, "//") && !strings.HasPrefix(strings.ToLower(path), "//"+client) || strings.ContainsAny(path, "\\\r\n\t ") {
					t.Fatalf("%s: %q became %q", keys, address, mapped)
				}
				if _, tail, _ := strings.Cut(address, "?"); !strings.HasSuffix(mapped, tail) {
					t.Fatalf("%s: %q became %q, without its query", keys, address, mapped)
				}
			}
			mapped, ok := b.Cookie(field)
			if ok && strings.Count(mapped, ";") != strings.Count(field, ";") {
				t.Fatalf("%s: %q became %q", keys, field, mapped)
			}
			for _, control := range "\r\n\x00" {
				if ok && strings.Count(mapped, string(control)) > strings.Count(field, string(control)) {
					t.Fatalf("%s: %q became %q", keys, field, mapped)
				}
			}
		}
	})
}

func BenchmarkMap(b *testing.B) {
	back := backOf(b, stripped)
	for name, header := range map[string]http.Header{
		"nothing":  {"Content-Type": {"text/plain"}, "Etag": {"x"}},
		"location": {"Location": {"/login?a=b"}},
		"absolute": {"Location": {"http://app:8080/login?a=b"}},
		"cookie":   {"Set-Cookie": {"sid=4711; Path=/; HttpOnly"}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if one := header["Location"]; len(one) > 0 {
					_, _ = back.Location(one[0], "shop.example.com")
					continue
				}
				if one := header["Set-Cookie"]; len(one) > 0 {
					_, _ = back.Cookie(one[0])
					continue
				}
				back.Map(header, "shop.example.com")
			}
		})
	}
}

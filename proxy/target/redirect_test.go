package target

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"gatehouse/config"
)

// behind returns a request as the gateway passes it to a target.
func behind(host, rest, query string) *http.Request {
	path, err := url.PathUnescape(rest)
	if err != nil {
		path = rest
	}
	return &http.Request{Method: http.MethodGet, Host: host, URL: &url.URL{Path: path, RawPath: rest, RawQuery: query}}
}

func TestLocation(t *testing.T) {
	for _, test := range []struct{ to, host, rest, query, want string }{
		{"/new", "", "", "", "/new"},
		{"/new", "", "/", "", "/new/"},
		{"/new", "", "/a/b", "x=1&y", "/new/a/b?x=1&y"},
		{"/new/", "", "/a", "", "/new/a"},
		{"/", "", "/a", "", "/a"},
		{"/new?", "", "/a", "x=1", "/new"},
		{"/new?fixed=1", "", "/a", "x=1", "/new?fixed=1"},
		{"https://new.example.com", "", "", "", "https://new.example.com"},
		{"https://new.example.com", "", "/a", "x=1", "https://new.example.com/a?x=1"},
		{"https://new.example.com:8443/base", "", "/a", "", "https://new.example.com:8443/base/a"},
		{"/{rest}", "", "/a/b", "x=1", "/a/b?x=1"},
		{"/{rest}", "", "//evil.example", "", "/evil.example"},
		{"/{rest}", "", `/\evil.example`, "", "/evil.example"},
		{"/v2/{rest}/index.html", "", "/a", "", "/v2/a/index.html"},
		{"/{rest}/index.html", "", "", "", "/index.html"},
		{"/{rest}/index.html", "", "/a/", "", "/a/index.html"},
		{"/v2/{rest}/{rest}/x", "", "/", "", "/v2/x"},
		{"/find?q={rest}", "", "/a&b=c", "x=1", "/find?q=a%26b%3Dc"},
		{"https://{host}/{rest}", "shop.example.com", "/a", "", "https://shop.example.com/a"},
		{"https://www.{host}:8443", "example.com", "/a", "", "https://www.example.com:8443/a"},
		{"https://{host}/x", "2001:db8::1", "", "", "https://[2001:db8::1]/x"},
		{"https://new.example.com/from/{host}", "a.example.com", "", "", "https://new.example.com/from/a.example.com"},
		{"/new", "", "/caf%C3%A9%2F/é", "q=é", "/new/caf%C3%A9%2F/%C3%A9?q=%C3%A9"},
		{"/new", "", "/a%", "x=%zz", "/new/a%25?x=%25zz"},
		{"/new", "", "/{rest}", "{host}", "/new/%7Brest%7D?%7Bhost%7D"},
	} {
		got := NewRedirect(&config.Redirect{To: test.to, Status: http.StatusFound}).Location(behind(test.host, test.rest, test.query))
		if got != test.want {
			t.Errorf("to %q with rest %q and query %q: got %q, want %q", test.to, test.rest, test.query, got, test.want)
		}
	}
}

func TestRedirectAnswers(t *testing.T) {
	w := httptest.NewRecorder()
	if refusal := NewRedirect(&config.Redirect{To: "/new", Status: http.StatusSeeOther}).Answer(w, behind("", "/a", "")); refusal != nil {
		t.Fatal(refusal)
	}
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/new/a" || w.Header().Get("Content-Length") != "0" || w.Body.Len() != 0 {
		t.Errorf("got %d %v %q", w.Code, w.Header(), w.Body)
	}
}

// A client never chooses the host of a redirect, and never begins another header line.
func FuzzLocation(f *testing.F) {
	targets := []struct{ to, host string }{
		{"/new", "gate.example.com"},
		{"/", "gate.example.com"},
		{"/{rest}", "gate.example.com"},
		{"/a{rest}", "gate.example.com"},
		{"/{rest}/x", "gate.example.com"},
		{"/{rest}{rest}/{rest}/{host}/x", "gate.example.com"},
		{"/find?q={rest}", "gate.example.com"},
		{"https://new.example.com", "new.example.com"},
		{"https://new.example.com/{rest}", "new.example.com"},
		{"https://new.example.com:8443/x?y={rest}&{host}", "new.example.com:8443"},
	}
	for _, rest := range []string{"", "/", "//evil.example", `/\evil.example`, "@evil.example", ".evil.example", ":443@evil.example/", "/\r\nX: y", "/%0d%0aX: y", "/\t//evil", "/%5Cevil"} {
		f.Add(rest, "a=b\r\nX: y#z", "evil.example")
		f.Add(rest, "", "evil.example/@")
	}
	base, _ := url.Parse("https://gate.example.com/old")
	f.Fuzz(func(t *testing.T, rest, query, host string) {
		for _, target := range targets {
			location := NewRedirect(&config.Redirect{To: target.to, Status: http.StatusFound}).Location(behind(host, rest, query))
			if strings.ContainsFunc(location, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' || r == '#' }) {
				t.Fatalf("to %q: location %q has a byte that no address has", target.to, location)
			}
			parsed, err := base.Parse(location)
			if err != nil {
				t.Fatalf("to %q: location %q: %v", target.to, location, err)
			}
			if parsed.Host != target.host || parsed.Scheme != "https" || parsed.User != nil {
				t.Fatalf("to %q: location %q leads to %q", target.to, location, parsed.Host)
			}
		}
	})
}

// A table that is valid never lets a client choose the host, whatever its placeholders.
func FuzzRedirectOfTable(f *testing.F) {
	for _, to := range []string{
		"/new", "/{rest}/x", "/{rest}{rest}", "/{host}/{rest}", "https://{host}.example.com", "https://a.{host}:8443/{rest}", "//x", "/\\x", "/%2F%2Fx",
		"https://{rest}", "https://x@{host}", "http:{rest}", "{rest}", "https:///x", "https://x\\{rest}", "/?{rest}", "https://x?{rest}", "/.{rest}",
	} {
		f.Add(to, "/evil.example/a", "x=1")
		f.Add(to, "", "")
		f.Add(to, "//evil.example", "")
	}
	base, _ := url.Parse("https://a.example.com/old")
	f.Fuzz(func(t *testing.T, to, rest, query string) {
		written, err := json.Marshal(to) // JSON is YAML
		if err != nil {
			return
		}
		table, err := config.Parse("routes.yaml", []byte("routes: [{name: a, prefix: /old, hosts: [a.example.com], redirect: {to: "+string(written)+"}}]"), nil)
		if err != nil {
			return
		}
		redirect := NewRedirect(table.Routes[0].Redirect)
		expected, err := base.Parse(strings.ReplaceAll(redirect.origin, config.PlaceholderHost, "a.example.com") + "/")
		if err != nil {
			t.Fatalf("to %q is valid: %v", to, err)
		}
		for _, below := range []string{rest, ""} {
			location := redirect.Location(behind("a.example.com", below, query))
			parsed, err := base.Parse(location)
			if err != nil || parsed.Host != expected.Host || parsed.User != nil || strings.HasPrefix(location, "//") || strings.ContainsAny(location, "\\\r\n\t #") {
				t.Fatalf("to %q: location %q, %v", to, location, err)
			}
		}
	})
}

func BenchmarkLocation(b *testing.B) {
	redirect := NewRedirect(&config.Redirect{To: "/new", Status: http.StatusFound})
	request := behind("", "/a/b", "x=1")
	b.ReportAllocs()
	for b.Loop() {
		_ = redirect.Location(request)
	}
}

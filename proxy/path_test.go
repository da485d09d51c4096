package proxy

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// paths is the corpus: request targets and what becomes of them.
var acceptedTargets = map[string]Path{
	"/":                     {Raw: "/", Lenient: "/"},
	"/?":                    {Raw: "/", Lenient: "/"},
	"/a":                    {Raw: "/a", Lenient: "/a"},
	"/a/":                   {Raw: "/a/", Lenient: "/a/"},
	"/a/b?c=/../d":          {Raw: "/a/b", Lenient: "/a/b"},
	"/a?b?c":                {Raw: "/a", Lenient: "/a"},
	"/a|b":                  {Raw: "/a|b", Lenient: "/a|b"},
	`/"<>^` + "`{}":         {Raw: `/"<>^` + "`{}", Lenient: `/"<>^` + "`{}"},
	"/:@!$&'()*+,=-._~":     {Raw: "/:@!$&'()*+,=-._~", Lenient: "/:@!$&'()*+,=-._~"},
	"/.well-known":          {Raw: "/.well-known", Lenient: "/.well-known"},
	"/...":                  {Raw: "/...", Lenient: "/..."},
	"/a..b/..c/d..":         {Raw: "/a..b/..c/d..", Lenient: "/a..b/..c/d.."},
	"/%7Euser":              {Raw: "/%7Euser", Lenient: "/~user"},
	"/%7euser":              {Raw: "/%7euser", Lenient: "/~user"},
	"/%41%4a":               {Raw: "/%41%4a", Lenient: "/AJ"},
	"/a%20b":                {Raw: "/a%20b", Lenient: "/a b"},
	"/100%25":               {Raw: "/100%25", Lenient: "/100%"},
	"/100%25zz":             {Raw: "/100%25zz", Lenient: "/100%zz"},
	"/%2541":                {Raw: "/%2541", Lenient: "/A"},
	"/%3Fx":                 {Raw: "/%3Fx", Lenient: "/?x"},
	"/%23x":                 {Raw: "/%23x", Lenient: "/#x"},
	"/a%2Fb":                {Raw: "/a%2Fb", Lenient: "/a/b", EncodedSlash: true},
	"/a%2fb/%2F":            {Raw: "/a%2fb/%2F", Lenient: "/a/b", EncodedSlash: true},
	"/caf%C3%A9":            {Raw: "/caf%C3%A9", Lenient: "/café"},
	"/café/日本":              {Raw: "/café/日本", Lenient: "/café/日本"},
	"/%E9t%E9":              {Raw: "/%E9t%E9", Lenient: "/\xe9t\xe9"}, // Latin-1
	"/a;b=c/d":              {Raw: "/a;b=c/d", Lenient: "/a/d"},
	"/a%3Bb":                {Raw: "/a%3Bb", Lenient: "/a"},
	"http://host/a":         {Raw: "/a", Lenient: "/a"},
	"HTTPS://host:8/a?b":    {Raw: "/a", Lenient: "/a"},
	"http://host":           {Raw: "/", Lenient: "/"},
	"http://host?a=/b":      {Raw: "/", Lenient: "/"},
	"http://user:pw@host/a": {Raw: "/a", Lenient: "/a"},
}

var refusedTargets = []string{
	// Not a path.
	"", "*", "a", "?a", "host:443", "mailto:a", "//", "//host/a", "://host/a", "ftp://host/a", "a:b://c/d", "http:/a", "http:a",
	// Dot segments.
	"/.", "/..", "/./a", "/../a", "/a/.", "/a/..", "/a/./b", "/a/../b", "http://host/../a", "http://host/..",
	"/%2e", "/%2E%2e/a", "/.%2e/a", "/%2e./a", "/a/%2e%2e", "/a/%2e%2e/b", "/a/%2e/b",
	"/%252e%252e/a", "/%252e./a", "/a/.%252e/b", "/%25%32%65%25%32%65/a", "/%25252e%25252e/a", "/%2525252e/a",
	"/a%2f..%2fb", "/a%2F%2e%2e%2Fb", "/..%2fa", "/%2e%2e%2fa", "/a/..%2f", "/..%20/a", "/%20../a",
	// Path parameters on dot segments, or on nothing.
	"/..;/a", "/a/..;x=y/b", "/.;/a", "/..%3b/a", "/%2e%2e;/a", "/;/a", "/;a=b", "/a/;", "/%3b/a", "/a%2f;/b",
	// Empty segments.
	"//a", "/a//b", "/a//", "///", "http://host//a", "http:////a",
	// Backslashes.
	`/a\b`, `/\a`, `\a`, `/..\a`, "/a%5cb", "/a%5Cb", "/a%255cb", "/%5c..%5ca",
	// Slashes encoded twice.
	"/a%252fb", "/a%252Fb", "/a%25%32%66b", "/a%2525252fb",
	// Control characters, and space.
	"/a\x00", "/a\x01", "/a\tb", "/a\r\nb", "/a\x7f", "/a b", "/a%00", "/a%00.png", "/a%0d%0ab", "/a%0A", "/a%09", "/a%1f", "/a%7f", "/a%2500",
	"/a?b c", "/a?b\tc", "/a?b\x00", "/a?b\x7f", "http://host?a b", "http://ho st/a",
	// Broken escapes.
	"/%", "/a%", "/a%2", "/a%zz", "/a%g0", "/a%0g", "/%u002e", "/a%%41", "/%-1",
	// Overlong UTF-8, plain and encoded.
	"/%c0%ae%c0%ae/a", "/%c0%af", "/a%C0%AFb", "/%c1%9c", "/%e0%80%af", "/%e0%80%ae", "/%f0%80%80%af", "/%f0%80%80%ae",
	"/\xc0\xaf", "/\xc0%af", "/%25c0%25af", "/%c0", "/%f8%80%80%80%af", "/%fc%80%80%80%80%af",
	// Fragments.
	"/a#b", "/#", "/a#/../b", "http://host/a#b", "http://host#b", "/a?b#c",
}

func TestCanonicalPath(t *testing.T) {
	t.Parallel()
	for target, want := range acceptedTargets {
		if got, ok := CanonicalPath(target); !ok || got != want {
			t.Errorf("CanonicalPath(%q) = %+v, %v, want %+v", target, got, ok, want)
		}
	}
	for _, target := range refusedTargets {
		if got, ok := CanonicalPath(target); ok {
			t.Errorf("CanonicalPath(%q) = %+v, want it refused", target, got)
		}
	}
}

// TestRefusedTargetsOnTheWire sends every refused target as it stands. Those
// that net/http cannot parse it refuses itself.
func TestRefusedTargetsOnTheWire(t *testing.T) {
	t.Parallel()
	k := start(t, strings.Replace(openTable, "auth: none", "auth: none, allow_encoded_slashes: true", 1),
		func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the backend was asked for %q", r.RequestURI) })
	for _, target := range refusedTargets {
		res := k.raw("GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if res.StatusCode != 400 {
			t.Errorf("%q: status %d", target, res.StatusCode)
		}
		if strings.HasPrefix(res.body, "{") {
			res.wantDetail(t, 400, "The request path is ambiguous or malformed.")
		}
	}
}

// TestTargetsPassByteForByte holds what a backend sees against what was sent.
func TestTargetsPassByteForByte(t *testing.T) {
	t.Parallel()
	k := start(t, strings.Replace(openTable, "auth: none", "auth: none, allow_encoded_slashes: true", 1),
		func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.RequestURI)) })
	targets := []string{
		"/?", "/a?", "/a?%zz", "/a?b;c", "/a?x=1;y=2&z", "/a?b=%41%7e+|", "/a?\xe9=é", "/a?b?c", "/a?%", "/a?/../b", "/a?b=http://c//d",
		"/a?" + strings.Repeat("p&", 11_000),
	}
	for target := range acceptedTargets {
		targets = append(targets, target)
	}
	for _, target := range targets {
		want := target
		if _, rest, absolute := strings.Cut(target, "://"); absolute && target[0] != '/' {
			want = strings.TrimPrefix(rest, strings.FieldsFunc(rest, func(r rune) bool { return r == '/' || r == '?' })[0])
			if !strings.HasPrefix(want, "/") {
				want = "/" + want
			}
		}
		res := k.raw("GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if res.StatusCode != 200 || res.body != want {
			t.Errorf("sent %q: %d, the backend saw %q, want %q", target, res.StatusCode, res.body, want)
		}
	}
}

// readings are what careless backends make of a path: decoded up to twice,
// path parameters cut off before or after, backslashes taken for slashes,
// slashes collapsed, dots resolved.
func readings(raw string) []string {
	decode := func(s string) string {
		if decoded, err := url.PathUnescape(s); err == nil {
			return decoded
		}
		return s
	}
	withoutParameters := func(s string) string {
		segments := strings.Split(s, "/")
		for i := range segments {
			segments[i], _, _ = strings.Cut(segments[i], ";")
		}
		return strings.Join(segments, "/")
	}
	texts := []string{raw, withoutParameters(raw)}
	for range 2 {
		for _, text := range texts {
			texts = append(texts, decode(text), withoutParameters(decode(text)))
		}
	}
	resolved := make([]string, len(texts))
	for i, text := range texts {
		resolved[i] = resolve(strings.ReplaceAll(text, `\`, "/"))
	}
	return resolved
}

// resolve is a file system's reading: path.Clean, above the root too.
func resolve(text string) string {
	var stack []string
	for segment := range strings.SplitSeq(text, "/") {
		switch segment {
		case "", ".":
		case "..":
			if len(stack) > 0 {
				stack = stack[:len(stack)-1]
			}
		default:
			stack = append(stack, segment)
		}
	}
	return "/" + strings.Join(stack, "/")
}

// FuzzCanonicalPath holds the promise: whatever a careless backend makes of a
// path that is forwarded, it lies under the prefix that was matched, and no
// other route would have taken it.
func FuzzCanonicalPath(f *testing.F) {
	for target := range acceptedTargets {
		f.Add(target)
	}
	for _, target := range refusedTargets {
		f.Add(target)
	}
	for _, path := range []string{"/admin/a", "/%61dmin", "/admin;x", "/api/v1/%2e%2e/admin", "/x%2Fadmin", "/api%2Fv1/a", "/caf%c3%a9"} {
		f.Add(path)
	}
	table := matcher(f,
		`name: root, prefix: /, allow_encoded_slashes: true`,
		`name: admin, prefix: /admin`,
		`name: api, prefix: /api/v1, allow_encoded_slashes: true`,
		`name: apiadmin, prefix: /api/v1/admin`,
		`name: a, prefix: /a`,
	)
	f.Fuzz(func(t *testing.T, target string) {
		path, ok := CanonicalPath(target)
		if !ok {
			return
		}
		if !strings.Contains(target, path.Raw) || path.Raw[0] != '/' {
			t.Fatalf("%q: path %q is not the target's", target, path.Raw)
		}
		q := query{method: "GET", host: "x"}
		found, refusal := table.match(path, q)
		if refusal != nil {
			return
		}
		prefix := strings.TrimSuffix(found.config.Prefix, "/")
		for _, reading := range readings(path.Raw) {
			if reading != prefix && !strings.HasPrefix(reading, prefix+"/") {
				t.Fatalf("%q matched %s and could be read as %q", path.Raw, prefix, reading)
			}
			if other := table.index.lookup(reading, &q); other.route != found {
				t.Fatalf("%q matched %s and could be read as %q, which is %s's", path.Raw, prefix, reading, other.route.config.Prefix)
			}
		}
	})
}

func BenchmarkCanonicalPath(b *testing.B) {
	for name, target := range map[string]string{
		"plain":   "/api/v1/query/chats/42/messages?limit=20",
		"escaped": "/api/v1/query/caf%C3%A9/a%20b?limit=20",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := CanonicalPath(target); !ok {
					b.Fatal("refused")
				}
			}
		})
	}
}

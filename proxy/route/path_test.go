package route

import (
	"net/url"
	"strings"
	"testing"

	"gatehouse/proxy/route/routetest"
)

func TestCanonicalPath(t *testing.T) {
	t.Parallel()
	accepted, refused := routetest.Targets(t)
	for target, want := range accepted {
		got, ok := ParsePath(target)
		if !ok || got.Raw != want.Raw || got.Lenient != want.Lenient || got.EncodedSlash != want.EncodedSlash {
			t.Errorf("ParsePath(%.100q) = %.100q, %.100q, %v, %v", target, got.Raw, got.Lenient, got.EncodedSlash, ok)
		}
	}
	for target, reason := range refused {
		if got, ok := ParsePath(target); ok {
			t.Errorf("ParsePath(%.100q) = %.100q, want it refused: %s", target, got.Raw, reason)
		}
	}
}

// readings returns the paths that careless backends may read. They decode up to twice
// and remove path parameters before or after decoding. They may find a query only then,
// read backslashes as slashes, collapse slashes and resolve dots.
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
	for _, text := range texts {
		if end := strings.IndexAny(text, "?#"); end >= 0 {
			texts = append(texts, text[:end])
		}
	}
	resolved := make([]string, len(texts))
	for i, text := range texts {
		resolved[i] = resolve(strings.ReplaceAll(text, `\`, "/"))
	}
	return resolved
}

// resolve returns the path as a file system reads it, as path.Clean does. Dots may also
// lead above the root.
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

// FuzzCanonicalPath checks what the gateway promises of a forwarded path. However a
// careless backend reads it, the result is under the prefix that was matched, and would
// not match another route.
func FuzzCanonicalPath(f *testing.F) {
	accepted, refused := routetest.Targets(f)
	for target := range accepted {
		if len(target) < 1<<10 { // larger ones only make it slow
			f.Add(target)
		}
	}
	for target := range refused {
		if len(target) < 1<<10 {
			f.Add(target)
		}
	}
	for _, path := range []string{
		"/admin/a", "/%61dmin", "/admin;x", "/api/v1/%2e%2e/admin", "/x%2Fadmin", "/admin%3Fx", "/%61dmin/b%23x", "/api%2Fv1/a", "/caf%c3%a9",
		"/admin%20/x", "/admin./x", "/admin::$DATA", "/admin::$INDEX_ALLOCATION/x", "/admin.%20./x", "/api/v1/admin%2e/x",
	} {
		f.Add(path)
	}
	table := newTable(f,
		`name: root, prefix: /, allow_encoded_slashes: true`,
		`name: admin, prefix: /admin`,
		`name: api, prefix: /api/v1, allow_encoded_slashes: true`,
		`name: apiadmin, prefix: /api/v1/admin`,
		`name: a, prefix: /a`,
	)
	f.Fuzz(func(t *testing.T, target string) {
		path, ok := ParsePath(target)
		if !ok {
			return
		}
		if !strings.Contains(target, path.Raw) || path.Raw[0] != '/' {
			t.Fatalf("%q: path %q is not the target's", target, path.Raw)
		}
		q := Query{Method: "GET", Host: "x"}
		found := table.Match(path, q).Route
		if found == nil {
			return
		}
		prefix := strings.TrimSuffix(found.Config.Prefix, "/")
		for _, reading := range readings(path.Raw) {
			if reading != prefix && !strings.HasPrefix(reading, prefix+"/") {
				t.Fatalf("%q matched %s and could be read as %q", path.Raw, prefix, reading)
			}
			for _, reading := range []string{reading, withoutTails(reading)} { // the second as on Windows
				if other := table.Lookup(reading, q); other.Route != found {
					t.Fatalf("%q matched %s and could be read as %q, which is %s's", path.Raw, prefix, reading, other.Route.Config.Prefix)
				}
			}
		}
	})
}

func BenchmarkParsePath(b *testing.B) {
	for name, target := range map[string]string{
		"plain":   "/api/v1/query/chats/42/messages?limit=20",
		"time":    "/api/v1/query/chats/at/12:30?limit=20",
		"escaped": "/api/v1/query/caf%C3%A9/a%20b?limit=20",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := ParsePath(target); !ok {
					b.Fatal("refused")
				}
			}
		})
	}
}

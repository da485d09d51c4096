package proxy

import (
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	routing "gatehouse/proxy/route"
)

// targets reads testdata/paths.txt: request targets and what becomes of them.
// What is refused comes with the reason that its section gives.
func targets(t testing.TB) (accepted map[string]routing.Path, refused map[string]string) {
	t.Helper()
	text, err := os.ReadFile("testdata/paths.txt")
	if err != nil {
		t.Fatal(err)
	}
	accepted, refused = map[string]routing.Path{}, map[string]string{}
	reason := ""
	for number, line := range strings.Split(string(text), "\n") {
		if section, found := strings.CutPrefix(line, "# "); found || line == "" {
			reason = section
			continue
		}
		fields := strings.Fields(line)
		for i, quoted := range fields[1:] {
			if fields[i+1], err = strconv.Unquote(quoted); err != nil {
				t.Fatalf("paths.txt:%d: %v", number+1, err)
			}
		}
		switch {
		case fields[0] == "refuse" && len(fields) == 2:
			refused[fields[1]] = reason
		case len(fields) == 4 && (fields[0] == "accept" || fields[0] == "slash"):
			accepted[fields[1]] = routing.Path{Raw: fields[2], Lenient: fields[3], EncodedSlash: fields[0] == "slash"}
		default:
			t.Fatalf("paths.txt:%d: %q", number+1, line)
		}
	}
	// What a file would be too small for.
	for _, size := range []int{8 << 10, 1 << 20} {
		segment := strings.Repeat("a", size)
		accepted["/"+segment] = routing.Path{Raw: "/" + segment, Lenient: "/" + segment}
		deep := strings.Repeat("/a", size/2)
		accepted[deep] = routing.Path{Raw: deep, Lenient: deep}
		refused[strings.Repeat("/..", size/3)] = "dot segments"
		refused["/"+strings.Repeat("%2e%2e%2f", size/9)] = "dot segments"
		refused["/%"+strings.Repeat("25", size/2)] = "encoded over and over"
		refused[strings.Repeat("/", size)] = "empty segments"
	}
	return accepted, refused
}

func TestCanonicalPath(t *testing.T) {
	t.Parallel()
	accepted, refused := targets(t)
	for target, want := range accepted {
		got, ok := routing.ParsePath(target)
		got.MayHaveTail = false // TestTailsOfSegments is about it
		if !ok || got != want {
			t.Errorf("ParsePath(%.100q) = %.100q, %.100q, %v, %v", target, got.Raw, got.Lenient, got.EncodedSlash, ok)
		}
	}
	for target, reason := range refused {
		if got, ok := routing.ParsePath(target); ok {
			t.Errorf("ParsePath(%.100q) = %.100q, want it refused: %s", target, got.Raw, reason)
		}
	}
}

// TestRefusedTargetsOnTheWire sends every refused target as it stands. Those
// that net/http cannot parse it refuses itself.
func TestRefusedTargetsOnTheWire(t *testing.T) {
	t.Parallel()
	k := start(t, strings.Replace(openTable, "auth: none", "auth: none, allow_encoded_slashes: true", 1),
		func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the backend was asked for %q", r.RequestURI) })
	_, refused := targets(t)
	for target := range refused {
		res := k.raw("GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if res.StatusCode != 400 {
			t.Errorf("%.100q: status %d", target, res.StatusCode)
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
	sent := []string{
		"/?", "/a?", "/a?%zz", "/a?b;c", "/a?x=1;y=2&z", "/a?b=%41%7e+|", "/a?\xe9=é", "/a?b?c", "/a?%", "/a?/../b", "/a?b=http://c//d",
		"/a?" + strings.Repeat("p&", 11_000),
	}
	accepted, _ := targets(t)
	for _, target := range slices.AppendSeq(sent, maps.Keys(accepted)) {
		want := target
		if _, rest, absolute := strings.Cut(target, "://"); absolute && target[0] != '/' {
			want = strings.TrimPrefix(rest, strings.FieldsFunc(rest, func(r rune) bool { return r == '/' || r == '?' })[0])
			if !strings.HasPrefix(want, "/") {
				want = "/" + want
			}
		}
		res := k.raw("GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if res.StatusCode != 200 || res.body != want {
			t.Errorf("sent %.100q: %d, the backend saw %.100q, want %.100q", target, res.StatusCode, res.body, want)
		}
	}
}

// readings are what careless backends make of a path: decoded up to twice,
// path parameters cut off before or after, a query found only then, backslashes taken for slashes,
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
	accepted, refused := targets(f)
	for target := range accepted {
		if len(target) < 1<<10 { // the larger ones would only make it slow
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
	table := matcher(f,
		`name: root, prefix: /, allow_encoded_slashes: true`,
		`name: admin, prefix: /admin`,
		`name: api, prefix: /api/v1, allow_encoded_slashes: true`,
		`name: apiadmin, prefix: /api/v1/admin`,
		`name: a, prefix: /a`,
	)
	f.Fuzz(func(t *testing.T, target string) {
		path, ok := routing.ParsePath(target)
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
			for _, reading := range []string{reading, routing.WithoutTails(reading)} { // the latter as on Windows
				if other := table.index.lookup(reading, &q); other.route != found {
					t.Fatalf("%q matched %s and could be read as %q, which is %s's", path.Raw, prefix, reading, other.route.config.Prefix)
				}
			}
		}
	})
}

// TestTailsOfSegments holds what Windows and old Spring drop from a segment
// (issue 10): it must not lead past a route, and must not be refused elsewhere.
func TestTailsOfSegments(t *testing.T) {
	t.Parallel()
	k := start(t, `
routes:
  - {name: open, prefix: /, backend: "${BACKEND}", auth: none}
  - {name: secure, prefix: /secure/area, backend: "${BACKEND}", auth: strict}
  - {name: batch, prefix: "/secure/area:batch", backend: "${BACKEND}", auth: none}
`, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("reached")) })
	for target, status := range map[string]int{
		"/secure/area%20/x": 400, "/secure/area./x": 400, "/secure./area": 400, "/secure/area%2e": 400, "/secure/area.%20.%20": 400,
		"/secure/area::$DATA": 400, "/secure/area%3a%3a$DATA": 400, "/secure/area%253Ax": 400, "/secure::$INDEX_ALLOCATION/area": 400,
		"/secure:$I30:$INDEX_ALLOCATION/area/x": 400, "/secure/%20area": 400, "/%20/secure/area": 400, "/.../secure/area": 400,
		"/secure/area.;x=y/z": 400, "/secure/area%2520/x": 400, "/secure/area%09": 400, "/..:x/a": 400, "/..%20./a": 400,
		"/secure/area%20%3Fx": 400,
		"/secure/area/x":      401, "/secure/area/report.v1.%20pdf": 401, "/secure/area/x.": 401, "/secure/area/x::$DATA": 401,
		"/files/report.v1.%20pdf": 200, "/files/x.": 200, "/files/x%20": 200, "/at/12:30": 200, "/...": 200, "/a:b/c": 200,
		"/secure/area:batch": 200, "/secure/area:batch/x": 200, "/secure.x/area": 200,
	} {
		res := k.raw("GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if res.StatusCode != status {
			t.Errorf("%s: status %d, want %d", target, res.StatusCode, status)
		}
	}
}

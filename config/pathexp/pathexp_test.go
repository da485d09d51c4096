// Tests of expressions and templates: what they match, make and refuse.
package pathexp

import (
	"strings"
	"testing"
)

func parse(t *testing.T, text string) *Expression {
	t.Helper()
	e, f := Parse(text)
	if f != nil {
		t.Fatalf("%s: %s", text, f.Reason)
	}
	return e
}

func TestAnchored(t *testing.T) {
	for text, want := range map[string]bool{
		"^/a$": true, `\A/a\z`: true, "(?i)^/a$": true, "^(?:/a|/b)$": true, "(^/a$)": true, "^/a$|^/b$": true, "^(/a|/b$)$": true,
		"/a": false, "^/a": false, "/a$": false, "^/a|/b$": false, "^/a$|/b": false, "(?m)^/a$": false, "(^)?/a$": false, `^/a\$`: false, "": false,
	} {
		if _, f := Parse(text); (f == nil) != want {
			t.Errorf("%s: got %v", text, f)
		}
	}
}

// The bounds keep a match fast: an expression is small, also after its repetitions are
// written out.
func TestBounds(t *testing.T) {
	for text, want := range map[string]bool{
		"^/[" + strings.Repeat("x", MaxLength-5) + "]$": true,
		"^/[" + strings.Repeat("x", MaxLength-4) + "]$": false,
		`^/\d{200}$`:           true,
		`^/\d{300}$`:           false,
		`^/(?:\d{1,30}){1,30}`: false,
	} {
		if _, f := Parse(text); (f == nil) != want {
			t.Errorf("%.20s: got %v", text, f)
		}
	}
}

func TestMatchesBelow(t *testing.T) {
	for _, test := range []struct {
		expression, prefix string
		want               bool
	}{
		{"^/api/(.*)$", "/api", true},
		{"^/api$", "/api", true},
		{"^/api/?$", "/api", true},
		{"^/ap$", "/api", false},
		{"^/apis$", "/api", false},
		{"^/v1/.*$", "/api", false},
		{"^api/.*$", "/api", false},
		{"^/(?:api|v1)/x$", "/api", true},
		{"^.*/x$", "/api", true},
		{`^/\d+/x$`, "/api", false},
		{`^/\w+$`, "/api", true},
		{`^/\w+$`, "/api/v1", false},
		{"^/api/v1/x$", "/api", true},
		{"(?i)^/API/x$", "/api", true},
		{"^/x$", "/", true},
		{"^/$", "/", true},
		{"^$", "/", false},
		{"^/caf%C3%A9/x$", "/caf%C3%A9", true},
		{`^/api\b.*$`, "/api", true},
		{"^/a$x$", "/", true}, // it matches nothing, but that is not found out
		{"^/admin/[^/]+$", "/admin/", true},
		{"^/api/café$", "/api", false}, // paths are matched with their escapes
		{"^/api/caf%C3%A9$", "/api", true},
		{"^/api/caf%c3%a9$", "/api", false}, // … which are in upper case
		{"(?i)^/api/caf%c3%a9$", "/api", true},
		{"^/api/%61$", "/api", false}, // … where a character needs one
		{"^/api/%2[eF]$", "/api", true},
		{"^/api/%2[eE]$", "/api", false},
		{"^/api/%$", "/api", false},
		{"^/api/x y$", "/api", false},
		{`^/api/x\?y$`, "/api", false},
		{"^/api//x$", "/api", false},
		{"^/api/x//$", "/api", false},
		{"^/api/(.*)/x$", "/api", true},
		{"^/api/[^/]$", "/api", true},
		{"^/api/[é-ü]+$", "/api", false},
		{"^/api/[é-ü]*$", "/api", true},
		{"^/caf%C3%A9/x$", "/café", true},
		{"^/caf%C3%A9/x$", "/caf%c3%a9", true},
	} {
		if got := parse(t, test.expression).MatchesBelow(test.prefix); got != test.want {
			t.Errorf("%s below %s: got %t", test.expression, test.prefix, got)
		}
	}
}

func TestLiteral(t *testing.T) {
	for text, want := range map[string]string{
		"^/old/page$": "/old/page", `^/a\.b$`: "/a.b", "^(/a)(/b)$": "/a/b", "(?i)^/1$": "/1",
		"(?i)^/a$": "", "^/a|/b$": "", "^/a.*$": "", "^(?:/a|/b)$": "", "^/[ab]$": "", "^/a?$": "", "^$": "",
	} {
		e, f := Parse(text)
		if f != nil {
			continue
		}
		if got, ok := e.Literal(); got != want || ok != (want != "") {
			t.Errorf("%s: got %q, %t", text, got, ok)
		}
	}
}

func TestExpand(t *testing.T) {
	for _, test := range []struct{ from, to, path, want string }{
		{`^/api/(\d+)$`, "/orders/$1", "/api/7", "/orders/7"},
		{`^/api/(\d+)/(.*)$`, "/$2/$1", "/api/7/x/y", "/x/y/7"},
		{`^/api/(.*)$`, "/$$/$$$1/$$1", "/api/x", "/$/$x/$1"},
		{`^/api(/x)?(/y)?$`, "/a$1$2/b", "/api/y", "/a/y/b"},
		{"^/api$", "/", "/api", "/"},
		{"^/(a)(b)(c)(d)(e)(f)(g)(h)(i)$", "/$9$8$7$6$5$4$3$2$1", "/abcdefghi", "/ihgfedcba"},
		{"^/(.*)$", "/x-$1-y.$1", "/é\xff%2e", "/x-é\xff%2e-y.é\xff%2e"},
	} {
		from := parse(t, test.from)
		to, f := ParseTemplate(test.to, from.Groups())
		if f != nil {
			t.Errorf("%s: %s", test.to, f.Reason)
			continue
		}
		if got := to.Expand(test.path, from.Find(test.path)); got != test.want {
			t.Errorf("%s to %s: %s became %s, want %s", test.from, test.to, test.path, got, test.want)
		}
	}
}

// Only $1 to $9 and $$ have a meaning. Go's own Expand reads $10 as group 10 and $1y as a
// group with that name.
func TestTemplateRefuses(t *testing.T) {
	for _, to := range []string{"/$", "/$/", "/$x", "/$10", "/$1y", "/$1_", "/$0", "/${1}", "/${x}", "/${", "/$3", "/$1$", "/$é"} {
		if _, f := ParseTemplate(to, 2); f == nil {
			t.Errorf("%s is taken", to)
		}
	}
}

func TestSamples(t *testing.T) {
	for _, test := range []struct {
		expression string
		want       []string // some of the samples
	}{
		{"^/a$", []string{"/a"}},
		{"^/api(.*)$", []string{"/api", "/apix", "/api/", "/api/x"}},
		{`^/(\d+)/x?$`, []string{"/1/", "/1/x", "/11/"}},
		{"^/(?:a|b)/[^/]+$", []string{"/a/x", "/a/xx"}},
		{"(?i)^/Ab$", []string{"/ab", "/AB"}},
		{`^/\x{e9}[^\x00-\x7f]$`, nil},
		{"^/a{2,3}$", []string{"/aa", "/aaa"}},
	} {
		got := parse(t, test.expression).Samples()
		for _, want := range test.want {
			if !strings.Contains("|"+strings.Join(got, "|")+"|", "|"+want+"|") {
				t.Errorf("%s: %q lacks %q", test.expression, got, want)
			}
		}
	}
}

func TestImage(t *testing.T) {
	for _, test := range []struct {
		from, to, prefix string
		want             bool
	}{
		{"^/shop/(.*)$", "/$1", "/admin/", true},
		{`^/shop/(\d+)$`, "/$1", "/admin/", false},
		{"^/shop/([a-z]+)/x$", "/$1", "/admin/", true},
		{"^/shop/([a-z]+)/x$", "/pub/$1", "/admin/", false},
		{"^/shop/(.*)$", "/adm$1", "/admin/", true},
		{"^/shop/(in)?/x$", "/adm$1", "/admin/", true},
		{"^/shop/(in)?/x$", "/admin$1", "/admin/", true},
		{"^/shop/(in)/x$", "/admin$1", "/admin/", false},
		{"^/shop$", "/admin", "/admin/", true},
		{"(^/shop/.*$)", "$1", "/admin/", true}, // anchors in a group count as anything
		{"^/shop/((?i)ADMIN)$", "/$1", "/admin/", true},
	} {
		from := parse(t, test.from)
		to, f := ParseTemplate(test.to, from.Groups())
		if f != nil {
			t.Fatal(f.Reason)
		}
		if got := to.Image(from).MatchesBelow(test.prefix); got != test.want {
			t.Errorf("%s to %s reaches %s: got %t", test.from, test.to, test.prefix, got)
		}
	}
}

// canBePath reports whether the gateway may match a normal path.
func canBePath(normal string) bool {
	s := plainByte
	for i := range len(normal) {
		var ok bool
		if s, ok = s.read(normal[i]); !ok {
			return false
		}
	}
	return s.isWhole() && strings.HasPrefix(normal, "/")
}

// Whatever an expression matches is found below its prefix, and what a template makes of it
// is found in the image.
func FuzzExpression(f *testing.F) {
	for _, seed := range [][3]string{
		{`^/api/(\d+)$`, "/orders/$1", "/api/7"},
		{"^/(a|b)*(/.*)?$", "/x$1$2", "/aab/c"},
		{"(?i)^/Ab(?:c{0,3})$", "/$$", "/abCC"},
		{`^/\pL+\b/(.?)$`, "/$1-$1", "/é/x"},
		{"^/[^/]+$|^/x/(y)$", "/$1", "/x/y"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, expression, template, path string) {
		normal := Normal(path)
		if Normal(normal) != normal {
			t.Fatalf("%q becomes %q, and that %q", path, normal, Normal(normal))
		}
		from, fault := Parse(expression)
		if fault != nil {
			return
		}
		if canBePath(normal) && from.Matches(normal) && !from.MatchesBelow("/") {
			t.Fatalf("%s matches %q, but no path", expression, normal)
		}
		for _, sample := range from.Samples() {
			if !from.Matches(sample) {
				t.Fatalf("%s does not match its sample %q", expression, sample)
			}
		}
		if literal, ok := from.Literal(); ok && from.Matches(path) && path != literal {
			t.Fatalf("%s matches %q, not only %q", expression, path, literal)
		}
		match := from.Find(path)
		if len(match) > 1 && (match[0] != 0 || match[1] != len(path)) {
			t.Fatalf("%s matches a part of %q", expression, path)
		}
		if match == nil {
			return
		}
		if strings.HasPrefix(path, "/") && !from.MatchesBelow(firstSegment(path)) {
			t.Fatalf("%s matches %q, and nothing below %q", expression, path, firstSegment(path))
		}
		to, fault := ParseTemplate(template, from.Groups())
		if fault != nil {
			return
		}
		made := to.Expand(path, match)
		if strings.HasPrefix(made, "/") && !to.Image(from).MatchesBelow(firstSegment(made)) {
			t.Fatalf("%s to %s makes %q of %q, which is not in the image", expression, template, made, path)
		}
	})
}

// firstSegment returns the path up to its second slash.
func firstSegment(path string) string {
	segment, _, _ := strings.Cut(path[1:], "/")
	return "/" + segment
}

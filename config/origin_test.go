// Tests of origin patterns.

package config

import (
	"strings"
	"testing"
	"time"
)

func TestOriginPattern(t *testing.T) {
	tests := []struct {
		pattern string
		matches []string
		others  []string
	}{
		{
			"https://atenex-frontend.vercel.app",
			[]string{"https://atenex-frontend.vercel.app"},
			[]string{
				"http://atenex-frontend.vercel.app", "https://atenex-frontend.vercel.app:443", "https://atenex-frontendxvercel.app",
				"https://xatenex-frontend.vercel.app", "https://atenex-frontend.vercel.app.evil.com", "null", "",
			},
		},
		{
			"https://atenex-frontend-*.vercel.app",
			[]string{"https://atenex-frontend-git-main-x1.vercel.app", "https://atenex-frontend-1.vercel.app"},
			[]string{
				"https://xatenex-frontend.vercel.app", "https://atenex-frontend-a.evil.vercel.app", "https://atenex-frontend-.vercel.app",
				"https://atenex-frontend.vercel.app", "https://atenex-frontend-a.vercel.app.evil.com", "https://atenex-frontend-a/.vercel.app",
				"https://atenex-frontend-a:1@b.vercel.app", "https://atenex-frontend-a\n.vercel.app", "https://atenex-frontend-a.vercel.app\n",
				"https://evil.com/https://atenex-frontend-a.vercel.app",
			},
		},
		{
			"http://localhost:300[0-9]",
			[]string{"http://localhost:3000", "http://localhost:3005", "http://localhost:3009"},
			[]string{"http://localhost:3010", "http://localhost:300", "http://localhost:30000", "https://localhost:3000", "http://localhost:300-", "http://localhost:300[0-9]"},
		},
		{"http://localhost:*", []string{"http://localhost:1", "http://localhost:65535"}, []string{"http://localhost", "http://localhost:", "http://localhost:1.2"}},
		{"https://[ab1-3x].a.com", []string{"https://a.a.com", "https://2.a.com", "https://x.a.com"}, []string{"https://c.a.com", "https://-.a.com", "https://ab.a.com"}},
		{"http://[::1]:300[01]", []string{"http://[::1]:3000", "http://[::1]:3001"}, []string{"http://[::1]:3002", "http://1:3000"}},
		{"http://[::1]:3000", []string{"http://[::1]:3000"}, []string{"http://[::1]:3001", "http://::3000"}},
		{"*", []string{"https://anything.example", "null"}, []string{""}},
	}
	for _, test := range tests {
		pattern, err := CompileOrigin(test.pattern)
		if err != nil {
			t.Errorf("%s: %v", test.pattern, err)
			continue
		}
		if pattern.String() != test.pattern || pattern.Any() != (test.pattern == "*") {
			t.Errorf("%s: String %q, Any %v", test.pattern, pattern, pattern.Any())
		}
		for _, origin := range test.matches {
			if !pattern.Match(origin) {
				t.Errorf("%s does not match %q", test.pattern, origin)
			}
		}
		for _, origin := range test.others {
			if pattern.Match(origin) {
				t.Errorf("%s matches %q", test.pattern, origin)
			}
		}
	}
	if (OriginPattern{}).Match("https://a.com") {
		t.Error("the zero pattern matches something")
	}
}

// With credentials, a pattern must stay within the names of one owner.
func TestOriginsWithCredentials(t *testing.T) {
	for origin, fine := range map[string]bool{
		"https://atenex-frontend-*.vercel.app": true, "https://*.example.com": true, "https://*.example.co.uk": true, "https://a-*.github.io": true,
		"https://app[0-9].example.com": true, "http://localhost:300[0-9]": true, "http://[::1]:300[0-9]": true, "https://*.corp.internal": true,
		"https://*-preview.vercel.app": true, "https://*.me.vercel.app": true, "https://*.app-*.vercel.app": true,
		"https://exampl[a-z].com": false, "https://example.[a-z][a-z]": false, "https://*.co.uk": false, "https://*.github.io": false,
		"https://*.vercel.app": false, "https://*.s3.amazonaws.com": false, "https://app.*.vercel.app": false, "https://[a-z]*.vercel.app:8443": false,
		"https://1-*.vercel.app": false, "https://a-*.com": false, "https://*": false, "https://a-*.com.kw.ck": true, "https://app.a-*.kawasaki.jp": false,
	} {
		if f := originWithCredentials(origin); (f == nil) != fine {
			t.Errorf("%s: %+v", origin, f)
		}
	}
}

func TestCompileOriginRefuses(t *testing.T) {
	for _, pattern := range []string{"", "null", "a.com", "https://", "https://a.com/", "https://a.com/x", "https://a.com?x", "https*://a.com", "http://[", "http://a[]", "http://a[z-a]", "http://a[!b]", "https://:3000"} {
		if _, err := CompileOrigin(pattern); err == nil {
			t.Errorf("%q compiles", pattern)
		}
	}
}

// Matching a pattern with many stars does not try all combinations.
func TestOriginPatternIsLinear(t *testing.T) {
	pattern, err := CompileOrigin("https://" + strings.Repeat("*a", 100) + ".example.com")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for _, length := range []int{280, 100_000} {
		if pattern.Match("https://" + strings.Repeat("a", length) + "!") {
			t.Error("matches")
		}
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("took %v", took)
	}
}

func FuzzOriginPattern(f *testing.F) {
	f.Add("https://atenex-frontend-*.vercel.app", "https://atenex-frontend-a.vercel.app")
	f.Add("http://localhost:300[0-9]", "http://localhost:3000")
	f.Add("http://[::1]:3000", "http://[::1]:3000")
	f.Add("*", "null")
	f.Fuzz(func(t *testing.T, text, origin string) {
		pattern, err := CompileOrigin(text)
		if err != nil {
			if pattern.Match(origin) {
				t.Fatal("a pattern that does not compile matches")
			}
			return
		}
		if !isOriginPattern(text) && !pattern.Match(text) {
			t.Fatalf("%q does not match itself", text)
		}
		if text == "*" || !pattern.Match(origin) {
			return
		}
		// A pattern never matches another scheme or another number of labels.
		scheme, _, _ := strings.Cut(text, "://")
		if !strings.HasPrefix(origin, scheme+"://") || strings.Count(origin, ".") != strings.Count(text, ".") {
			t.Fatalf("%q matches %q", text, origin)
		}
	})
}

package proxy

import (
	"strings"
	"testing"
)

func TestPrefersHTML(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]bool{
		"": false,
		"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8": true, // a browser
		"text/html, application/xhtml+xml, */*":                                                 true, // an old one
		"TEXT/HTML":                                                                             true,
		"text/*":                                                                                true,
		"*/*":                                                                                   false, // curl, fetch
		"application/json":                                                                      false,
		"application/json, text/plain, */*":                                                     false, // axios
		"application/json, text/html":                                                           false,
		"application/json;q=0.5, text/html":                                                     true,
		"application/json, text/html;q=0.9":                                                     false,
		"text/html;q=0, */*":                                                                    false,
		"text/html;q=0":                                                                         false,
		"text/html;q=0.5, */*":                                                                  false,
		"text/html;level=1;q=0.7, */*;q=0.1":                                                    true,
		"text/html;q=1.5":                                                                       false,
		"text/html;q=NaN":                                                                       false,
		"text/html;q=, application/json;q=0.1":                                                  false,
		"text/html ; Q=0.3 , application/*;q=0.2":                                               true,
		"application/*;q=0.2, application/json, text/html;q=0.9":                                false,
		"image/png":                                                                             false,
		"text/htmlx":                                                                            false,
		",;,=;q, / ,":                                                                           false,
	} {
		if got := prefersHTML([]string{accept}); got != want {
			t.Errorf("%q: %t, want %t", accept, got, want)
		}
	}
	if !prefersHTML([]string{"application/json;q=0.1", "text/html"}) {
		t.Error("the second line is not read")
	}
	if prefersHTML(nil) {
		t.Error("nothing asks for HTML")
	}
}

func FuzzPrefersHTML(f *testing.F) {
	f.Add("text/html,*/*;q=0.8")
	f.Add("text/html;q=0.001;x=\"a,b\"")
	f.Fuzz(func(t *testing.T, accept string) {
		if prefersHTML([]string{accept}) && !strings.Contains(strings.ToLower(accept), "text/") {
			t.Errorf("%q asks for HTML without naming it", accept)
		}
		if got, again := prefersHTML([]string{accept}), prefersHTML(strings.Split(accept, ",")); got != again {
			t.Errorf("%q: %t in one line, %t in several", accept, got, again)
		}
	})
}

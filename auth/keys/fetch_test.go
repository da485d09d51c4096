package keys

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestFreshness(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"":                              defaultFresh,
		"no-cache":                      defaultFresh,
		"max-age=":                      defaultFresh,
		"max-age=-1":                    defaultFresh,
		"max-age=99999999999999999999":  defaultFresh,
		"s-maxage=360":                  defaultFresh,
		"max-age=360":                   6 * time.Minute,
		`public, Max-Age="360", x`:      6 * time.Minute,
		"max-age=0":                     leastFresh,
		"public, max-age=60":            leastFresh,
		"public,max-age=86400, no-cool": mostFresh,
	} {
		if got := freshness(http.Header{"Cache-Control": {header}}); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}

// Every hop of a fetch uses https, with a verified certificate.
func TestFetchRedirects(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("keys were asked for over plain http")
	}))
	t.Cleanup(plain.Close)
	mux := http.NewServeMux()
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("the keys")) })
	mux.Handle("/once", http.RedirectHandler("/keys", http.StatusFound))
	mux.Handle("/round", http.RedirectHandler("/round", http.StatusFound))
	mux.Handle("/down", http.RedirectHandler(plain.URL, http.StatusFound))
	mux.Handle("/file", http.RedirectHandler("file:///etc/passwd", http.StatusFound))
	secure := httptest.NewTLSServer(mux)
	t.Cleanup(secure.Close)

	trusting := newClient(secure.Client().Transport)
	for path, problem := range map[string]string{
		"/keys":  "",
		"/once":  "",
		"/round": "redirected more than 3 times",
		"/down":  "redirected away from https",
		"/file":  "redirected away from https",
	} {
		content, _, err := fetchURL(trusting, secure.URL+path)(t.Context())
		if problem == "" && (err != nil || string(content) != "the keys") {
			t.Errorf("%s: %q, %v", path, content, err)
		}
		if problem != "" && (err == nil || !strings.Contains(err.Error(), problem)) {
			t.Errorf("%s: %q, %v", path, content, err)
		}
	}
	if content, _, err := fetchURL(newClient(newTransport()), secure.URL+"/keys")(t.Context()); err == nil {
		t.Errorf("a certificate of nobody's is believed: %q", content)
	}
}

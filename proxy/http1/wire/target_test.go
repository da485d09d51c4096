package wire

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTargets tries every character at every place of a target, and every pair of
// characters.
func TestTargets(t *testing.T) {
	everyByte(func(first byte) {
		for _, form := range []string{"/%s", "/a%sb", "/a/%s", "/?%s", "/a?%sb", "/%%2F%sb", "//%s", "/%%%sf", "/%%4%s", "/?%%%sf"} {
			wantTarget(t, fmt.Sprintf(form, string([]byte{first})))
		}
		everyByte(func(second byte) {
			wantTarget(t, "/"+string([]byte{first, second}))
			wantTarget(t, "/?"+string([]byte{first, second}))
		})
		wantTarget(t, fmt.Sprintf("/%%%02x", first))
		wantTarget(t, fmt.Sprintf("/%%%02X/a", first))
	})
}

func FuzzTarget(f *testing.F) {
	for _, target := range []string{
		"/", "//", "///a", "/a/b.c?d=e&f=g", "/?", "/??", "/a?b?", "/#", "/a%2fb", "/%zz", "/a b", "/?a b", "/?a\tb", "/[::1]/", "/a:b@c/", "/;a=b,c", "/*'()!", "/caf\xc3\xa9?\xff",
	} {
		f.Add(target)
	}
	f.Fuzz(func(t *testing.T, target string) {
		if target != "" && target[0] == '/' { // as Request asks
			wantTarget(t, target)
		}
	})
}

// wantTarget fails unless a target is parsed as net/url does.
func wantTarget(t *testing.T, target string) {
	t.Helper()
	want, err := url.ParseRequestURI(target)
	got := &url.URL{Scheme: "left", Fragment: "over"}
	ok := parseTarget(target, got)
	if (err == nil) != ok {
		t.Errorf("%q is %+v (%t), of which net/url says: %v", target, got, ok, err)
		return
	}
	if ok && *got != *want {
		t.Errorf("%q (-net/url +ours): %s", target, cmp.Diff(want, got))
	}
}

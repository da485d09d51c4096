package transport_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
	"gatehouse/proxy/http1/transport"
)

// listed are the fields of a request, in a map.
type listed http.Header

// AppendFields implements transport.Fields.
func (l listed) AppendFields(to []byte) (with []byte, ok bool) {
	ok = true
	for name, values := range l {
		if ok {
			to, ok = transport.AppendField(to, name, values)
		}
	}
	return to, ok
}

// AsHeader implements transport.Fields.
func (l listed) AsHeader() http.Header { return http.Header(l).Clone() }

// Fields are sent instead of the header. Invalid fields make the request fail, as they do
// in the header.
func TestFields(t *testing.T) {
	b := serve(t, (*link).plainly)
	client := transports()[1].start(t, bounds{})
	ask := func(fields listed) outcome {
		r := get(transport.WithHooks(testkit.Context(t), &transport.Hooks{Fields: fields}), t, b.url)
		r.Header = http.Header{"X-Left": {"out"}}
		return run(client, r)
	}
	ask(listed{"X-A": {"1", "2"}, "User-Agent": {""}, "Content-Length": {"7"}}).wantPlain(t)
	seen := b.seen()[0].fields
	if !slices.Contains(seen, "X-A: 1") || !slices.Contains(seen, "X-A: 2") || strings.Contains(strings.Join(seen, " "), "X-Left") || len(seen) != 3 {
		t.Errorf("the backend saw %q", seen)
	}
	for _, wrong := range []listed{{"X-A": {"1\r\nX-B: 2"}}, {"X A": {"1"}}} {
		if got := ask(wrong); got.err == nil || !strings.Contains(got.err.Error(), "invalid header field") {
			t.Errorf("%q: %+v", wrong, got)
		}
	}
	if got := len(b.seen()); got != 1 {
		t.Errorf("the backend saw %d requests", got)
	}
}

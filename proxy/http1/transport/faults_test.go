package transport_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"gatehouse/internal/testkit"
)

// canonical are the answers that get faults, at every byte.
var canonical = []struct {
	name, raw, body string
	status          int
	open            bool // it ends where the connection does
}{
	{name: "length", raw: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello", body: "hello", status: 200},
	{
		name: "chunks and a trailer", status: 200, body: "hello, world",
		raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n7\r\nhello, \r\n5\r\nworld\r\n0\r\nX-Sum: 42\r\n\r\n",
	},
	{name: "announced", raw: "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", body: "hello", status: 200},
	{name: "until it closes", raw: "HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nhello", body: "hello", status: 200, open: true},
	{name: "no body", raw: "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n", status: 204},
}

// fault is what the backend does to an answer at its byte k.
type fault struct {
	name string
	do   func(l *link, raw string, k int, sent chan<- struct{})
	// gives up: the client closes, after it has read everything.
	givesUp bool
	// races: the network decides what the client notices first.
	races bool
	// any: the fault makes a different answer, which may be valid.
	any bool
}

var faults = []fault{
	{name: "closes", do: func(l *link, raw string, k int, _ chan<- struct{}) { l.send(raw[:k]) }},
	{name: "finishes", do: func(l *link, raw string, k int, _ chan<- struct{}) {
		l.send(raw[:k])
		l.finish()
		l.untilGone()
	}},
	{name: "resets", races: true, do: func(l *link, raw string, k int, _ chan<- struct{}) {
		l.send(raw[:k])
		l.reset()
	}},
	{name: "stalls", givesUp: true, do: func(l *link, raw string, k int, sent chan<- struct{}) {
		l.send(raw[:k])
		close(sent)
		l.untilGone()
	}},
	{name: "flips a bit", any: true, do: func(l *link, raw string, k int, _ chan<- struct{}) {
		l.send(raw[:k] + string([]byte{raw[k] ^ 0x10}) + raw[k+1:])
		l.finish()
		l.untilGone()
	}},
	{name: "sends a NUL", any: true, do: func(l *link, raw string, k int, _ chan<- struct{}) {
		l.send(raw[:k] + "\x00" + raw[k+1:])
		l.finish()
		l.untilGone()
	}},
	{name: "sends a newline", any: true, do: func(l *link, raw string, k int, _ chan<- struct{}) {
		l.send(raw[:k] + "\n" + raw[k+1:])
		l.finish()
		l.untilGone()
	}},
	{name: "drops a byte", any: true, do: func(l *link, raw string, k int, _ chan<- struct{}) {
		l.send(raw[:k] + raw[k+1:])
		l.finish()
		l.untilGone()
	}},
	{name: "byte by byte, then closes", do: func(l *link, raw string, k int, _ chan<- struct{}) {
		for i := range k {
			l.send(raw[i : i+1])
		}
	}},
}

// TestFaultAtEveryByte breaks every answer at every byte in every way. Nothing may hang.
// An answer that looks complete must be complete. The connection must not be used again.
// All transports must have the same result.
func TestFaultAtEveryByte(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]map[string]string{} // by transport, by place
	note := func(l lane, place, what string) {
		mu.Lock()
		defer mu.Unlock()
		if seen[l.name] == nil {
			seen[l.name] = map[string]string{}
		}
		seen[l.name][place] = what
	}
	each(t, func(t *testing.T, l lane) {
		for _, answer := range canonical {
			for _, f := range faults {
				places := len(answer.raw) // the last one is behind the answer
				if f.any || f.givesUp && !answer.open {
					places--
				}
				t.Run(answer.name+"/"+f.name, func(t *testing.T) {
					t.Parallel()
					for k := range places + 1 {
						place := fmt.Sprintf("%s, %s, %d", answer.name, f.name, k)
						what := breakAt(t, l, answer.raw, f, k, func(o outcome) {
							checkBroken(t, place, f, o, answer.body, answer.status, k, len(answer.raw), answer.open)
						})
						if !f.races {
							note(l, place, what)
						}
						if t.Failed() {
							return
						}
					}
				})
			}
		}
	})
	yardstick := transports()[0].name
	for name, got := range seen {
		for place, want := range seen[yardstick] {
			if got[place] != want {
				t.Errorf("%s: %s is %q, but over %s %q", place, name, got[place], yardstick, want)
			}
		}
	}
}

// breakAt makes one exchange with a fault at k, and another after it. It returns the
// result of the first in one line.
func breakAt(t *testing.T, l lane, raw string, f fault, k int, check func(outcome)) string {
	t.Helper()
	sent := make(chan struct{})
	b := serve(t, onFirst(func(l *link) {
		l.request()
		f.do(l, raw, k, sent)
	}))
	client := l.begin(bounds{})
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithCancel(testkit.Context(t))
	defer cancel()
	done := background(client, get(ctx, t, b.url))
	if f.givesUp {
		testkit.Receive(t, "what there is", sent)
		cancel()
	}
	o := testkit.Receive(t, "any outcome at all", done)
	check(o)
	if times := len(b.seen()); times != 1 {
		t.Errorf("at %d: the backend saw the request %d times", k, times)
	}
	if l.name == "standard" { // net/http may use a connection again before it has noticed its end
		b.wait("the end of connection 1", func() bool { return b.links[0].over })
	}
	follow(t, client, b, 2)
	if f.givesUp {
		return class(o.err) + class(o.bodyErr) // the end may come before the head or after it
	}
	return fmt.Sprintf("%d %q trailer %q, %s/%s", o.status, o.body, o.trailer["X-Sum"], class(o.err), class(o.bodyErr))
}

// checkBroken checks the result of an answer with a fault after its first k bytes.
func checkBroken(t *testing.T, place string, f fault, o outcome, body string, status, k, length int, open bool) {
	t.Helper()
	whole := o.err == nil && o.bodyErr == nil
	for _, err := range []error{o.err, o.bodyErr} {
		if class(err) == "deadline" {
			t.Errorf("%s: it hangs", place)
		}
	}
	switch {
	case f.any:
	case f.givesUp:
		if whole || class(o.err)+class(o.bodyErr) != "canceled" {
			t.Errorf("%s: got %+v, want that it was given up", place, o)
		}
	case o.err == nil && (o.status != status || !strings.HasPrefix(body, o.body)):
		t.Errorf("%s: got %+v", place, o)
	case whole && o.body != body && !open:
		t.Errorf("%s: half an answer looks whole: %+v", place, o)
	case whole && !open && k < length:
		t.Errorf("%s: what is not whole looks so: %+v", place, o)
	case !whole && k == length && !f.races:
		t.Errorf("%s: the whole answer is not taken: %+v", place, o)
	}
}

package transport_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// gated is a body that returns its first part, reports that, and waits until it may
// continue.
type gated struct {
	first io.Reader
	at    chan struct{}
	goOn  chan struct{}
	rest  io.Reader
}

func gate(first, rest string) *gated {
	return &gated{strings.NewReader(first), make(chan struct{}, 1), make(chan struct{}), strings.NewReader(rest)}
}

func (g *gated) Read(p []byte) (int, error) {
	if n, err := g.first.Read(p); err == nil {
		return n, nil
	}
	select {
	case g.at <- struct{}{}:
	default:
	}
	<-g.goOn
	return g.rest.Read(p)
}

// earlyAnswers are answers that come before the request was sent.
var earlyAnswers = []struct {
	name, raw, body string
	status          int
}{
	{"length", plain, "plain", 200},
	{"no body", "HTTP/1.1 204 No Content\r\n\r\n", "", 204},
	{"refusal", "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 5\r\n\r\nlarge", "large", 413},
	{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello", 200},
}

// The backend answers before the client has sent the body. The caller gets the answer at
// once. The connection has half a request on it, so it is not used again.
func TestAnswerOvertakesBody(t *testing.T) {
	lengths := map[string]int64{"small": 10, "large": 10 << 20, "unknown": -1}
	each(t, func(t *testing.T, l lane) {
		for _, answer := range earlyAnswers {
			for name, length := range lengths {
				t.Run(answer.name+" to "+name, func(t *testing.T) {
					b := serve(t, onFirst(func(l *link) {
						l.head()
						l.send(answer.raw)
						l.untilGone()
					}))
					client := l.start(t, bounds{})
					slow := gate("", "world")
					body := watch(slow)
					r := send(testkit.Context(t), t, "POST", b.url, body)
					r.ContentLength = length
					done := background(client, r)
					o := testkit.Receive(t, "the answer", done)
					if o.err != nil || o.bodyErr != nil || o.status != answer.status || o.body != answer.body {
						t.Errorf("got %+v", o)
					}
					b.waitGone(1)
					follow(t, client, b, 2)
					close(slow.goOn)
					body.wantClosed(t)
					follow(t, client, b, 2)
				})
			}
		}
	})
}

// The body is sent to its end while the answer is read. Then the connection can be used
// again.
func TestBodyDuringAnswer(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		for name, length := range map[string]int64{"small": 10, "unknown": -1} {
			t.Run(name, func(t *testing.T) {
				b := serve(t, onFirst(func(l *link) {
					r, _ := l.head()
					l.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
					r, ok := l.rest(r)
					if !ok {
						return
					}
					l.send("a\r\n" + r.body + "\r\n0\r\n\r\n")
					l.plainly()
				}))
				client := l.start(t, bounds{})
				slow := gate("hello", "world")
				r := send(testkit.Context(t), t, "POST", b.url, watch(slow))
				r.ContentLength = length
				res, err := client.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				close(slow.goOn)
				body, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || string(body) != "helloworld" {
					t.Errorf("%q, %v", body, err)
				}
				next := send(testkit.Context(t), t, "POST", b.url, nil)
				if length < 0 {
					next = send(testkit.Context(t), t, "POST", b.url, hidden{strings.NewReader("next")})
				}
				run(client, next).wantPlain(t)
				if made := b.made(); made != 1 {
					t.Errorf("%d connections", made)
				}
			})
		}
	})
}

// The backend answers and never reads the body.
func TestAnswerToUnreadBody(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		for _, answer := range earlyAnswers {
			for name, length := range map[string]int64{"known": 64 << 20, "unknown": -1} {
				t.Run(answer.name+" to "+name, func(t *testing.T) {
					answered := make(chan struct{})
					b := serve(t, onFirst(func(l *link) {
						l.head()
						l.send(answer.raw)
						<-answered
						l.untilGone()
					}))
					client := l.start(t, bounds{})
					body := watch(io.LimitReader(zeros{}, 64<<20))
					r := send(testkit.Context(t), t, "POST", b.url, body)
					r.ContentLength = length
					o := run(client, r)
					if o.err != nil || o.bodyErr != nil || o.status != answer.status || o.body != answer.body {
						t.Errorf("got %+v", o)
					}
					body.wantClosed(t)
					close(answered)
					b.waitGone(1)
					run(client, get(testkit.Context(t), t, b.url)).wantPlain(t)
				})
			}
		}
	})
}

// The backend answers and closes without reading the whole body, which resets the
// connection. The network decides whether the client sees the answer or the reset first.
// The result is the right answer or an error.
func TestAnswerAndReset(t *testing.T) {
	answer := earlyAnswers[2]
	each(t, func(t *testing.T, l lane) {
		for name, length := range map[string]int64{"small": 60_000, "large": 8 << 20, "unknown": -1} {
			t.Run(name, func(t *testing.T) {
				b := serve(t, onFirst(func(l *link) {
					l.head()
					l.send(answer.raw)
				}))
				client := l.start(t, bounds{})
				body := watch(io.LimitReader(zeros{}, max(length, 1<<20)))
				if length > 0 {
					body = watch(io.LimitReader(zeros{}, length))
				}
				r := send(testkit.Context(t), t, "POST", b.url, body)
				r.ContentLength = length
				o := run(client, r)
				switch {
				case o.err != nil:
					t.Logf("an error: %v", o.err)
				case o.status != 413 || o.bodyErr == nil && o.body != answer.body || !strings.HasPrefix(answer.body, o.body):
					t.Errorf("got %+v", o)
				}
				body.wantClosed(t)
				follow(t, client, b, 2)
			})
		}
	})
}

// The backend answers, sends nothing more and continues to read. There is no reset, so the
// result is certain.
func TestAnswerAndFinish(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		for name, length := range map[string]int64{"small": 60_000, "large": 1 << 20, "unknown": -1} {
			t.Run(name, func(t *testing.T) {
				b := serve(t, onFirst(func(l *link) {
					l.head()
					l.send("HTTP/1.1 413 Content Too Large\r\n\r\nlarge")
					l.finish()
					l.untilGone()
				}))
				client := l.start(t, bounds{})
				size := length
				if size < 0 {
					size = 1 << 20
				}
				body := watch(io.LimitReader(zeros{}, size))
				r := send(testkit.Context(t), t, "POST", b.url, body)
				r.ContentLength = length
				o := run(client, r)
				if o.err != nil || o.bodyErr != nil || o.status != 413 || o.body != "large" {
					t.Errorf("got %+v", o)
				}
				body.wantClosed(t)
				b.waitGone(1)
				follow(t, client, b, 2)
			})
		}
	})
}

// The body fails after the answer came. This affects only the connection.
func TestBodyBreaksAfterAnswer(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		for name, length := range map[string]int64{"small": 10, "unknown": -1} {
			t.Run(name, func(t *testing.T) {
				answered := make(chan struct{})
				b := serve(t, onFirst(func(l *link) {
					l.head()
					l.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
					<-answered
					l.untilGone()
				}))
				client := l.start(t, bounds{})
				slow := gate("", "")
				body := watch(io.MultiReader(slow, broken{}))
				r := send(testkit.Context(t), t, "POST", b.url, body)
				r.ContentLength = length
				res, err := client.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				close(slow.goOn)
				close(answered)
				got, err := io.ReadAll(res.Body)
				if err == nil || errors.Is(err, io.EOF) || string(got) != "hello" && len(got) > 0 {
					t.Errorf("%q, %v", got, err)
				}
				res.Body.Close()
				body.wantClosed(t)
				b.waitGone(1)
				follow(t, client, b, 2)
			})
		}
	})
}

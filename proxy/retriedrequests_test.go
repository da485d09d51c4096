package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"gatehouse/internal/testkit"
)

// retried returns a table whose requests go to the first server, and again to the second.
func retried(first, second, more string) string {
	return `
backends:
  orders:
    servers: [` + first + `, ` + second + `]
    balance: round_robin
    passive: off
    retry: {attempts: 2, when: [connect, reset, timeout, 502, 503, 504], methods: [GET, HEAD, POST]}
    ` + more + `
routes:
  - {name: orders, prefix: /orders, backend: orders, auth: none}
`
}

// A server may refuse a request before the client has sent its body. A read of that body
// has begun then, so the request is not sent again: the other server would get a body
// without its beginning. With Expect, the body is not read before a server wants it.
func TestNoRetryLosesTheBeginningOfABody(t *testing.T) {
	t.Parallel()
	heads := map[string]struct{ head, body string }{
		"known":  {"Content-Length: 20\r\n\r\n", strings.Repeat("x", 20)},
		"chunks": {"Transfer-Encoding: chunked\r\n\r\n", "14\r\n" + strings.Repeat("x", 20) + "\r\n0\r\n\r\n"},
		"expect": {"Expect: 100-continue\r\nContent-Length: 20\r\n\r\n", strings.Repeat("x", 20)},
	}
	begun := make(chan struct{}, 1) // the second server has got the head of a request
	hasty := testkit.ServeRequest(t, func(conn *testkit.ServerConn, r *http.Request) {
		_, _ = io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn)
	})
	patient := testkit.ServeRequest(t, func(conn *testkit.ServerConn, r *http.Request) {
		begun <- struct{}{}
		if r.Header.Get("Expect") != "" {
			_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
		}
		body, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Read: %v\r\nConnection: close\r\n\r\n%s", len(body), err, body)
	})
	for name, request := range heads {
		t.Run(name, func(t *testing.T) {
			eachTransport(t, retried(hasty, patient, ""), "", func(t *testing.T, k *kit) {
				c := k.dial()
				c.Send("POST /orders HTTP/1.1\r\nHost: x\r\n" + request.head)
				answered := make(chan string, 1)
				go func() {
					in := bufio.NewReader(c.In)
					res, err := http.ReadResponse(in, nil)
					for err == nil && res.StatusCode == http.StatusContinue {
						res, err = http.ReadResponse(in, nil)
					}
					if err != nil {
						answered <- err.Error()
						return
					}
					body, err := io.ReadAll(res.Body)
					answered <- fmt.Sprint(res.StatusCode, " ", string(body), " ", err)
				}()
				var got string
				select {
				case got = <-answered:
				case <-begun:
					c.TrySend(request.body)
					got = <-answered
				}
				whole := "200 " + strings.Repeat("x", 20) + " <nil>"
				if got != whole && (got != "503  <nil>" || name == "expect") {
					t.Errorf("the answer is %q", got)
				}
			})
		})
	}
}

// Nothing of an answer in whose place the request was sent again reaches the client.
func TestNothingOfADiscardedAnswerIsSent(t *testing.T) {
	t.Parallel()
	bad := testkit.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for _, name := range []string{"Set-Cookie", "X-Leak", "Etag", "Content-Type", "Cache-Control", "Vary", "Retry-After"} {
			w.Header().Set(name, map[bool]string{true: "0", false: "leak=1"}[name == "Retry-After"])
		}
		w.Header().Set("Trailer", "X-Trailer")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "leak")
		w.Header().Set("X-Trailer", "leak")
	})
	good := testkit.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		_, _ = io.WriteString(w, "good")
	})
	eachLane(t, retried(bad, good, ""), "", func(t *testing.T, k *kit) {
		for _, method := range []string{"GET", "HEAD", "GET", "HEAD"} {
			a := k.do(method, "/orders", nil)
			if a.StatusCode != http.StatusOK || method == "GET" && a.body != "good" {
				t.Fatalf("%s: %d %q", method, a.StatusCode, a.body)
			}
			for name, values := range a.Header {
				if strings.Contains(strings.Join(values, ","), "leak") || name == "Retry-After" || name == "Trailer" {
					t.Errorf("%s: the answer has %s: %q of the discarded one", method, name, values)
				}
			}
			if len(a.Trailer) > 0 {
				t.Errorf("%s: the answer has the trailers %v", method, a.Trailer)
			}
			k.line()
		}
	})
}

// A pause that the timeout of the route leaves no time for is not waited for.
func TestNoPausePastTheTimeout(t *testing.T) {
	t.Parallel()
	var second atomic.Int64
	for _, pause := range []string{"1", "2", "99999999999999999999", "Fri, 31 Dec 2999 23:59:59 GMT"} {
		busy := testkit.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", pause)
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		k := startBefore(t, retried(busy, named(t, "two", &second), "timeout: 1s"), "")
		if a := k.get("/orders"); a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") != pause {
			t.Errorf("Retry-After: %s is answered %d, Retry-After: %q", pause, a.StatusCode, a.Header.Get("Retry-After"))
		}
	}
	if second.Load() > 0 {
		t.Errorf("the other server got %d requests", second.Load())
	}
}

// A request that is refused before it is forwarded frees the place of its copy.
func TestRefusedRequestsKeepNoPlaceOfCopies(t *testing.T) {
	t.Parallel()
	copies := make(chan string, 1)
	mirror := testkit.Serve(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		copies <- string(body)
	})
	held, hold := make(chan struct{}), make(chan struct{})
	server := testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		if _, _ = io.Copy(io.Discard, r.Body); r.URL.Path == "/orders/held" {
			held <- struct{}{}
			<-hold
		}
	})
	k := startBefore(t, `
backends:
  orders: {servers: [`+server+`], max_requests: 1, max_waiting: 0}
routes:
  - {name: orders, prefix: /orders, backend: orders, auth: none, mirror: {backend: "`+mirror+`", percent: 100}}
`, "")
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.do("PUT", "/orders/held", strings.NewReader("first"))
	}()
	<-held
	if got := <-copies; got != "first" {
		t.Fatalf("the copy has %q", got)
	}
	for range 200 {
		if a := k.do("POST", "/orders", strings.NewReader("refused")); a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
			t.Fatalf("past max_requests: %d, Retry-After %q", a.StatusCode, a.Header.Get("Retry-After"))
		}
	}
	close(hold)
	<-done
	for range 200 { // the place is given up after the answer
		if k.do("POST", "/orders", strings.NewReader("last")).StatusCode == http.StatusOK {
			break
		}
	}
	if got := <-copies; got != "last" {
		t.Errorf("the copy has %q", got)
	}
}

// A client that leaves while its request waits for the next attempt gives up its place.
func TestClientLeavesBetweenAttempts(t *testing.T) {
	t.Parallel()
	var second atomic.Int64
	asked := make(chan struct{}, 1)
	busy := testkit.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		asked <- struct{}{}
	})
	k := startBefore(t, retried(busy, named(t, "two", &second), "max_requests: 1"), "")
	c := k.dial()
	c.Send("GET /orders HTTP/1.1\r\nHost: x\r\n\r\n")
	<-asked
	c.Reset()
	if line := k.line(); line["status"] != 499.0 && line["attempts"] != 2.0 { // a slow machine may have sent it again
		t.Errorf("logged %v", line)
	}
	if a := k.get("/orders"); a.StatusCode != http.StatusOK {
		t.Errorf("the next request is answered %d", a.StatusCode)
	}
}

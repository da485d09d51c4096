package server

import (
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// reading returns a handler that reads these numbers of bytes before and after its answer;
// a negative number means all.
func reading(before, after int, setup func(w http.ResponseWriter, r *http.Request)) noted {
	return func(w http.ResponseWriter, r *http.Request, note noteFunc) {
		read := func(most int) {
			if most == 0 {
				return
			}
			if most < 0 {
				most = 1 << 30
			}
			body, err := io.ReadAll(io.LimitReader(r.Body, int64(most)))
			note("%d %x %v", len(body), crc32.ChecksumIEEE(body), err)
		}
		read(before)
		if setup != nil {
			setup(w, r)
		}
		n, err := io.WriteString(w, "answer")
		note("%d %v", n, err)
		read(after)
	}
}

func flush(w http.ResponseWriter, _ *http.Request) { _ = http.NewResponseController(w).Flush() }

func fullDuplex(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).EnableFullDuplex()
	flush(w, r)
}

func closeBody(_ http.ResponseWriter, r *http.Request) { _ = r.Body.Close() }

var readers = map[string]noted{
	"none": reading(0, 0, nil), "all": reading(-1, 0, nil), "some": reading(3, 0, nil), "all twice": reading(-1, -1, nil),
	"after": reading(0, -1, nil), "some and after": reading(3, -1, nil), "some and some": reading(3, 3, nil),
	"flush": reading(0, 0, flush), "all, flush": reading(-1, -1, flush), "after flush": reading(0, 10, flush), "some and after flush": reading(3, 10, flush),
	"length":             reading(0, -1, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "6") }),
	"full duplex, after": reading(0, -1, fullDuplex), "full duplex, all": reading(-1, 0, fullDuplex),
	"close": reading(0, 0, closeBody), "some, close, after": reading(3, -1, closeBody), "all, close, after": reading(-1, -1, closeBody),
	"close of the connection": reading(0, -1, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") }),
	"empty reads": func(_ http.ResponseWriter, r *http.Request, note noteFunc) {
		n, err := r.Body.Read(nil)
		note("%d %v", n, err)
	},
	"replaced": func(w http.ResponseWriter, r *http.Request, _ noteFunc) { r.Body = http.NoBody },
}

// Up to 256 KiB of an unread body are drained before the next request.
func TestBodies(t *testing.T) {
	for name, handler := range readers {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, handler)
			for _, size := range []int{0, 1, 5, 5000, 100 << 10, maxDiscard - 1, maxDiscard + 10, maxDiscard + 20<<10} {
				for _, extra := range []string{"X: a", "Connection: close"} {
					text := post(long(size), fmt.Sprintf("Content-Length: %d", size), extra)
					if strings.Contains(name, "close") && size > 100<<10 && extra == "Connection: close" {
						continue // net/http may take its answer away
					}
					p.same(t, text)
				}
			}
			p.same(t, get())
			if slices.Contains([]string{"none", "all", "some", "length", "flush"}, name) {
				// Another read returns the same error here. net/http returns the end, as if the
				// body were complete.
				p.same(t, post("hel", "Content-Length: 5"))
			}
		})
	}
}

func TestBodyOfMaxDrained(t *testing.T) {
	newPair(t, reading(0, 0, nil)).same(t, post(long(maxDiscard), fmt.Sprintf("Content-Length: %d", maxDiscard)))
}

// In full duplex, net/http drains the body too, but panics when it reads the next request.
func TestUnreadInFullDuplex(t *testing.T) {
	s := start(t, func(w http.ResponseWriter, r *http.Request) { fullDuplex(w, r) })
	c := testkit.Dial(t, s.addr)
	c.TrySend(post("hello", "Content-Length: 5") + get("Connection: close"))
	if got := c.Rest(); strings.Count(got, "200 OK") != 2 {
		t.Errorf("got %q", got)
	}
}

// The parts of a body are returned when they come, and its end at once.
func TestBodyInPieces(t *testing.T) {
	parts := make(chan string)
	s := start(t, func(w http.ResponseWriter, r *http.Request) {
		p := make([]byte, 10<<10)
		for {
			n, err := r.Body.Read(p)
			parts <- fmt.Sprintf("%d %v", n, err)
			if err != nil {
				return
			}
		}
	})
	c := testkit.Dial(t, s.addr)
	c.TrySend(post("he", "Content-Length: 5"))
	for _, step := range []struct{ want, next string }{{"2 <nil>", "l"}, {"1 <nil>", "lo" + get("Connection: close")}, {"2 EOF", ""}} {
		if got := <-parts; got != step.want {
			t.Errorf("got %s, want %s", got, step.want)
		}
		c.TrySend(step.next)
	}
	if got := <-parts; got != "0 EOF" { // of the next request
		t.Errorf("got %s", got)
	}
	c.Rest()
}

// A client that sends more than is read must be able to read the answer after it has sent
// everything.
func TestLingeringClose(t *testing.T) {
	s := start(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestEntityTooLarge) })
	for range 5 {
		c := testkit.Dial(t, s.addr)
		const size = 8 << 20
		if _, err := io.WriteString(c, post(long(size), fmt.Sprintf("Content-Length: %d", size))); err != nil {
			t.Fatalf("send: %v", err)
		}
		if got := c.Rest(); !strings.HasPrefix(got, "HTTP/1.1 413 ") || !strings.Contains(got, "Connection: close\r\n") {
			t.Fatalf("got %q", got)
		}
	}
}

// The same holds for a client that has sent more requests after the last one that is
// answered.
func TestLingeringCloseAfterPipelining(t *testing.T) {
	answer := long(1 << 20)
	s := start(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		_, _ = io.WriteString(w, answer)
	})
	for range 5 {
		c := testkit.Dial(t, s.addr)
		sent := make(chan error, 1)
		go func() {
			_, err := io.WriteString(c, strings.Repeat(get(), 100_000))
			sent <- err
		}()
		if got := c.Rest(); !strings.HasPrefix(got, "HTTP/1.1 200 ") || !strings.HasSuffix(got, answer) {
			t.Fatalf("got %d bytes: %.100q", len(got), got)
		}
		if err := <-sent; err != nil {
			t.Fatalf("send: %v", err)
		}
	}
}

// A client that announces a body, sends none and asks to close the connection gets it
// closed.
func TestUnsentBodyBeforeClose(t *testing.T) {
	s := start(t, func(http.ResponseWriter, *http.Request) {})
	c := testkit.Dial(t, s.addr)
	c.TrySend(post("", "Content-Length: 5", "Connection: close"))
	if got := c.Rest(); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") {
		t.Errorf("got %q", got)
	}
	testkit.Eventually(t, "the connection is gone", func() bool { return s.open() == 0 })
}

// A goroutine that still reads the body after its request does not block the connection.
func TestBodyReadBeyondItsRequest(t *testing.T) {
	late := make(chan error, 1)
	s := start(t, func(w http.ResponseWriter, r *http.Request) {
		started := make(chan struct{})
		go func() {
			one := make([]byte, 1)
			_, _ = r.Body.Read(one)
			close(started)
			_, err := io.Copy(io.Discard, r.Body)
			late <- err
		}()
		<-started
	})
	c := testkit.Dial(t, s.addr)
	c.TrySend(post("a", "Content-Length: 500000", "Connection: close"))
	if got := c.Rest(); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") {
		t.Errorf("got %q", got)
	}
	if err := <-late; err == nil {
		t.Error("the body ended as if it were whole")
	}
}

func TestClientLeavesInBody(t *testing.T) {
	read := make(chan error, 1)
	s := start(t, func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		read <- err
	})
	c := testkit.Dial(t, s.addr)
	c.TrySend(post("hel", "Content-Length: 5"))
	_ = c.CloseWrite()
	if err := <-read; err != io.ErrUnexpectedEOF { //nolint:errorlint // as io.Reader gives it
		t.Errorf("got %v", err)
	}
}

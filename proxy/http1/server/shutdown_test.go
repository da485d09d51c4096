package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/internal/testkit"
)

// held is a handler that waits for the test.
type held struct{ entered, release chan struct{} }

func newHeld() held { return held{make(chan struct{}), make(chan struct{})} }

func (h held) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h.entered <- struct{}{}
	<-h.release
	_, _ = io.WriteString(w, "late")
}

// shutdown starts a Shutdown.
func (r *running) shutdown(ctx context.Context) chan error {
	ended := make(chan error, 1)
	go func() { ended <- r.Shutdown(ctx) }()
	testkit.Eventually(r.t, "the server shuts down", r.draining.Load)
	return ended
}

func (r *running) expectServed(want error) {
	r.t.Helper()
	err := testkit.Receive(r.t, "the end of Serve", r.served)
	if !errors.Is(err, want) {
		r.t.Errorf("Serve gave %v, want %v", err, want)
	}
	r.served <- err
}

func TestShutdownOfIdleConnections(t *testing.T) {
	s := start(t, func(http.ResponseWriter, *http.Request) {})
	clients := make([]*testkit.Client, 5)
	for i := range clients {
		clients[i] = testkit.Dial(t, s.addr)
		clients[i].TrySend(get())
		clients[i].ReceiveUntil("\r\n\r\n")
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	for _, c := range clients {
		if rest := c.Rest(); rest != "" {
			t.Errorf("got %q", rest)
		}
	}
	s.expectServed(http.ErrServerClosed)
	if conn, err := (&http.Client{}).Get("http://" + s.addr); err == nil {
		conn.Body.Close()
		t.Error("the listener is open")
	}
	if err := s.Serve(testListener{testkit.Listen(t)}); !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("Serve after Shutdown gave %v", err)
	}
}

// Shutdown waits for a busy connection, whether our server or net/http's serves it.
func TestShutdownOfBusyConnections(t *testing.T) {
	for name, text := range map[string]string{
		"plain": get(), "passed on": get("Expect: 100-continue"), "passed on later": with("HEAD /fast HTTP/1.1", "Host: h") + with("GET /a HTTP/1.1", "Host: h", "Trailer: x"),
	} {
		t.Run(name, func(t *testing.T) {
			h := newHeld()
			s := start(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/fast" {
					h.ServeHTTP(w, r)
				}
			})
			c := testkit.Dial(t, s.addr)
			c.TrySend(text)
			<-h.entered
			ended := s.shutdown(t.Context())
			s.expectServed(http.ErrServerClosed)
			select {
			case err := <-ended:
				t.Fatalf("it did not wait: %v", err)
			default:
			}
			close(h.release)
			if got := c.Rest(); !strings.Contains(got, "Connection: close\r\n") || !strings.HasSuffix(got, "\r\n\r\nlate") {
				t.Errorf("got %q", got)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestShutdownInTime(t *testing.T) {
	for name, text := range map[string]string{"plain": get(), "passed on": get("Trailer: x")} {
		t.Run(name, func(t *testing.T) {
			h := newHeld()
			s := start(t, h.ServeHTTP)
			c := testkit.Dial(t, s.addr)
			c.TrySend(text)
			<-h.entered
			ctx, cancel := context.WithCancel(t.Context())
			ended := s.shutdown(ctx)
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			_ = s.Close()
			if rest := c.Rest(); rest != "" {
				t.Errorf("got %q", rest)
			}
			close(h.release)
		})
	}
}

// A connection that has sent nothing may be about to send. Its request is answered.
func TestShutdownOfNewConnections(t *testing.T) {
	s := start(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "first") })
	c := testkit.Dial(t, s.addr)
	testkit.Eventually(t, "the connection is there", func() bool { return s.open() == 1 })
	ended := s.shutdown(t.Context())
	s.expectServed(http.ErrServerClosed)
	c.TrySend(get())
	if got := c.Rest(); !strings.Contains(got, "Connection: close\r\n") || !strings.HasSuffix(got, "first") {
		t.Errorf("got %q", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// The grace of a new connection ends.
func TestGraceOfNewConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &conn{opened: time.Now()}
		time.Sleep(newConnGrace - 1)
		if c.mayClose() {
			t.Error("it ends too early")
		}
		time.Sleep(time.Nanosecond)
		if !c.mayClose() {
			t.Error("it does not end")
		}
		young := &conn{opened: time.Now()}
		young.served.Store(true)
		if !young.mayClose() {
			t.Error("one that has served a request has a grace")
		}
	})
}

func TestClose(t *testing.T) {
	h := newHeld()
	s := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/held" {
			h.ServeHTTP(w, r)
		}
	})
	idle, fresh, busy, passed := testkit.Dial(t, s.addr), testkit.Dial(t, s.addr), testkit.Dial(t, s.addr), testkit.Dial(t, s.addr)
	idle.TrySend(get())
	idle.ReceiveUntil("\r\n\r\n")
	busy.TrySend(with("GET /held HTTP/1.1", "Host: h"))
	<-h.entered
	passed.TrySend(with("GET /held HTTP/1.1", "Host: h", "Trailer: x"))
	<-h.entered
	testkit.Eventually(t, "only three are the front's", func() bool { return s.open() == 3 })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for _, c := range []*testkit.Client{idle, fresh, busy, passed} {
		if rest := c.Rest(); rest != "" {
			t.Errorf("got %q", rest)
		}
	}
	s.expectServed(http.ErrServerClosed)
	close(h.release)
	if s.add(&conn{}) {
		t.Error("it takes connections")
	}
}

// Shutdown ends while connections come and go. Every answer that was sent is complete.
func TestShutdownInTraffic(t *testing.T) {
	for range 20 {
		s := start(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "whole") })
		answers := make(chan string)
		const clients = 8
		ready := make(chan struct{}, clients)
		for range clients {
			c := testkit.Dial(t, s.addr)
			go func() {
				c.TrySend(get())
				ready <- struct{}{}
				for range 50 {
					c.TrySend(get())
				}
				all, _ := io.ReadAll(c)
				_ = c.Close() // or the server waits for what else it sends
				answers <- string(all)
			}()
		}
		<-ready
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		s.expectServed(http.ErrServerClosed)
		for range clients {
			if got := <-answers; strings.Count(got, "HTTP/1.1 200 OK") != strings.Count(got, "\r\n\r\nwhole") {
				t.Errorf("got %q", got)
			}
		}
	}
}

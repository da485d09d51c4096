package server

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// echo answers with the target and the body.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if len(body)%2 == 0 {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", fmt.Sprint(len(r.RequestURI)+len(body)))
	}
	_, _ = io.WriteString(w, r.RequestURI)
	_, _ = w.Write(body)
}

// randomRequest returns a request and the answer of echo. A few requests are not simple.
func randomRequest(random *rand.Rand, name string) (text, want string) {
	body := ""
	if random.IntN(2) == 0 {
		body = strings.Repeat(name, random.IntN(600))
	}
	field := "X: " + long(random.IntN(100))
	switch random.IntN(20) {
	case 0:
		field = "X: " + long(random.IntN(9000))
	case 1:
		return with("POST "+name+" HTTP/1.1", "Host: h", "Transfer-Encoding: chunked") + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(name), name), name + name
	}
	if body == "" {
		return with("GET "+name+" HTTP/1.1", "Host: h", field), name
	}
	return with("POST "+name+" HTTP/1.1", "Host: h", field, fmt.Sprintf("Content-Length: %d", len(body))) + body, name + body
}

// Each answer belongs to its request, under any load.
func TestLoad(t *testing.T) {
	const clients, length = 24, 1500 * time.Millisecond
	s := start(t, echo, withTimeouts(time.Minute, time.Minute))
	over := time.Now().Add(length)
	var all sync.WaitGroup
	for number := range clients {
		all.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(number)))
			for visit := 0; time.Now().Before(over); visit++ {
				if err := storm(t, s.addr, random, fmt.Sprintf("/%d/%d", number, visit)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	testkit.Eventually(t, "the connections are gone", func() bool { return s.open() == 0 })
}

// storm is one client: it sends some requests at a time until it disconnects, maybe
// without reading the answers.
func storm(t *testing.T, addr string, random *rand.Rand, name string) error {
	c := testkit.Dial(t, addr)
	defer c.Close()
	in := bufio.NewReader(c)
	for round := range 1 + random.IntN(8) {
		var texts bytes.Buffer
		var wants []string
		for i := range 1 + random.IntN(5) {
			text, want := randomRequest(random, fmt.Sprintf("%s/%d/%d", name, round, i))
			texts.WriteString(text)
			wants = append(wants, want)
		}
		if random.IntN(20) == 0 {
			c.TrySend(texts.String()[:random.IntN(texts.Len())])
			return nil
		}
		c.TrySend(texts.String())
		for _, want := range wants {
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				return err
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || string(body) != want {
				return fmt.Errorf("got %.100q %w, want %.100q", body, err, want)
			}
		}
	}
	return nil
}

// heap returns the memory in use after a garbage collection.
func heap() int {
	for range 3 { // a sync.Pool outlives one
		runtime.GC()
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}

// Idle connections keep a small buffer, however large their heads were.
func TestMemoryOfIdleConnections(t *testing.T) {
	s := start(t, hello)
	clients := make([]*testkit.Client, 300)
	ask := func(text string) (inUse int) {
		for i := range clients {
			if clients[i] == nil {
				clients[i] = testkit.Dial(t, s.addr)
			}
			clients[i].TrySend(text)
		}
		for _, c := range clients {
			c.ReceiveUntil("hello, /a")
		}
		return heap()
	}
	small := ask(get())
	if large := ask(get("X: " + long(12<<10))); large-small > len(clients)*(maxHead-bufferSize)/3 {
		t.Errorf("%d bytes a connection, and %d after large heads", small/len(clients), large/len(clients))
	}
	if s.open() != len(clients) {
		t.Errorf("%d connections are the front's", s.open())
	}
}

// waitNoGoroutines returns when our server has no goroutines.
func waitNoGoroutines(t *testing.T) {
	t.Helper()
	testkit.WaitNoGoroutines(t, "server.(*Server)", "server.(*handoffListener)", "http.(*conn)")
}

func TestNoGoroutineIsLeft(t *testing.T) {
	waitNoGoroutines(t) // of the tests before
	for _, end := range []func(s *running) error{
		func(s *running) error { return s.Shutdown(t.Context()) },
		func(s *running) error { return s.Close() },
	} {
		s := start(t, hello)
		for _, text := range []string{get(), get("Trailer: x"), get() + get("Trailer: x")} {
			c := testkit.Dial(t, s.addr)
			c.TrySend(text)
			c.ReceiveUntil("hello, /a")
		}
		if err := end(s); err != nil {
			t.Error(err)
		}
		s.expectServed(http.ErrServerClosed)
		waitNoGoroutines(t)
	}
}

// A panic ends its connection, and is logged unless it is http.ErrAbortHandler.
func TestPanics(t *testing.T) {
	var lines testkit.Log
	s := start(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			panic(http.ErrAbortHandler)
		}
		panic(errors.New("of the test"))
	}, func(s *http.Server) { s.ErrorLog = log.New(&lines, "", 0) })
	for _, text := range []string{with("HEAD /a HTTP/1.1", "Host: h"), get()} {
		c := testkit.Dial(t, s.addr)
		c.TrySend(text)
		if rest := c.Rest(); rest != "" {
			t.Errorf("got %q", rest)
		}
	}
	if got := lines.String(); strings.Count(got, "http: panic serving 127.0.0.1:") != 1 || !strings.Contains(got, "of the test\n") {
		t.Errorf("logged %q", got)
	}
}

package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// TestClientLeaves wants the backend's request to end when the client leaves:
// one without a body, with one that was read, of a built-in handler.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	const table = `
routes:
  - {name: open, prefix: /open, backend: "${BACKEND}", auth: none}
  - {name: built, prefix: /built, handler: users}
`
	for name, request := range map[string]string{
		"without a body":     "GET /open HTTP/1.1\r\nHost: x\r\n\r\n",
		"with a body":        "POST /open HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
		"with chunks":        "POST /open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"to a built-in":      "GET /built HTTP/1.1\r\nHost: x\r\n\r\n",
		"with one, to a b-i": "POST /built HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun, ended := make(chan struct{}), make(chan struct{})
			linger := func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				close(begun)
				<-r.Context().Done()
				close(ended)
			}
			k := newKit(t, table, serveBackend(t, linger))
			k.parts.Users = builtIn(linger)
			k.gateway.Swap(k.compile(table))
			k.serve()
			client := k.dial()
			client.send(request)
			wait(t, "the request", begun)
			_ = client.Conn.Close()
			wait(t, "the end of the request", ended)
		})
	}
}

// TestSlowAnswersAndTheNextRequest asks again on a connection that was watched,
// by a request that came while the first was answered, too: nothing of it may
// be lost.
func TestSlowAnswersAndTheNextRequest(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan string, 1), make(chan struct{})
	k := start(t, openTable, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		<-answer
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s", r.URL.Path, body)
	})
	client := k.dial()
	watched := func() bool {
		conn := k.connection(client)
		conn.reading.Lock()
		defer conn.reading.Unlock()
		return conn.watched != nil
	}
	for i, ahead := range []bool{false, true, false, true} {
		first, second := fmt.Sprintf("/first/%d", i), fmt.Sprintf("/second/%d", i)
		next := "POST " + second + " HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
		client.send("GET " + first + " HTTP/1.1\r\nHost: x\r\n\r\n")
		if got := <-asked; got != first {
			t.Fatalf("asked for %s, want %s", got, first)
		}
		until(t, watched)
		if ahead {
			client.send(next)
		}
		answer <- struct{}{}
		if res := client.receive(); res.StatusCode != 200 || !strings.HasPrefix(res.body, first) {
			t.Fatalf("%s: %v", first, res)
		}
		if !ahead {
			client.send(next)
		}
		if got := <-asked; got != second {
			t.Fatalf("asked for %s, want %s", got, second)
		}
		answer <- struct{}{}
		if res := client.receive(); res.StatusCode != 200 || res.body != second+" hello" {
			t.Fatalf("%s: %v", second, res)
		}
	}
}

// TestReadingAhead holds what net/http does with the single byte that it reads
// while a request is answered: it takes no bytes without an error for an end.
func TestReadingAhead(t *testing.T) {
	t.Parallel()
	k := start(t, openTable, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") })
	client := k.dial()
	for range 100 {
		client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if res := client.receive(); res.StatusCode != 200 || res.body != "here" {
			t.Fatalf("%v", res)
		}
	}

	near, far := net.Pipe()
	defer far.Close()
	conn := newClientConn(near, &limitedListener{gateway: k.gateway, clients: newTally()}, netip.Addr{})
	defer conn.Close()
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("a single byte: %d, %v", n, err)
	}
	conn.release() // to whoever hijacks it
	go func() { _, _ = io.WriteString(far, "x") }()
	if n, err := conn.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("a single byte of a hijacked connection: %d, %v", n, err)
	}
}

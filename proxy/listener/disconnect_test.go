package listener

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
	"gatehouse/proxy/http1/server"
)

// TestSlowAnswersAndTheNextRequest sends another request on a connection that was watched,
// also while the first request is answered. No byte of it may be lost.
func TestSlowAnswersAndTheNextRequest(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan string, 1), make(chan struct{})
	standard := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		<-answer
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s", r.URL.Path, body)
	})}
	public := testkit.Listen(t)
	conns := make(chan *Conn, 1)
	go func() { _ = server.New(standard).Serve(notedConns{newListener(public, unlimited()), conns}) }()
	t.Cleanup(func() { _ = standard.Close() })
	client := testkit.Dial(t, public.Addr().String())
	conn := testkit.Receive(t, "the connection", conns)
	watched := func() bool {
		conn.reading.Lock()
		defer conn.reading.Unlock()
		return conn.readAhead != nil
	}
	for i, ahead := range []bool{false, true, false, true} {
		first, second := fmt.Sprintf("/first/%d", i), fmt.Sprintf("/second/%d", i)
		next := "POST " + second + " HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
		client.Send("GET " + first + " HTTP/1.1\r\nHost: x\r\n\r\n")
		if got := <-asked; got != first {
			t.Fatalf("asked for %s, want %s", got, first)
		}
		testkit.Eventually(t, "the connection is watched", watched)
		if ahead {
			client.Send(next)
		}
		answer <- struct{}{}
		if res, body := client.Receive(); res.StatusCode != 200 || !strings.HasPrefix(body, first) {
			t.Fatalf("%s: %v %q", first, res, body)
		}
		if !ahead {
			client.Send(next)
		}
		if got := <-asked; got != second {
			t.Fatalf("asked for %s, want %s", got, second)
		}
		answer <- struct{}{}
		if res, body := client.Receive(); res.StatusCode != 200 || body != second+" hello" {
			t.Fatalf("%s: %v %q", second, res, body)
		}
	}
}

// notedConns sends each accepted connection to a test.
type notedConns struct {
	*Listener
	conns chan<- *Conn
}

func (l notedConns) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if own, ok := accepted.(*Conn); ok {
		l.conns <- own
	}
	return accepted, err
}

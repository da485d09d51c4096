package server

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// slow is longer than any test. soon is the longest wait that is allowed, and longer than
// a busy machine takes to send a head.
const (
	slow = time.Hour
	soon = 500 * time.Millisecond
)

func withTimeouts(head, idle time.Duration) func(*http.Server) {
	return func(s *http.Server) { s.ReadHeaderTimeout, s.IdleTimeout = head, idle }
}

// The server closes the connection of a client that lets it wait too long.
func TestTimeouts(t *testing.T) {
	for name, test := range map[string]struct {
		head, idle time.Duration
		first      string // a request that is answered
		sent       string
	}{
		"nothing sent":              {head: soon, idle: slow},
		"part of a head":            {head: soon, idle: slow, sent: "GET / HTTP/1.1\r\nHo"},
		"idle":                      {head: slow, idle: soon, first: get()},
		"idle without a bound":      {idle: soon, first: get()},
		"part of the next head":     {head: soon, idle: slow, first: get(), sent: "GET / HTTP/1.1\r\nHo"},
		"line breaks after a POST":  {head: soon, idle: slow, first: post("", "Content-Length: 0"), sent: "\r\n"},
		"passed on, idle":           {head: slow, idle: soon, first: get("Trailer: x")},
		"passed on, part of a head": {head: soon, idle: slow, first: get("Trailer: x"), sent: "GET / HTTP/1.1\r\nHost: h\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, func(http.ResponseWriter, *http.Request) {}, withTimeouts(test.head, test.idle))
			c := testkit.Dial(t, s.addr)
			if test.first != "" {
				c.TrySend(test.first)
				c.ReceiveUntil("\r\n\r\n")
			}
			c.TrySend(test.sent)
			if rest := c.Rest(); rest != "" {
				t.Errorf("got %q", rest)
			}
		})
	}
}

// deadlines is a connection that reports the read deadlines that are set.
type deadlines struct {
	*testConn
	mu  sync.Mutex
	set []string
}

func (c *deadlines) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := "none"
	if !t.IsZero() {
		name = time.Until(t).Round(time.Hour).String()
	}
	c.set = append(c.set, name)
	return c.testConn.SetReadDeadline(t)
}

func (c *deadlines) all() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.set, " ")
}

// onlyListener accepts one connection.
type onlyListener struct {
	net.Listener
	made chan *deadlines
}

func (l onlyListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &deadlines{testConn: &testConn{Conn: conn}}
	l.made <- c
	return c, nil
}

func TestDeadlinesAreRenewed(t *testing.T) {
	for name, test := range map[string]struct {
		head, idle time.Duration
		want       string
	}{
		"none":      {want: "none none none none"},
		"different": {head: 2 * time.Hour, idle: 5 * time.Hour, want: "2h0m0s none 5h0m0s 2h0m0s none"},
		"the same":  {head: 2 * time.Hour, idle: 2 * time.Hour, want: "2h0m0s none 2h0m0s 2h0m0s none"},
		"idle only": {idle: 2 * time.Hour, want: "none 2h0m0s none none"},
	} {
		t.Run(name, func(t *testing.T) {
			l := onlyListener{testkit.Listen(t), make(chan *deadlines, 1)}
			standard := &http.Server{Handler: http.HandlerFunc(hello), ErrorLog: testkit.DiscardLog()}
			withTimeouts(test.head, test.idle)(standard)
			s := startOn(t, New(standard), l)
			c := testkit.Dial(t, s.addr)
			c.TrySend(get())
			c.ReceiveUntil("hello, /a")
			c.TrySend("GET /b HTTP/1.1\r\n")
			made := <-l.made
			want, _ := strings.CutSuffix(test.want, " none")
			testkit.Eventually(t, "the part of a head is there", func() bool { return made.all() == want })
			c.TrySend("Host: h\r\nConnection: close\r\n\r\n")
			if rest := c.Rest(); !strings.HasSuffix(rest, "hello, /b") || made.all() != test.want {
				t.Errorf("got %s, want %s, and %q", made.all(), test.want, rest)
			}
		})
	}
}

// A deadline that a handler has set ends with its request.
func TestDeadlineOfHandler(t *testing.T) {
	s := start(t, func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)); err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, "done")
	})
	c := testkit.Dial(t, s.addr)
	for range 3 {
		c.TrySend(get())
		c.ReceiveUntil("done")
	}
}

// A slow client still gets its answer, and our server keeps the connection.
func TestSlowHead(t *testing.T) {
	s := start(t, hello, withTimeouts(slow, slow))
	c := testkit.Dial(t, s.addr)
	for range 2 {
		for _, char := range get("X: " + long(bufferSize)) {
			c.TrySend(string(char))
		}
		c.ReceiveUntil("hello, /a")
		if s.open() != 1 {
			t.Error("it was passed on")
		}
	}
}

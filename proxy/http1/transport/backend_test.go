package transport_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// plain is the usual answer of a backend.
const plain = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain"

// backend is a raw TCP server. Each connection runs the script. The backend records
// connections and requests.
type backend struct {
	t       *testing.T
	address string
	url     string

	mu       sync.Mutex
	links    []*link
	requests []request
	changed  chan struct{} // closed and replaced whenever something of the above changes
}

// link is one connection, numbered from 1.
type link struct {
	net.Conn
	in     *bufio.Reader
	b      *backend
	number int
	over   bool // the script has ended, and the connection with it
	gone   bool // the client was seen closing it
}

// request is a request as it was received.
type request struct {
	link    int
	line    string   // "GET /path HTTP/1.1"
	fields  []string // "Name: value", sorted
	raw     string   // head and body, byte for byte
	body    string   // without chunks
	trailer []string // as fields
}

// serve starts a backend.
func serve(t *testing.T, script func(*link)) *backend {
	t.Helper()
	listener := testkit.Listen(t)
	b := &backend{t: t, address: listener.Addr().String(), changed: make(chan struct{})}
	b.url = "http://" + b.address
	testkit.ServeListener(t, linkListener{listener, b}, func(conn net.Conn) {
		l := conn.(*link)
		script(l)
		// The connection is closed only after it was counted as ended: a client that has
		// noticed the end may connect again at once.
		b.change(func() { l.over = true })
	})
	return b
}

// linkListener numbers its connections in the order in which they are accepted.
type linkListener struct {
	net.Listener
	b *backend
}

func (l linkListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(testkit.Timeout))
	made := &link{Conn: conn, in: bufio.NewReader(conn), b: l.b}
	l.b.change(func() {
		l.b.links = append(l.b.links, made)
		made.number = len(l.b.links)
	})
	return made, nil
}

func (b *backend) change(what func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	what()
	close(b.changed)
	b.changed = make(chan struct{})
}

// wait returns when the condition is true. It is called with b.mu held.
func (b *backend) wait(what string, holds func() bool) {
	b.t.Helper()
	timeout := time.NewTimer(testkit.Timeout)
	defer timeout.Stop()
	for {
		b.mu.Lock()
		ok, changed := holds(), b.changed
		b.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			b.t.Fatalf("the backend waited in vain for %s", what)
		}
	}
}

// waitGone returns when the backend has seen the client close the connection.
func (b *backend) waitGone(number int) {
	b.t.Helper()
	b.wait("the end of connection "+strconv.Itoa(number), func() bool { return len(b.links) >= number && b.links[number-1].gone })
}

// waitSeen returns when this number of requests has been received.
func (b *backend) waitSeen(count int) {
	b.t.Helper()
	b.wait(strconv.Itoa(count)+" requests", func() bool { return len(b.requests) >= count })
}

func (b *backend) waitOpen(count int) {
	b.t.Helper()
	b.wait(strconv.Itoa(count)+" open connections", func() bool { return b.openLocked() == count })
}

func (b *backend) openLocked() int {
	open := 0
	for _, l := range b.links {
		if !l.over {
			open++
		}
	}
	return open
}

// made returns the number of connections that were ever accepted.
func (b *backend) made() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.links)
}

// seen returns the complete requests that were received.
func (b *backend) seen() []request {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.requests)
}

// request reads one request and records it. It returns false when the client has closed.
func (l *link) request() (request, bool) {
	r, ok := l.head()
	if !ok {
		return r, false
	}
	return l.rest(r)
}

// rest reads the bytes after the head, and records the request.
func (l *link) rest(r request) (request, bool) {
	length, chunks := 0, false
	for _, field := range r.fields {
		name, value, _ := strings.Cut(field, ": ")
		switch {
		case strings.EqualFold(name, "Content-Length"):
			length, _ = strconv.Atoi(value)
		case strings.EqualFold(name, "Transfer-Encoding"):
			chunks = value == "chunked"
		}
	}
	if chunks {
		return l.chunked(r)
	}
	body := make([]byte, length)
	n, err := io.ReadFull(l.in, body)
	r.body = string(body[:n])
	r.raw += r.body
	if err != nil {
		return r, l.lost()
	}
	l.b.change(func() { l.b.requests = append(l.b.requests, r) })
	return r, true
}

func (l *link) chunked(r request) (request, bool) {
	var raw strings.Builder
	body, err := io.ReadAll(httputil.NewChunkedReader(bufio.NewReaderSize(io.TeeReader(oneByte{l.in}, &raw), 1)))
	r.body = string(body)
	r.raw += raw.String()
	if err != nil {
		return r, l.lost()
	}
	for {
		line, err := l.in.ReadString('\n')
		r.raw += line
		if err != nil {
			return r, l.lost()
		}
		if line == "\r\n" {
			break
		}
		r.trailer = append(r.trailer, strings.TrimSuffix(line, "\r\n"))
	}
	slices.Sort(r.trailer)
	l.b.change(func() { l.b.requests = append(l.b.requests, r) })
	return r, true
}

// oneByte keeps a chunked reader from reading beyond the end of the body.
type oneByte struct{ io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.Reader.Read(p[:min(len(p), 1)]) }

// head reads a request's head without recording it.
func (l *link) head() (request, bool) {
	r := request{link: l.number}
	for {
		line, err := l.in.ReadString('\n')
		r.raw += line
		if err != nil {
			return r, l.lost()
		}
		line = strings.TrimSuffix(line, "\r\n")
		switch {
		case r.line == "":
			r.line = line
		case line == "":
			slices.Sort(r.fields)
			return r, true
		default:
			r.fields = append(r.fields, line)
		}
	}
}

// untilGone reads until the client closes the connection.
func (l *link) untilGone() {
	io.Copy(io.Discard, l.in)
	l.lost()
}

// lost records that the client has closed. It returns false.
func (l *link) lost() bool {
	l.b.change(func() { l.gone = true })
	return false
}

// send writes to the client. It ignores errors: a later read reports a closed connection.
func (l *link) send(answer string) { io.WriteString(l, answer) }

// reset ends the connection with RST.
func (l *link) reset() {
	_ = l.Conn.(*net.TCPConn).SetLinger(0)
	l.Close()
}

// finish sends FIN and continues to read.
func (l *link) finish() { _ = l.Conn.(*net.TCPConn).CloseWrite() }

// plainly answers every request with plain, until the client closes.
func (l *link) plainly() {
	for {
		r, ok := l.request()
		if !ok {
			return
		}
		answer := plain
		if strings.HasPrefix(r.line, http.MethodHead+" ") {
			answer = strings.TrimSuffix(answer, "plain")
		}
		l.send(answer)
	}
}

// onFirst runs a script on the first connection, and plainly on the others.
func onFirst(script func(*link)) func(*link) {
	return func(l *link) {
		if l.number > 1 {
			l.plainly()
			return
		}
		script(l)
	}
}

// once answers the first request of the first connection with this answer, and all others
// with plain.
func once(answer string) func(*link) {
	return func(l *link) {
		if l.number == 1 {
			if _, ok := l.request(); !ok {
				return
			}
			l.send(answer)
		}
		l.plainly()
	}
}

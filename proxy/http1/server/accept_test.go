package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"gatehouse/internal/testkit"
)

var errBroken = errors.New("the listener is broken")

// errPassing is a temporary error of Accept.
type errPassing struct{ error }

func (errPassing) Timeout() bool   { return false }
func (errPassing) Temporary() bool { return true }

// scripted is a listener that first returns errors, and then connections.
type scripted struct {
	net.Listener
	mu   sync.Mutex
	errs []error
}

func (l *scripted) Accept() (net.Conn, error) {
	l.mu.Lock()
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		l.mu.Unlock()
		return nil, err
	}
	l.mu.Unlock()
	return l.Listener.Accept()
}

func hello(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, "hello, "+r.URL.Path)
}

func TestAcceptErrorsThatPass(t *testing.T) {
	passing := errPassing{errors.New("too many open files")}
	l := &scripted{Listener: testListener{testkit.Listen(t)}, errs: []error{passing, passing, passing}}
	s := startOn(t, New(&http.Server{Handler: http.HandlerFunc(hello), ErrorLog: testkit.DiscardLog()}), l)
	for _, text := range []string{get("Connection: close"), get("Trailer: x", "Connection: close")} {
		c := testkit.Dial(t, s.addr)
		c.TrySend(text)
		if got := c.Rest(); !strings.HasSuffix(got, "hello, /a") {
			t.Errorf("got %q", got)
		}
	}
}

func TestAcceptErrorsThatStay(t *testing.T) {
	l := &scripted{Listener: testListener{testkit.Listen(t)}, errs: []error{errBroken, errBroken}}
	s := startOn(t, New(&http.Server{Handler: http.HandlerFunc(hello), ErrorLog: testkit.DiscardLog()}), l)
	s.expectServed(errBroken)
	if _, err := l.Listener.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is not closed: %v", err)
	}
}

// Connections that are not a Conn are served by net/http from the start.
func TestConnectionsOfNetHTTP(t *testing.T) {
	s := startOn(t, New(&http.Server{Handler: http.HandlerFunc(hello), ErrorLog: testkit.DiscardLog()}), testkit.Listen(t))
	c := testkit.Dial(t, s.addr)
	c.TrySend(get())
	c.ReceiveUntil("hello, /a")
	if s.open() != 0 {
		t.Error("the front has taken it")
	}
	c.TrySend(get("Connection: close"))
	if got := c.Rest(); !strings.HasSuffix(got, "hello, /a") {
		t.Errorf("got %q", got)
	}
}

// After a request that is not simple, net/http serves the rest of the connection, which
// can be hijacked.
func TestHijackOnUpgrade(t *testing.T) {
	s := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, http.ErrNotSupported) {
				t.Errorf("a plain request can be hijacked: %v", err)
			}
			return
		}
		conn, in, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(conn, in)
	})
	c := testkit.Dial(t, s.addr)
	c.TrySend(get())
	c.ReceiveUntil("\r\n\r\n")
	c.TrySend(get("Connection: Upgrade", "Upgrade: echo") + "early, ")
	c.ReceiveUntil("\r\n\r\nearly, ")
	c.TrySend("late")
	c.ReceiveUntil("late")
	_ = c.CloseWrite()
	if rest := c.Rest(); rest != "" {
		t.Errorf("got %q", rest)
	}
}

// The context of a request has the values that ConnContext has set for its connection.
func TestConnContext(t *testing.T) {
	standard := &http.Server{ErrorLog: testkit.DiscardLog(), Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		conn, _ := r.Context().Value(connKey{}).(*testConn)
		if conn == nil || conn.RemoteAddr().String() != r.RemoteAddr {
			t.Errorf("got %v for %s", conn, r.RemoteAddr)
		}
	})}
	standard.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, conn)
	}
	s := startOn(t, New(standard), testListener{testkit.Listen(t)})
	for _, text := range []string{get("Connection: close"), get("Trailer: x", "Connection: close")} {
		c := testkit.Dial(t, s.addr)
		c.TrySend(text)
		if got := c.Rest(); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Errorf("got %q", got)
		}
	}
}

package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// failing is a test that remembers why it failed, and ends there.
type failing struct {
	testing.TB
	reason string
}

func (f *failing) Helper() {}

func (f *failing) Fatalf(format string, args ...any) {
	f.reason = fmt.Sprintf(format, args...)
	panic(f)
}

// wantFailure runs what should fail a test with a reason that contains want.
func wantFailure(t *testing.T, want string, do func(t testing.TB)) {
	t.Helper()
	f := &failing{TB: t}
	defer func() {
		t.Helper()
		if ended := recover(); ended != f || !strings.Contains(f.reason, want) {
			t.Errorf("ended with %v because %q, want a failure with %q", ended, f.reason, want)
		}
	}()
	do(f)
}

func TestEventually(t *testing.T) {
	t.Parallel()
	asked := 0
	testkit.Eventually(t, "the third answer is yes", func() bool { asked++; return asked == 3 })
	if asked != 3 {
		t.Errorf("asked %d times, want 3", asked)
	}
	wantFailure(t, "not within 5ms: it rains", func(t testing.TB) {
		testkit.EventuallyWithin(t, 5*time.Millisecond, "it rains", func() bool { return false })
	})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	wantFailure(t, "it rains: the sun shines", func(t testing.TB) {
		testkit.EventuallyNil(ended, t, "it rains", func(context.Context) error { return errors.New("the sun shines") })
	})
}

func TestReceive(t *testing.T) {
	t.Parallel()
	from := make(chan int)
	go func() { from <- 7 }()
	if got := testkit.Receive(t, "a number", from); got != 7 {
		t.Errorf("received %d, want 7", got)
	}
	close(from)
	if got := testkit.Receive(t, "the end", from); got != 0 {
		t.Errorf("received %d, want 0", got)
	}
}

// TestRawConnection speaks HTTP by hand on both sides.
func TestRawConnection(t *testing.T) {
	t.Parallel()
	backend := testkit.ServeRequest(t, func(conn *testkit.ServerConn, r *http.Request) {
		body, _ := io.ReadAll(io.LimitReader(conn, 2))
		fmt.Fprintf(conn, "%s %sHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n%srest", r.Method, r.URL, body)
	})
	c := testkit.Dial(t, backend+"/not/part/of/the/address")
	c.Send("PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi")
	if got := c.ReceiveUntil("/x"); got != "PUT /x" {
		t.Errorf("received %q", got)
	}
	if res, body := c.Receive(); res.StatusCode != http.StatusOK || body != "hi" {
		t.Errorf("received %d %q", res.StatusCode, body)
	}
	if got := c.Rest(); got != "rest" {
		t.Errorf("the rest is %q", got)
	}
	wantFailure(t, "receive: ", func(t testing.TB) { testkit.NewClient(t, c.Conn).ReceiveHead() })
}

// TestServeRawEnds has a test end while its backend still reads.
func TestServeRawEnds(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	t.Run("backend", func(t *testing.T) {
		began := make(chan struct{})
		address := testkit.ServeRaw(t, func(conn net.Conn) {
			close(began)
			_, err := conn.Read(make([]byte, 1))
			ended <- err
		})
		testkit.Dial(t, address)
		testkit.Receive(t, "the connection", began)
	})
	select {
	case err := <-ended:
		if err == nil {
			t.Error("read a byte that nobody sent")
		}
	default:
		t.Error("the test ended before its backend")
	}
}

func TestRefusingAddress(t *testing.T) {
	t.Parallel()
	address := testkit.RefusingAddress(t)
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("the address takes connections")
	}
	if listener, err := net.Listen("tcp", address); err == nil {
		listener.Close()
		t.Error("another can listen on the address")
	}
}

func TestFreeAddress(t *testing.T) {
	t.Parallel()
	if conn, err := net.Dial("tcp", testkit.FreeAddress(t)); err == nil {
		conn.Close()
		t.Error("somebody listens")
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	var log testkit.Log
	go fmt.Fprintln(&log, "one line")
	log.Await(t, "one")
	if got := log.String(); got != "one line\n" || log.Contains("two") {
		t.Errorf("the log is %q", got)
	}
	log.Reset()
	if got := log.String(); got != "" {
		t.Errorf("after Reset, the log is %q", got)
	}
}

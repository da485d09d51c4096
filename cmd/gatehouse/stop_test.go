package main

// This file stops the real binary under load, and requires that every request
// is answered.

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// stopCases are the ways to serve a client in HTTP/1.1, and to stop.
func stopCases() map[string]stopCase {
	return map[string]stopCase{
		"lean":                    {transport: "lean"},
		"lean with a delay":       {transport: "lean", delay: "500ms"},
		"standard":                {transport: "standard"},
		"standard with a delay":   {transport: "standard", delay: "500ms"},
		"TLS":                     {transport: "lean", tls: true},
		"TLS with a delay":        {transport: "lean", tls: true, delay: "500ms"},
		"standard TLS":            {transport: "standard", tls: true},
		"standard TLS with delay": {transport: "standard", tls: true, delay: "500ms"},
	}
}

type stopCase struct {
	transport, delay string
	tls              bool
}

// TestStopLosesNothing stops the gateway under load, once for each case;
// BenchmarkStops does so more often.
func TestStopLosesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range stopCases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

// BenchmarkStops stops the gateway b.N times in each case: try -benchtime 100x.
func BenchmarkStops(b *testing.B) {
	for name, c := range stopCases() {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c.run(b)
			}
		})
	}
}

// run stops one gateway while clients of every kind send something every few
// milliseconds.
func (c stopCase) run(t testing.TB) {
	t.Helper()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "[]")
	}))
	defer backend.Close()
	settings := map[string]string{"GATEWAY_TRANSPORT": c.transport, "GATEWAY_SHUTDOWN_DELAY": c.delay}
	s := &stopLoad{t: t}
	if c.tls {
		settings["GATEWAY_TLS_CERT_FILE"], settings["GATEWAY_TLS_KEY_FILE"], s.roots = selfSigned(t)
	}
	process := startProcess(t, openTable(t, backend.URL), settings)
	s.address = strings.TrimPrefix(process.url, "http://")
	const each, enough = 2, 20
	for _, method := range []string{"GET", "POST"} {
		for range each {
			s.clients.Go(func() { s.keepAsking(method, true) })
			s.clients.Go(func() { s.keepAsking(method, false) })
		}
		s.clients.Go(func() { s.keepFetching(method) })
	}
	testkit.Eventually(t, "the clients are at work", func() bool { return s.answered.Load() > enough })
	if err := process.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := process.cmd.Wait(); err != nil {
		t.Errorf("exit: %v\n%s", err, process.log)
	}
	s.clients.Wait()
	if late := s.late.Load(); late > 0 {
		t.Logf("%d requests were lost by clients that had been silent for %v", late, silence)
	}
	if strings.Contains(process.log.String(), "in flight at the end") {
		t.Errorf("the stop took all of its time:\n%s", process.log)
	}
}

// stopLoad is the load of the clients until the gateway no longer answers.
type stopLoad struct {
	t        testing.TB
	address  string
	roots    *x509.CertPool // nil for plain connections
	clients  sync.WaitGroup
	answered atomic.Int64
	late     atomic.Int64 // lost by clients that had been silent; see lose
}

// silence is how long a client may be silent before the gateway may close its
// connection. It is half of the gateway's time, because clocks differ. Here a
// client is only silent for so long when it got no processor.
const silence = 500 * time.Millisecond

// lose counts a request that was not answered as lost, unless the client was
// silent before it and could have seen the close.
func (s *stopLoad) lose(silent time.Duration, format string, args ...any) {
	if silent > silence {
		s.late.Add(1)
		return
	}
	s.t.Errorf(format, args...)
}

// pace is the time between two requests of a client.
const pace = 3 * time.Millisecond

func (s *stopLoad) dial() (net.Conn, error) {
	begun := time.Now()
	conn, err := net.DialTimeout("tcp", s.address, testkit.Timeout)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(testkit.Timeout))
	if s.roots == nil {
		return conn, nil
	}
	encrypted := tls.Client(conn, &tls.Config{RootCAs: s.roots, ServerName: "127.0.0.1"})
	if err := encrypted.Handshake(); err != nil {
		s.lose(time.Since(begun), "a connection was lost: %v", err)
		return nil, err
	}
	return encrypted, nil
}

// keepAsking sends one request after the other on a connection as long as it
// lives, and then on the next. A client that looks sees whether the gateway has
// closed the connection before it sends anything.
func (s *stopLoad) keepAsking(method string, looks bool) {
	text := method + " /open HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"
	for {
		before := time.Now()
		conn, err := s.dial()
		if err != nil {
			return
		}
		reader := bufio.NewReader(conn)
		for sent := 0; ; sent++ {
			if looks && sent > 0 && isClosed(conn, reader) {
				break
			}
			sending := time.Now()
			if _, err := io.WriteString(conn, text); err != nil {
				break // the close has been seen
			}
			silent := time.Since(before)
			before = sending
			answer, err := http.ReadResponse(reader, nil)
			if err == nil {
				_, err = io.Copy(io.Discard, answer.Body)
			}
			if err != nil {
				s.lose(silent, "a %s was lost, as number %d of its connection; looks: %v: %v", method, sent+1, looks, err)
				break
			}
			s.answered.Add(1)
			if answer.Close {
				break
			}
			<-time.After(pace)
		}
		_ = conn.Close()
	}
}

// isClosed reports whether the other side has closed the connection.
func isClosed(conn net.Conn, reader *bufio.Reader) bool {
	_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := reader.Peek(1)
	_ = conn.SetReadDeadline(time.Now().Add(testkit.Timeout))
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// keepFetching does so with Go's own client.
func (s *stopLoad) keepFetching(method string) {
	url, transport := "http://"+s.address+"/open", &http.Transport{}
	if s.roots != nil {
		url, transport.TLSClientConfig = "https://"+s.address+"/open", &tls.Config{RootCAs: s.roots}
	}
	defer transport.CloseIdleConnections()
	before := time.Now()
	for {
		sending, sent := time.Now(), new(atomic.Int64) // sent is how long it took to send
		err := s.fetch(&http.Client{Transport: transport, Timeout: testkit.Timeout}, method, url, func() { sent.Store(int64(time.Since(sending))) })
		if dialing, ok := errors.AsType[*net.OpError](err); ok && dialing.Op == "dial" {
			return
		}
		if err != nil {
			sent.CompareAndSwap(0, int64(time.Since(sending))) // it was not sent: a handshake was too slow
			s.lose(sending.Sub(before)+time.Duration(sent.Load()), "a %s of Go's client was lost: %v", method, err)
			return
		}
		before = sending
		s.answered.Add(1)
		<-time.After(pace)
	}
}

// fetch sends one request, and calls sent when it is written. Its body cannot be
// read again, so that nothing is sent twice.
func (*stopLoad) fetch(client *http.Client, method, url string, sent func()) error {
	trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { sent() }}
	ctx := httptrace.WithClientTrace(context.Background(), trace)
	r, err := http.NewRequestWithContext(ctx, method, url, io.MultiReader(strings.NewReader("{}")))
	if err != nil {
		return err
	}
	r.ContentLength = 2
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", answer.StatusCode)
	}
	return nil
}

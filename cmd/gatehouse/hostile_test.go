package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/testkit"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// The time that package server gives a client for its headers.
const (
	readHeaderTimeout = 10 * time.Second
	maxHeaderBytes    = 64 << 10
)

// Bounds on the cost of an attack for the real binary.
const (
	attackMemory     = 160 << 20 // on a busy machine garbage is collected later
	attackGoroutines = 50        // more than before, once it is over
)

// overloaded is the real binary with its default settings, in front of a fast
// backend. A well-behaved client sends it requests all the time.
type overloaded struct {
	*process
	address string
	tls     bool
	friend  *http.Client
	before  int // goroutines
}

func overload(t *testing.T, overTLS bool) *overloaded {
	t.Helper()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, strings.Repeat("x", 1000))
	}))
	t.Cleanup(backend.Close)
	settings := map[string]string{
		"GATEWAY_HTTP_CLIENT_MAX_KEEPALIVE_CONNECTIONS": "10", // idle ones to the backend have goroutines, too
	}
	transport := new(http.Transport)
	if overTLS {
		certificate, key, roots := selfSigned(t)
		settings["GATEWAY_TLS_CERT_FILE"], settings["GATEWAY_TLS_KEY_FILE"] = certificate, key
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	b := &overloaded{process: startProcess(t, openTable(t, backend.URL), settings), tls: overTLS}
	b.address = strings.TrimPrefix(b.url, "http://")
	if overTLS {
		b.url = "https://" + b.address
	}
	t.Cleanup(transport.CloseIdleConnections)
	b.friend = &http.Client{Transport: transport, Timeout: 2 * testkit.Timeout}
	b.serves(t)
	b.before = b.goroutines(t)
	return b
}

// serves requires a timely answer to the well-behaved client.
func (b *overloaded) serves(t *testing.T) {
	t.Helper()
	began := time.Now()
	res, err := b.friend.Get(b.url + "/open")
	if err != nil {
		t.Errorf("another client: %v", err)
		return
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK || len(body) != 1000 {
		t.Errorf("another client: %d, %d bytes, %v", res.StatusCode, len(body), err)
	}
	if took := time.Since(began); took > testkit.Timeout {
		t.Errorf("another client waited for %v", took)
	}
}

var goroutineMetric = regexp.MustCompile(`(?m)^go_goroutines (\d+)$`)

func (b *overloaded) goroutines(t *testing.T) int {
	t.Helper()
	match := goroutineMetric.FindStringSubmatch(do(t, request{url: b.operators + "/metrics"}).body)
	if match == nil {
		t.Fatal("no go_goroutines")
	}
	n, _ := strconv.Atoi(match[1])
	return n
}

// unharmed compares the cost of the attacks with the bounds.
func (b *overloaded) unharmed(t *testing.T) {
	t.Helper()
	b.serves(t)
	testkit.Eventually(t, "the goroutines of the attacks have ended", func() bool { return b.goroutines(t) <= b.before+attackGoroutines })
	if peak := residentPeak(t, b.cmd.Process.Pid); peak > attackMemory {
		t.Errorf("resident set reached %d MiB: want less than %d MiB", peak>>20, attackMemory>>20)
	}
}

// dial opens a connection for a protocol.
func (b *overloaded) dial(t *testing.T, protocol string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", b.address)
	if err != nil {
		t.Fatal(err)
	}
	if b.tls {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}})
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(testkit.Timeout))
	return conn
}

// TestHostileClients runs all attacks at the same time, over TLS and without.
func TestHostileClients(t *testing.T) {
	t.Parallel()
	for name, overTLS := range map[string]bool{"TLS": true, "without TLS": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testHostileClients(t, overload(t, overTLS))
		})
	}
}

func testHostileClients(t *testing.T, b *overloaded) {
	t.Run("at once", func(t *testing.T) {
		t.Run("slow headers", func(t *testing.T) { slowHeaders(t, b) })
		t.Run("huge heads", func(t *testing.T) { hugeHeads(t, b) })
		t.Run("floods", func(t *testing.T) { sendFloods(t, b) })
		t.Run("no window", func(t *testing.T) { readNothing(t, b) })
	})
	b.unharmed(t)
}

// slowHeaders uses clients that send almost nothing: before and during the
// handshake, before a request, and within one. All connections must be closed
// when the time for the headers is over.
func slowHeaders(t *testing.T, b *overloaded) {
	t.Parallel()
	var clients sync.WaitGroup
	for i := range 100 {
		var conn net.Conn
		if i%4 == 0 { // never says hello
			plain, err := net.Dial("tcp", b.address)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { plain.Close() })
			conn = plain
		} else {
			conn = b.dial(t, []string{"http/1.1", "h2"}[i%2])
		}
		_ = conn.SetDeadline(time.Now().Add(readHeaderTimeout + testkit.Timeout))
		clients.Go(func() {
			if i%4 == 2 {
				_, _ = io.WriteString(conn, "GET /open HTTP/1.1\r\nHost: x\r\nX-Slow: ")
				stop := make(chan struct{})
				defer close(stop)
				go sendSlowly(conn, stop)
			}
			if _, err := io.Copy(io.Discard, conn); err != nil && isTimeout(err) {
				t.Errorf("client %d is still connected", i)
			}
		})
	}
	b.serves(t)
	clients.Wait()
}

func isTimeout(err error) bool {
	network, ok := err.(net.Error) //nolint:errorlint // of io.Copy, which wraps nothing
	return ok && network.Timeout()
}

// sendSlowly sends a byte now and then.
func sendSlowly(conn net.Conn, stop <-chan struct{}) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if _, err := io.WriteString(conn, "a"); err != nil {
				return
			}
		case <-stop:
			return
		}
	}
}

// hugeHeads requires 431 for heads above the bound, in size and in number, or a
// connection that is closed in the middle of one. Many at once must cost
// little.
func hugeHeads(t *testing.T, b *overloaded) {
	head := "GET /open HTTP/1.1\r\nHost: x\r\n"
	for name, sent := range map[string]string{
		"one header":      head + "X-Large: " + strings.Repeat("x", 2*maxHeaderBytes) + "\r\n\r\n",
		"many headers":    head + strings.Repeat("X: y\r\n", 2*maxHeaderBytes/6) + "\r\n",
		"different names": head + manyHeaders(2*maxHeaderBytes) + "\r\n",
		"a path":          "GET /open/" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"a query":         "GET /open?" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"a method":        strings.Repeat("A", 1<<20) + " / HTTP/1.1\r\nHost: x\r\n\r\n",
		"a trailer":       "POST /open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + manyHeaders(1<<20) + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := "HTTP/1.1 431 "
			if name == "a trailer" {
				want = "HTTP/1.1 400 "
			}
			var clients sync.WaitGroup
			for range 20 {
				conn := b.dial(t, "http/1.1")
				clients.Go(func() {
					go func() { _, _ = io.WriteString(conn, sent) }()
					// A client that is still sending may see a reset instead.
					if line, err := bufio.NewReader(conn).ReadString('\n'); err == nil && !strings.HasPrefix(line, want) {
						t.Errorf("answered %q", line)
					} else if err != nil && isTimeout(err) {
						t.Error("no answer")
					}
				})
			}
			b.serves(t)
			clients.Wait()
		})
	}
}

// manyHeaders are as many bytes of short headers.
func manyHeaders(size int) string {
	var headers strings.Builder
	for i := 0; headers.Len() < size; i++ {
		fmt.Fprintf(&headers, "A%x:\r\n", i)
	}
	return headers.String()
}

// flood is one HTTP/2 connection of an attacker.
type flood struct {
	*http2.Framer
	out *bufio.Writer
}

// block encodes a request for a path, with more fields.
func block(path string, fields ...hpack.HeaderField) []byte {
	var encoded bytes.Buffer
	encoder := hpack.NewEncoder(&encoded)
	for _, field := range append([]hpack.HeaderField{
		{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: "x"}, {Name: ":path", Value: path},
	}, fields...) {
		_ = encoder.WriteField(field)
	}
	return encoded.Bytes()
}

// stream returns the id of the nth stream of a client.
func stream(n int) uint32 { return uint32(2*n + 1) }

// floods are what an HTTP/2 client can send without end. Each is sent until the
// gateway closes the connection or the last byte is sent.
func floods() map[string]func(f flood) error {
	request := block("/open")
	open := func(f flood, n int, end bool, block []byte) error {
		return f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream(n), BlockFragment: block, EndStream: end, EndHeaders: true})
	}
	return map[string]func(f flood) error{
		"rapid reset": func(f flood) error { // CVE-2023-44487
			for n := range 8_000 {
				if err := open(f, n, true, request); err != nil {
					return err
				}
				if err := f.WriteRSTStream(stream(n), http2.ErrCodeCancel); err != nil {
					return err
				}
			}
			return nil
		},
		"resets asked for": func(f flood) error { // CVE-2025-8671
			for n := range 8_000 {
				if err := open(f, n, false, request); err != nil {
					return err
				}
				if err := f.WriteWindowUpdate(stream(n), 1<<31-1); err != nil {
					return err
				}
			}
			return nil
		},
		"continuations": func(f flood) error { // CVE-2023-45288
			fragment := bytes.Repeat([]byte{0, 1, 'a', 1, 'b'}, 3000) // literal, not indexed: "a: b"
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: request}); err != nil {
				return err
			}
			for range 1000 {
				if err := f.WriteContinuation(1, false, fragment); err != nil {
					return err
				}
			}
			return nil
		},
		"empty continuations": func(f flood) error {
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: request}); err != nil {
				return err
			}
			for range 30_000 {
				if err := f.WriteContinuation(1, false, nil); err != nil {
					return err
				}
			}
			return nil
		},
		"pings": func(f flood) error { // CVE-2019-9512
			for range 20_000 {
				if err := f.WritePing(false, [8]byte{}); err != nil {
					return err
				}
			}
			return nil
		},
		"settings": func(f flood) error { // CVE-2019-9515
			for range 20_000 {
				if err := f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1}); err != nil {
					return err
				}
			}
			return nil
		},
		"empty data": func(f flood) error { // CVE-2019-9518
			if err := open(f, 0, false, request); err != nil {
				return err
			}
			for range 20_000 {
				if err := f.WriteData(1, false, nil); err != nil {
					return err
				}
			}
			return nil
		},
		"priorities": func(f flood) error { // CVE-2019-9513
			for n := range 20_000 {
				if err := f.WritePriority(stream(n%1000), http2.PriorityParam{StreamDep: stream(n%1000 + 1)}); err != nil {
					return err
				}
			}
			return nil
		},
		"streams past the bound": func(f flood) error {
			for n := range 8_000 {
				if err := open(f, n, false, request); err != nil {
					return err
				}
			}
			return nil
		},
		"header bomb": func(f flood) error { // CVE-2016-1544: one large field, indexed, named again and again
			bomb := block("/open", hpack.HeaderField{Name: "x-bomb", Value: strings.Repeat("b", 3900)})
			bomb = append(bomb, bytes.Repeat([]byte{0x80 | 62}, 12_000)...)
			for n := range 200 {
				if err := open(f, n, true, bomb); err != nil {
					return err
				}
			}
			return nil
		},
		"large lists": func(f flood) error {
			list := block("/open", hpack.HeaderField{Name: "x-large", Value: strings.Repeat("~", 10_000), Sensitive: true})
			for n := range 200 {
				if err := open(f, n, true, list); err != nil {
					return err
				}
			}
			return nil
		},
		"unknown frames": func(f flood) error {
			for range 8_000 {
				if err := f.WriteRawFrame(0xbe, 0, 0, make([]byte, 100)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// sendFloods sends each flood over two connections at once, of which
// one reads what comes back and one does not.
func sendFloods(t *testing.T, b *overloaded) {
	for name, send := range floods() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var clients sync.WaitGroup
			for reads := range 2 {
				conn := b.dial(t, "h2")
				_ = conn.SetDeadline(time.Now().Add(5 * time.Second)) // one that does not read is not written to for ever
				clients.Go(func() {
					defer conn.Close()
					if reads == 0 {
						go func() { _, _ = io.Copy(io.Discard, conn) }()
					}
					f := flood{out: bufio.NewWriterSize(conn, 16<<10)}
					f.Framer = http2.NewFramer(f.out, nil)
					_, _ = f.out.WriteString(http2.ClientPreface)
					_ = f.WriteSettings()
					if send(f) == nil {
						_ = f.out.Flush()
					}
				})
			}
			b.serves(t)
			clients.Wait()
		})
	}
}

// readNothing opens as many streams as possible over many connections, and
// reads no byte of any answer.
func readNothing(t *testing.T, b *overloaded) {
	t.Parallel()
	for range 10 {
		conn := b.dial(t, "h2")
		f := flood{out: bufio.NewWriter(conn)}
		f.Framer = http2.NewFramer(f.out, conn)
		_, _ = f.out.WriteString(http2.ClientPreface)
		_ = f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		request := block("/open")
		for n := range 100 {
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream(n), BlockFragment: request, EndStream: true, EndHeaders: true})
		}
		_ = f.out.Flush()
		for answers := 0; answers < 100; { // headers come without a window
			frame, err := f.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			if frame.Header().Type == http2.FrameHeaders {
				answers++
			}
		}
	}
	b.serves(t)
}

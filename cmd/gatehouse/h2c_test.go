package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/internal/testkit"

	"github.com/coder/websocket"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// eachServer runs a test with the real binary without TLS, with either of the
// servers of HTTP/1.1. /open/late is answered when the test says so.
func eachServer(t *testing.T, test func(t *testing.T, p *process, answer chan struct{})) {
	for _, transport := range []string{"lean", "standard"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			answer := make(chan struct{})
			backend := testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/open/late":
					_, _ = io.WriteString(w, "begun")
					_ = http.NewResponseController(w).Flush()
					<-answer
				case "/open/socket":
					echoSocket(w, r)
					return
				}
				_, _ = fmt.Fprint(w, r.Proto, r.Header["Http2-Settings"])
			})
			test(t, startProcess(t, openTable(t, backend), map[string]string{"GATEWAY_TRANSPORT": transport}), answer)
		})
	}
}

// h2cClient returns a client that uses HTTP/2 without TLS.
func h2cClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 2 * testkit.Timeout}
}

// framedClient is a raw connection after the preface of HTTP/2.
type framedClient struct {
	*testkit.Client
	*http2.Framer
}

func dialFramed(t *testing.T, p *process) framedClient {
	t.Helper()
	c := testkit.Dial(t, p.url)
	f := framedClient{c, http2.NewFramer(c.Conn, c)}
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.Send(http2.ClientPreface)
	_ = f.WriteSettings()
	return f
}

func (f framedClient) request(t *testing.T, id uint32, path string) {
	t.Helper()
	if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block(path), EndStream: true, EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
}

// await reads frames until one is as wanted.
func (f framedClient) await(t *testing.T, what string, wanted func(http2.Frame) bool) {
	t.Helper()
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatalf("no %s: %v", what, err)
		}
		if wanted(frame) {
			return
		}
	}
}

// TestH2C uses clients of HTTP/2 and of HTTP/1.1 at the same port without TLS.
func TestH2C(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, p *process, _ chan struct{}) {
		for name, client := range map[string]*http.Client{"HTTP/2.0": h2cClient(t), "HTTP/1.1": {Timeout: testkit.Timeout}} {
			for range 3 {
				res, err := client.Get(p.url + "/open")
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(res.Body)
				res.Body.Close()
				if res.Proto != name || string(body) != "HTTP/1.1[]" {
					t.Errorf("%s: %s %d %q", name, res.Proto, res.StatusCode, body)
				}
			}
		}
		socket, _, err := websocket.Dial(t.Context(), p.url+"/open/socket", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = socket.CloseNow() }()
		_ = socket.Write(t.Context(), websocket.MessageText, []byte("hello"))
		if _, message, err := socket.Read(t.Context()); err != nil || string(message) != "hello" {
			t.Errorf("the WebSocket echoes %q, %v", message, err)
		}
	})
}

// TestH2CUpgradeIsIgnored asks for HTTP/2 in a request of HTTP/1.1, which RFC
// 9113 no longer has (section 3.1). The answer is HTTP/1.1.
func TestH2CUpgradeIsIgnored(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, p *process, _ chan struct{}) {
		c := testkit.Dial(t, p.url)
		c.Send("GET /open HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
		if res, body := c.Receive(); res.StatusCode != http.StatusOK || res.ProtoMajor != 1 || body != "HTTP/1.1[]" {
			t.Errorf("%s %d %q", res.Proto, res.StatusCode, body)
		}
	})
}

// TestH2CDrain stops the gateway while a request of HTTP/2 is answered. Its
// connection gets a GOAWAY, and the request its whole answer.
func TestH2CDrain(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, p *process, answer chan struct{}) {
		f := dialFramed(t, p)
		f.request(t, 1, "/open/late")
		f.await(t, "begun answer", func(frame http2.Frame) bool { return frame.Header().Type == http2.FrameData })
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		f.await(t, "GOAWAY", func(frame http2.Frame) bool { return frame.Header().Type == http2.FrameGoAway })
		close(answer)
		f.await(t, "end of the answer", func(frame http2.Frame) bool {
			data, ok := frame.(*http2.DataFrame)
			return ok && data.StreamEnded()
		})
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("exit: %v\n%s", err, p.log)
		}
	})
}

// TestH2CPreface sends prefaces that are slow, incomplete, wrong, or late. None may
// keep a connection, and none is taken for HTTP/2.
func TestH2CPreface(t *testing.T) {
	t.Parallel()
	const get = "GET /open HTTP/1.1\r\nHost: x\r\n\r\n"
	eachServer(t, func(t *testing.T, p *process, _ chan struct{}) {
		for name, sent := range map[string]string{
			"part of a method": "P", "method": "PRI ", "line": "PRI * HTTP/2.0\r\n", "head": "PRI * HTTP/2.0\r\n\r\n", "all but a byte": http2.ClientPreface[:23],
			"wrong end": "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "with fields": "PRI * HTTP/2.0\r\nHost: x\r\n\r\nSM\r\n\r\n", "no frames": http2.ClientPreface,
			"a request instead": http2.ClientPreface + get, "late": get + http2.ClientPreface, "twice": http2.ClientPreface + http2.ClientPreface,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c := testkit.Dial(t, p.url)
				_ = c.Conn.SetDeadline(time.Now().Add(3*readHeaderTimeout + testkit.Timeout))
				c.Send(sent)
				rest := c.Rest() // fails at the deadline
				if want := map[bool]int{true: 1}[name == "late"]; strings.Count(rest, "HTTP/1.1 200") != want {
					t.Errorf("answered %q", rest)
				}
				if name == "late" && strings.Contains(rest, "\x00\x00") {
					t.Errorf("answered with frames: %q", rest)
				}
			})
		}
	})
}

// TestH2CSettings announces the same bounds as over TLS.
func TestH2CSettings(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, p *process, _ chan struct{}) {
		dialFramed(t, p).await(t, "settings", func(frame http2.Frame) bool {
			announced, ok := frame.(*http2.SettingsFrame)
			if !ok {
				return false
			}
			for id, want := range map[http2.SettingID]uint32{http2.SettingMaxConcurrentStreams: 250, http2.SettingInitialWindowSize: 1 << 20} {
				if got, _ := announced.Value(id); got != want {
					t.Errorf("%v is %d, want %d", id, got, want)
				}
			}
			return true
		})
	})
}

// TestH2CStopLosesNothing stops the gateway while clients of HTTP/2 send requests.
func TestH2CStopLosesNothing(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, p *process, _ chan struct{}) {
		const clients, enough = 4, 50
		answered := make(chan error)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for range clients {
			client := h2cClient(t)
			go func() {
				for ctx.Err() == nil {
					res, err := client.Get(p.url + "/open")
					if err == nil {
						_, err = io.Copy(io.Discard, res.Body)
						res.Body.Close()
					}
					select {
					case answered <- err:
					case <-ctx.Done():
					}
				}
			}()
		}
		next := func() error { return testkit.Receive(t, "an answer", answered) }
		for range enough {
			if err := next(); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		for {
			if err := next(); err == nil {
				continue
			} else if !strings.Contains(err.Error(), "connect") && !strings.Contains(err.Error(), "dial") {
				t.Errorf("a request was lost: %v", err)
			}
			break
		}
	})
}

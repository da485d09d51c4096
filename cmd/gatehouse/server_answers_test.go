package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
	"gatehouse/proxy/http2conn"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// serverAnswers are the requests of HTTP/1.1 that net/http refuses by itself, by the
// status of the answer.
var serverAnswers = map[int]string{
	400: "GET / HTTP/1.1\r\n\r\n",
	408: "GET / HTTP/1.1\r\nHost: x\r\nX-Slow:",
	417: "GET / HTTP/1.1\r\nHost: x\r\nExpect: x\r\n\r\n",
	431: "GET / HTTP/1.1\r\nHost: x\r\nX-Large: " + strings.Repeat("x", 80<<10) + "\r\n\r\n",
	501: "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
	505: "GET / HTTP/3.0\r\nHost: x\r\n\r\n",
}

// TestServerAnswers sends requests to the real binary that net/http refuses by itself,
// with TLS and without. All get JSON with a request id, a metric and one access line.
func TestServerAnswers(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, p *process, dial func(protocol string) *testkit.Client) {
		clients := map[int]*testkit.Client{}
		for status, sent := range serverAnswers {
			clients[status] = dial("http/1.1")
			clients[status].TrySend(sent)
		}
		for want, client := range clients {
			res, body := client.Receive()
			p.wantOwnForm(t, res.StatusCode, want, res.Header, body)
			if rest := client.Rest(); rest != "" {
				t.Errorf("%d: after the answer came %q", want, rest)
			}
		}
		metrics := do(t, request{url: p.operators + "/metrics"}).body
		for status := range serverAnswers {
			if want := fmt.Sprintf(`gatehouse_http_requests_total{code="%d",method="_OTHER",route="_none"} 1`, status); !strings.Contains(metrics, want+"\n") {
				t.Errorf("no %s", want)
			}
		}
		for _, want := range []string{`gatehouse_gateway_errors_total{reason="unsupported",route="_none"} 2`, `gatehouse_limits_refused_total{limit="header"} 1`} {
			if !strings.Contains(metrics, want+"\n") {
				t.Errorf("no %s", want)
			}
		}
	})
}

// eachTransport tests a process with TLS, and one without. dial opens a connection for one
// protocol.
func eachTransport(t *testing.T, test func(t *testing.T, p *process, dial func(protocol string) *testkit.Client)) {
	for _, encrypted := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %t", encrypted), func(t *testing.T) {
			t.Parallel()
			settings := map[string]string{}
			if encrypted {
				settings["GATEWAY_TLS_CERT_FILE"], settings["GATEWAY_TLS_KEY_FILE"], _ = selfSigned(t)
			}
			p := startProcess(t, openTable(t, reportingBackend(t, "backend")), settings)
			test(t, p, func(protocol string) *testkit.Client {
				client := testkit.Dial(t, p.url)
				if !encrypted {
					return client
				}
				return testkit.NewClient(t, tls.Client(client.Conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}}))
			})
		})
	}
}

// wantOwnForm checks the status and the body of an error of the gateway, and that there
// is one access line for it.
func (p *process) wantOwnForm(t *testing.T, status, want int, header http.Header, body string) {
	t.Helper()
	var form struct {
		Detail string `json:"detail"`
		ID     string `json:"request_id"`
	}
	if err := json.Unmarshal([]byte(body), &form); err != nil || status != want || form.Detail == "" || form.ID == "" || form.ID != header.Get("X-Request-Id") {
		t.Errorf("got %d %v %q, want %d", status, header, body, want)
		return
	}
	if got := header.Get("Content-Type"); got != "application/json" {
		t.Errorf("%d: Content-Type %q", want, got)
	}
	line := `"request_id":"` + form.ID + `"`
	p.log.Await(t, line)
	if lines := strings.Count(p.log.String(), line); lines != 1 {
		t.Errorf("%d: %d access lines", want, lines)
	}
}

// TestServerAnswersOverHTTP2 sends requests to the real binary that net/http refuses by
// itself over HTTP/2. Where it would answer, the gateway answers with JSON, a metric and
// one access line. Errors that end the stream or the connection are counted.
func TestServerAnswersOverHTTP2(t *testing.T) {
	t.Parallel()
	many := make([]string, 0, 2*400)
	for i := range 400 {
		many = append(many, fmt.Sprintf("x-%d", i), strings.Repeat("x", 1000))
	}
	eachTransport(t, func(t *testing.T, p *process, dial func(protocol string) *testkit.Client) {
		for _, c := range []struct {
			name   string
			fields []string
			frame  int    // the largest frame of a client, in bytes
			want   string // the status, or how the request ends
		}{
			{"fine", nil, 16 << 10, "200"},
			{"connection", []string{"connection", "close"}, 16 << 10, "400"},
			{"keep-alive", []string{"keep-alive", "5"}, 16 << 10, "400"},
			{"proxy-connection", []string{"proxy-connection", "x"}, 16 << 10, "400"},
			{"transfer-encoding", []string{"transfer-encoding", "chunked"}, 16 << 10, "400"},
			{"upgrade", []string{"upgrade", "websocket"}, 16 << 10, "400"},
			{"te", []string{"te", "gzip"}, 16 << 10, "400"},
			{"te of gRPC", []string{"te", "trailers"}, 16 << 10, "200"},
			{"method", []string{":method", "G T"}, 16 << 10, "400"},
			{"the mark", []string{http2conn.RefuseHeader, "1"}, 16 << 10, "stream_PROTOCOL_ERROR"}, // in upper case
			{"80 KiB", many[:2*80], 16 << 10, "431"},
			{"127 KiB", many[:2*127], 16 << 10, "431"},
			{"200 KiB", many[:2*200], 16 << 10, "431"},
			{"200 KiB in one frame", many[:2*200], 1 << 20, "431"},
			{"a path of 200 KiB", []string{":path", "/" + strings.Repeat("x", 200<<10)}, 16 << 10, "431"},
			{"400 KiB", many, 16 << 10, "connection_PROTOCOL_ERROR"},
			{"upper case", []string{"X-Upper", "x"}, 16 << 10, "stream_PROTOCOL_ERROR"},
			{"line break", []string{"x", "a\nb"}, 16 << 10, "stream_PROTOCOL_ERROR"},
			{"no path", []string{":path", ""}, 16 << 10, "stream_PROTOCOL_ERROR"},
			{"malformed path", []string{":path", "a b"}, 16 << 10, "stream_PROTOCOL_ERROR"},
			{"unknown pseudo field", []string{":user", "x"}, 16 << 10, "stream_PROTOCOL_ERROR"},
		} {
			counted := `gatehouse_http2_errors_total{error="` + c.want + `"}`
			before := p.metrics(t)[counted]
			client := &http2Client{t: t, Client: dial("h2")}
			client.begin()
			got, header, body := client.roundTrip(1, c.frame, c.fields)
			switch {
			case got != c.want:
				t.Errorf("%s: ended with %s, want %s", c.name, got, c.want)
			case len(got) > 3:
				testkit.Eventually(t, c.name+" is counted", func() bool { return p.metrics(t)[counted] == before+1 })
			case got >= "400":
				status, _ := strconv.Atoi(got)
				p.wantOwnForm(t, status, status, header, body)
			}
			if got == "431" && !client.goneAway {
				t.Errorf("%s: the connection does not end", c.name)
			}
			if got == c.want && got < "43" { // the connection still works, with the same table of header fields
				for stream := uint32(3); stream < 7; stream += 2 {
					if got, header, body := client.roundTrip(stream, c.frame, c.fields); got != c.want || got >= "400" && header.Get("X-Request-Id") == "" {
						t.Errorf("%s, again: ended with %s, %v %q", c.name, got, header, body)
					}
				}
				if got, _, _ := client.roundTrip(7, c.frame, nil); got != "200" {
					t.Errorf("%s: a later request ended with %s", c.name, got)
				}
			}
		}
		metrics := do(t, request{url: p.operators + "/metrics"}).body
		for _, want := range []string{
			`gatehouse_http_requests_total{code="400",method="GET",route="_none"} 18`, `gatehouse_http_requests_total{code="431",method="GET",route="_none"} 5`,
			`gatehouse_limits_refused_total{limit="header"} 5`,
		} {
			if !strings.Contains(metrics, want+"\n") {
				t.Errorf("no %s", want)
			}
		}
	})
}

// http2Client is a client of HTTP/2 that sends what a library would refuse.
type http2Client struct {
	t *testing.T
	*testkit.Client
	framer  *http2.Framer
	block   bytes.Buffer
	encoder *hpack.Encoder

	goneAway bool // the server accepts no more streams
}

// begin sends the preface.
func (c *http2Client) begin() {
	c.Send(http2.ClientPreface)
	c.framer = http2.NewFramer(c.Conn, c.Conn)
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.encoder = hpack.NewEncoder(&c.block)
	_ = c.framer.WriteSettings()
}

// roundTrip sends a GET and reads its answer. It returns the status, or the error that the
// stream or the connection ended with.
func (c *http2Client) roundTrip(stream uint32, frameSize int, fields []string) (got string, header http.Header, body string) {
	c.t.Helper()
	c.block.Reset()
	for _, pseudo := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "x"}, {":path", "/"}} {
		if !slices.Contains(fields, pseudo[0]) {
			_ = c.encoder.WriteField(hpack.HeaderField{Name: pseudo[0], Value: pseudo[1]})
		}
	}
	for f := range slices.Chunk(fields, 2) {
		_ = c.encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	first := c.block.Next(frameSize)
	_ = c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: first, EndStream: true, EndHeaders: c.block.Len() == 0})
	for c.block.Len() > 0 {
		part := c.block.Next(frameSize)
		_ = c.framer.WriteContinuation(stream, c.block.Len() == 0, part)
	}
	header = http.Header{}
	for {
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return err.Error(), header, body
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			for _, f := range frame.Fields {
				header.Add(f.Name, f.Value)
			}
			got = frame.PseudoValue("status")
		case *http2.DataFrame:
			body += string(frame.Data())
		case *http2.RSTStreamFrame:
			return "stream_" + frame.ErrCode.String(), header, body
		case *http2.GoAwayFrame:
			if frame.ErrCode != http2.ErrCodeNo {
				return "connection_" + frame.ErrCode.String(), header, body
			}
			c.goneAway = true // after the streams that it has
		}
		if frame.Header().StreamID == stream && frame.Header().Flags.Has(http2.FlagDataEndStream) {
			return got, header, body
		}
	}
}

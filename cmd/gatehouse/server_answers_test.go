package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"gatehouse/internal/testkit"

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

// TestServerAnswersOverHTTP2 checks that a header that is too large gets JSON, a metric and
// an access line over HTTP/2 too. What HTTP/2 cannot answer is counted.
func TestServerAnswersOverHTTP2(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, p *process, dial func(protocol string) *testkit.Client) {
		client := dial("h2")
		status, header, body := roundTripHTTP2(t, client, 1, hpack.HeaderField{Name: "x-large", Value: strings.Repeat("x", 80<<10)})
		p.wantOwnForm(t, status, 431, header, body)

		// A request without a path ends its stream. It gets no answer (RFC 9113 section 8.1.1).
		framer := http2.NewFramer(client.Conn, client.Conn)
		var block bytes.Buffer
		_ = hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":method", Value: "GET"})
		_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
		metrics := func() string { return do(t, request{url: p.operators + "/metrics"}).body }
		testkit.Eventually(t, "the error is counted", func() bool {
			return strings.Contains(metrics(), `gatehouse_http2_errors_total{error="stream_PROTOCOL_ERROR_bad_path_method"} 1`)
		})
		for _, want := range []string{
			`gatehouse_http_requests_total{code="431",method="GET",route="_none"} 1`, `gatehouse_limits_refused_total{limit="header"} 1`,
		} {
			if !strings.Contains(metrics(), want) {
				t.Errorf("no %s", want)
			}
		}
	})
}

// roundTripHTTP2 sends a GET with a field over a connection, after the preface of HTTP/2,
// and reads its answer.
func roundTripHTTP2(t *testing.T, client *testkit.Client, stream uint32, field hpack.HeaderField) (status int, header http.Header, body string) {
	t.Helper()
	client.Send(http2.ClientPreface)
	framer := http2.NewFramer(client.Conn, client.Conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = framer.WriteSettings()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range []hpack.HeaderField{
		{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: "x"}, {Name: ":path", Value: "/"}, field,
	} {
		_ = encoder.WriteField(f)
	}
	first := block.Next(16 << 10)
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: first, EndStream: true, EndHeaders: block.Len() == 0})
	for block.Len() > 0 {
		part := block.Next(16 << 10)
		_ = framer.WriteContinuation(stream, block.Len() == 0, part)
	}
	header = http.Header{}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			for _, f := range frame.Fields {
				header.Add(f.Name, f.Value)
				if f.Name == ":status" {
					status = int(f.Value[0]-'0')*100 + int(f.Value[1]-'0')*10 + int(f.Value[2]-'0')
				}
			}
		case *http2.DataFrame:
			body += string(frame.Data())
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			t.Fatalf("got %v", frame)
		}
		if frame.Header().StreamID == stream && frame.Header().Flags.Has(http2.FlagDataEndStream) {
			return status, header, body
		}
	}
}

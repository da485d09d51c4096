package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testkit"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestServerAnswersOverTLS sends requests to the real binary that net/http refuses by
// itself. Over HTTP/1.1 all of them, and over HTTP/2 a header that is too large, get JSON
// with a request id, a metric and an access line. What HTTP/2 cannot answer is counted.
func TestServerAnswersOverTLS(t *testing.T) {
	t.Parallel()
	certFile, keyFile, _ := selfSigned(t)
	p := startProcess(t, openTable(t, reportingBackend(t, "backend")), map[string]string{
		"GATEWAY_TLS_CERT_FILE": certFile, "GATEWAY_TLS_KEY_FILE": keyFile,
	})
	address := strings.TrimPrefix(p.url, "http://")
	dial := func(protocol string) *testkit.Client {
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(testkit.Timeout))
		return testkit.NewClient(t, conn)
	}
	wantForm := func(status, want int, header http.Header, body string) {
		t.Helper()
		var form struct {
			Detail string `json:"detail"`
			ID     string `json:"request_id"`
		}
		if err := json.Unmarshal([]byte(body), &form); err != nil || status != want || form.Detail == "" || form.ID == "" || form.ID != header.Get("X-Request-Id") {
			t.Errorf("got %d %v %q, want %d", status, header, body, want)
		}
		testkit.Eventually(t, "an access line", func() bool { return strings.Contains(p.log.String(), `"request_id":"`+form.ID+`"`) })
	}
	for want, sent := range map[int]string{
		400: "GET / HTTP/1.1\r\n\r\n", 417: "GET / HTTP/1.1\r\nHost: x\r\nExpect: x\r\n\r\n",
		501: "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 505: "GET / HTTP/3.0\r\nHost: x\r\n\r\n",
	} {
		client := dial("http/1.1")
		client.Send(sent)
		res, body := client.Receive()
		wantForm(res.StatusCode, want, res.Header, body)
	}

	client := dial("h2")
	status, header, body := roundTripHTTP2(t, client, 1, hpack.HeaderField{Name: "x-large", Value: strings.Repeat("x", 80<<10)})
	wantForm(status, 431, header, body)

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
		`gatehouse_http_requests_total{code="400",method="_OTHER",route="_none"} 1`, `gatehouse_http_requests_total{code="431",method="GET",route="_none"} 1`,
		`gatehouse_gateway_errors_total{reason="unsupported",route="_none"} 2`, `gatehouse_limits_refused_total{limit="header"} 1`,
	} {
		if !strings.Contains(metrics(), want) {
			t.Errorf("no %s", want)
		}
	}
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

package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

const answersTable = `
users: off
cors: {origins: ["https://app.example.com"]}
response_headers: {Strict-Transport-Security: max-age=1}
routes:
  - {name: open, prefix: /, backend: "${BACKEND}", auth: none, upgrade: [websocket, shout]}
`

// forged are header lines that a backend may not send to a client.
const forged = "Connection: X-Hop, keep-alive\r\nX-Hop: gone\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n" +
	"Proxy-Authenticate: Basic\r\nTE: trailers\r\nTrailer: X-End\r\n" +
	"X-Request-ID: forged\r\nX-Process-Time: forged\r\nAccess-Control-Allow-Origin: forged\r\n" +
	"Access-Control-Allow-Credentials: forged\r\nAccess-Control-Expose-Headers: forged\r\nStrict-Transport-Security: forged\r\n"

// hopByHop are the fields of forged that are for one hop only.
var hopByHop = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Hop",
}

// wantClean reports an error if the header has a field of forged.
func wantClean(t *testing.T, what string, header http.Header) {
	t.Helper()
	for name, values := range header {
		if slices.Contains(hopByHop, name) || strings.Contains(strings.Join(values, ""), "forged") {
			t.Errorf("%s: %s = %q", what, name, values)
		}
	}
	if header.Get("X-Other") != "kept" {
		t.Errorf("%s: X-Other is missing: %v", what, header)
	}
}

func TestInterimAnswersAreClean(t *testing.T) {
	t.Parallel()
	backend := testkit.ServeRequest(t, func(conn *testkit.ServerConn, _ *http.Request) {
		_, _ = io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nX-Other: kept\r\nUpgrade: x\r\nContent-Length: 7\r\n"+forged+"\r\n"+
			"HTTP/1.1 102 Processing\r\nX-Other: kept\r\n"+forged+"\r\n"+
			"HTTP/1.1 200 OK\r\nX-Other: kept\r\nContent-Length: 4\r\n"+forged+"\r\ndone")
	})
	check := func(t *testing.T, k *kit) {
		var codes []int
		var interim []http.Header
		r := k.request("GET", "/", nil, "Origin: https://app.example.com")
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
				codes, interim = append(codes, code), append(interim, http.Header(header))
				return nil
			},
		}))
		res, err := k.client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if body, err := io.ReadAll(res.Body); err != nil || string(body) != "done" || res.StatusCode != http.StatusOK {
			t.Errorf("%d %q, %v", res.StatusCode, body, err)
		}
		if !slices.Equal(codes, []int{103, 102}) {
			t.Fatalf("informational answers %v", codes)
		}
		for i, header := range interim {
			wantClean(t, fmt.Sprint(codes[i]), header)
			if header.Get("Content-Length") != "" {
				t.Errorf("%d has a length", codes[i])
			}
		}
		wantClean(t, "200", res.Header)
		if got := res.Header["Strict-Transport-Security"]; !slices.Equal(got, []string{"max-age=1"}) {
			t.Errorf("Strict-Transport-Security = %q", got)
		}
	}
	eachLane(t, answersTable, backend, check)
	t.Run("h2", func(t *testing.T) {
		t.Parallel()
		check(t, startTLS(t, answersTable, backend))
	})
}

func TestSwitchingProtocolsIsClean(t *testing.T) {
	t.Parallel()
	backend := testkit.ServeRequest(t, func(conn *testkit.ServerConn, _ *http.Request) {
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: shout\r\nX-Other: kept\r\nVary: Accept\r\n"+
			strings.Replace(forged, "X-Hop,", "Upgrade, X-Hop,", 1)+"Content-Length: 7\r\n\r\n")
	})
	eachLane(t, answersTable, backend, func(t *testing.T, k *kit) {
		w := k.dial()
		w.Send("GET / HTTP/1.1\r\nHost: x\r\nOrigin: https://app.example.com\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\n")
		res, err := http.ReadResponse(w.In, nil)
		if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("%+v, %v", res, err)
		}
		for name, want := range map[string][]string{
			"Connection": {"Upgrade"}, "Upgrade": {"shout"}, "Strict-Transport-Security": {"max-age=1"},
			"Vary": {"Accept", "Origin"}, "Access-Control-Allow-Origin": {"https://app.example.com"}, "Content-Length": nil,
		} {
			if got := res.Header[name]; !slices.Equal(got, want) {
				t.Errorf("%s = %q, want %q", name, got, want)
			}
		}
		answer{Response: res}.wantSealed(t, "101")
		delete(res.Header, "Connection")
		delete(res.Header, "Upgrade")
		wantClean(t, "101", res.Header)
	})
}

// A field that is not allowed in trailers must not become one: a client may merge the
// trailers into the header.
func TestTrailersAreClean(t *testing.T) {
	t.Parallel()
	backend := testkit.ServeRequest(t, func(conn *testkit.ServerConn, r *http.Request) {
		announced := ""
		if r.URL.Path == "/announced" {
			announced = "Trailer: X-Other, X-Request-ID, Strict-Transport-Security\r\n"
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"+announced+"\r\n4\r\ndone\r\n0\r\nX-Other: kept\r\n"+
			"Cache-Control: forged\r\nWWW-Authenticate: forged\r\n"+forged+"\r\n")
	})
	check := func(t *testing.T, k *kit) {
		for _, path := range []string{"/announced", "/unannounced"} {
			res := k.get(path, "Te: trailers")
			if res.body != "done" {
				t.Errorf("%s: %q", path, res.body)
			}
			delete(res.Trailer, "X-Hop") // an ordinary name without a Connection header
			wantClean(t, path, res.Trailer)
		}
	}
	eachLane(t, answersTable, backend, check)
	t.Run("h2", func(t *testing.T) {
		t.Parallel()
		check(t, startTLS(t, answersTable, backend))
	})
}

// HTTP/1.0 has neither 1xx nor upgrades (RFC 9110 sections 15.2 and 7.8), and a client
// expects no 100 (section 10.1.1).
func TestHTTP10GetsOneAnswer(t *testing.T) {
	t.Parallel()
	backend := testkit.ServeRequest(t, func(conn *testkit.ServerConn, r *http.Request) {
		for _, name := range []string{"Upgrade", "Connection", "Expect"} {
			if r.Header[name] != nil {
				t.Errorf("the backend saw %s: %q", name, r.Header[name])
			}
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"+
			"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\ndone")
	})
	eachLane(t, answersTable, backend, func(t *testing.T, k *kit) {
		for _, ask := range []string{
			"GET / HTTP/1.0\r\n\r\n",
			"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
			"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\n",
			"GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
			"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
		} {
			w := k.dial()
			w.Send(ask)
			all, err := io.ReadAll(w.In)
			if text := string(all); err != nil || !strings.HasPrefix(text, "HTTP/1.0 200 OK\r\n") || strings.Count(text, "HTTP/1") != 1 || !strings.HasSuffix(text, "\r\n\r\ndone") {
				t.Errorf("%q: %q, %v", ask, text, err)
			}
		}
	})
}

// A WebSocket begins with GET (RFC 6455 section 4.1); another protocol may begin
// with any method.
func TestWebSocketBeginsWithGET(t *testing.T) {
	t.Parallel()
	backend := testkit.ServeRequest(t, func(conn *testkit.ServerConn, r *http.Request) {
		if protocol := r.Header.Get("Upgrade"); protocol != "" {
			fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", protocol)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\ndone")
	})
	eachLane(t, answersTable, backend, func(t *testing.T, k *kit) {
		for ask, want := range map[string]int{"GET websocket": 101, "GET shout": 101, "POST shout": 101, "POST websocket": 200, "PUT WebSocket": 200} {
			method, protocol, _ := strings.Cut(ask, " ")
			w := k.dial()
			w.Send(method + " / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\n\r\n")
			res, err := http.ReadResponse(w.In, nil)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != want {
				t.Errorf("%s: %d, want %d", ask, res.StatusCode, want)
			}
		}
	})
}

// A backend that sends too many informational answers is given up.
func TestInterimAnswersWithoutEnd(t *testing.T) {
	t.Parallel()
	backend := testkit.ServeRequest(t, func(conn *testkit.ServerConn, _ *http.Request) {
		for {
			if _, err := io.WriteString(conn, "HTTP/1.1 102 Processing\r\n\r\n"); err != nil {
				return
			}
		}
	})
	eachLane(t, answersTable, backend, func(t *testing.T, k *kit) {
		w := k.dial()
		w.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		for n := 0; ; n++ {
			res := receive(w)
			if res.StatusCode == http.StatusProcessing {
				continue
			}
			res.wantDetail(t, http.StatusBadGateway, "An unexpected error occurred communicating with upstream service.")
			if n != 1000 {
				t.Errorf("%d informational answers", n)
			}
			return
		}
	})
}

// HTTP/2 has no 101 (RFC 9113 section 8.6). If it were passed on, it would end the answer.
func TestSwitchOverHTTP2IsRefused(t *testing.T) {
	t.Parallel()
	backend := testkit.ServeH2C(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusSwitchingProtocols)
		flush(w)
		w.WriteHeader(http.StatusOK)
	})
	for name, k := range map[string]*kit{"h1": startBefore(t, h2cTable, backend), "h2": startTLS(t, h2cTable, backend)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k.get("/").wantDetail(t, http.StatusBadGateway, "An unexpected error occurred communicating with upstream service.")
		})
	}
}

// headOf reads the bytes of a head.
func headOf(t *testing.T, in *bufio.Reader) string {
	t.Helper()
	var head strings.Builder
	for {
		line, err := in.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			if err != nil {
				t.Errorf("read head: %v after %q", err, head.String())
			}
			return head.String()
		}
	}
}

// TestWebSocketSpelling checks that the fields of a handshake have the spelling of RFC
// 6455. Some devices do not recognize any other.
func TestWebSocketSpelling(t *testing.T) {
	t.Parallel()
	heads := make(chan string, 8)
	backend := testkit.ServeRaw(t, func(conn net.Conn) {
		head := headOf(t, bufio.NewReader(conn))
		heads <- head
		if strings.HasPrefix(head, "GET /refused ") {
			_, _ = io.WriteString(conn, "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\nsec-websocket-version: 13\r\n\r\n")
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-Websocket-Protocol: chat\r\nsec-websocket-extensions: x\r\n\r\n")
	})
	t.Run("lanes", func(t *testing.T) {
		eachLane(t, answersTable, "http://"+backend, func(t *testing.T, k *kit) {
			for path, said := range map[string][]string{
				"/":        {"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Extensions: x"},
				"/refused": {"Sec-WebSocket-Version: 13"},
			} {
				w := k.dial()
				w.Send("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nsec-websocket-version: 13\r\n" +
					"Sec-Websocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSEC-WEBSOCKET-PROTOCOL: chat\r\nsec-websocket-extensions: x\r\n\r\n")
				asked, got := testkit.Receive(t, "the backend's head", heads), headOf(t, w.In)
				for _, want := range []string{
					"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Extensions: x",
				} {
					if !strings.Contains(asked, "\r\n"+want+"\r\n") {
						t.Errorf("%s: the backend got %q", path, asked)
					}
				}
				for _, want := range said {
					if !strings.Contains(got, "\r\n"+want+"\r\n") {
						t.Errorf("%s: the client got %q", path, got)
					}
				}
				if strings.Contains(asked+got, "Sec-Websocket") {
					t.Errorf("%s: %q %q", path, asked, got)
				}
			}
		})
	})
}

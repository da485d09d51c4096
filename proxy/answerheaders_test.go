package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"gatehouse/internal/testkit"
)

const answerHeadersTable = `
trusted_proxies: [127.0.0.0/8]
response_headers:
  set: {X-All: table, X-Both: table, X-Gone: table, X-Where: "{host}/{route}"}
  remove: [Server]
defaults:
  response_headers:
    set: {X-Frame-Options: DENY, X-Both: route, X-Id: "{request_id} {client_ip} {route}", X-None: "{client_ip}"}
    add: {Vary: Accept-Language, X-Added: ours}
    remove: [X-Powered-By, X-Gone, etag]
routes:
  - {name: open, prefix: /open, auth: none, backend: "${BACKEND}", upgrade: [websocket]}
  - {name: strict, prefix: /strict, backend: "${BACKEND}"}
  - {name: small, prefix: /small, auth: none, max_body: 1, backend: "${BACKEND}"}
  - {name: down, prefix: /down, auth: none, backend: "http://127.0.0.1:1"}
  - {name: moved, prefix: /moved, auth: none, redirect: {to: /open}}
  - {name: stop, prefix: /stop, auth: none, respond: {status: 503, body: closed, headers: {X-Frame-Options: theirs, X-Powered-By: theirs}}}
  - {name: page, prefix: /page, auth: none, respond: {body: page}}
  - {name: users, prefix: /users, handler: users}
  - {name: bare, prefix: /bare, auth: none, backend: "${BACKEND}", response_headers: {}}
`

// forgedAnswer are lines of a backend that the table replaces, removes or keeps.
const forgedAnswer = "X-Frame-Options: forged\r\nx-both: forged\r\nX-All: forged\r\nX-Powered-By: forged\r\nSERVER: forged\r\nETag: forged\r\nX-Gone: forged\r\n" +
	"X-Where: forged\r\nX-Id: forged\r\nX-None: forged\r\nVary: Cookie\r\nX-Added: theirs\r\n"

// wantAnswerHeaders checks the header of an answer of a route. own tells whether the
// gateway itself answers.
func wantAnswerHeaders(t *testing.T, what string, header http.Header, route string, own bool) {
	t.Helper()
	want := map[string]string{
		"X-All": "table", "X-Both": "route", "X-Frame-Options": "DENY", "X-Where": "gate.example/" + route, "X-Id": "id-1 203.0.113.7 " + route, "X-None": "203.0.113.7",
		"X-Powered-By": "", "X-Gone": "", "Etag": "", "X-Request-Id": "id-1", "Server": "",
		"Vary": "Cookie, Accept-Language", "X-Added": "theirs, ours",
	}
	if own {
		want["Vary"], want["X-Added"] = "Accept-Language", "ours"
	}
	for name, value := range want {
		if got := strings.Join(header[name], ", "); got != value {
			t.Errorf("%s: %s: got %q, want %q", what, name, got, value)
		}
	}
}

// TestRouteResponseHeaders checks the answers of every kind of target, and refusals.
func TestRouteResponseHeaders(t *testing.T) {
	t.Parallel()
	backend := testkit.ServeRequest(t, func(conn *testkit.ServerConn, r *http.Request) {
		body := "done"
		if r.Method == http.MethodHead {
			body = ""
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n"+forgedAnswer+"\r\n"+body)
	})
	check := func(t *testing.T, k *kit) {
		for _, test := range []struct {
			method, path, route string
			status              int
			own                 bool
		}{
			{"GET", "/open", "open", 200, false},
			{"HEAD", "/open", "open", 200, false},
			{"GET", "/strict", "strict", 401, true},
			{"POST", "/small", "small", 413, true},
			{"GET", "/down", "down", 503, true},
			{"GET", "/moved", "moved", 308, true},
			{"GET", "/stop", "stop", 503, true},
			{"GET", "/page", "page", 200, true},
			{"GET", "/users/me", "users", 200, true},
		} {
			var body io.Reader
			if test.method == "POST" {
				body = strings.NewReader("too much")
			}
			res := k.do(test.method, test.path, body, "Host: Gate.example:1", "X-Request-Id: id-1", "X-Forwarded-For: 203.0.113.7")
			if res.StatusCode != test.status {
				t.Errorf("%s: %d %s", test.path, res.StatusCode, res.body)
			}
			wantAnswerHeaders(t, test.method+" "+test.path, res.Header, test.route, test.own)
		}
		// Where no route was found, only the table's apply, and {route} is empty.
		for path, status := range map[string]int{"/nowhere": 404, "/open%2fx": 400, "/health": 200} {
			res := k.get(path, "Host: gate.example")
			if res.StatusCode != status {
				t.Errorf("%s: %d", path, res.StatusCode)
			}
			wantHeader(t, res.Header, map[string]string{"X-All": "table", "X-Both": "table", "X-Gone": "table", "X-Frame-Options": "", "X-Where": "gate.example/", "X-Added": ""})
		}
		wantHeader(t, k.get("/bare", "Host: gate.example").Header, map[string]string{
			"X-All": "table", "X-Both": "table", "X-Frame-Options": "forged", "X-Powered-By": "forged", "Etag": "forged", "X-Gone": "table", "X-Added": "theirs", "Server": "",
		})
	}
	eachLane(t, answerHeadersTable, backend, check)
	t.Run("h2", func(t *testing.T) {
		t.Parallel()
		check(t, startTLS(t, answerHeadersTable, backend))
	})
}

// TestRouteResponseHeadersOfParts checks informational answers and trailers: a backend
// cannot send there what the table sets or removes.
func TestRouteResponseHeadersOfParts(t *testing.T) {
	t.Parallel()
	backend := testkit.ServeRequest(t, func(conn *testkit.ServerConn, r *http.Request) {
		trailer := "Trailer: X-Frame-Options, X-Powered-By, X-Sum\r\n"
		if strings.HasSuffix(r.URL.Path, "/unannounced") {
			trailer = ""
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nX-Other: kept\r\n"+forgedAnswer+"\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"+trailer+forgedAnswer+
			"\r\n4\r\ndone\r\n0\r\nX-Sum: 1\r\n"+forgedAnswer+"\r\n")
	})
	check := func(t *testing.T, k *kit) {
		for _, path := range []string{"/open", "/open/unannounced"} {
			var interim http.Header
			r := k.request("GET", path, nil, "Host: gate.example", "X-Request-Id: id-1", "X-Forwarded-For: 203.0.113.7", "Te: trailers")
			r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
				Got1xxResponse: func(_ int, header textproto.MIMEHeader) error {
					interim = http.Header(header)
					return nil
				},
			}))
			res, err := k.client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || string(body) != "done" {
				t.Fatalf("%q, %v", body, err)
			}
			wantAnswerHeaders(t, path, res.Header, "open", false)
			for what, header := range map[string]http.Header{"103": interim, "trailers": res.Trailer} {
				if header.Get("X-Other") == "" && header.Get("X-Sum") == "" {
					t.Errorf("%s: %v", what, header)
				}
				for name, values := range header {
					if slices.Contains(values, "forged") {
						t.Errorf("%s of %s: %s is %q", what, path, name, values)
					}
				}
			}
		}
	}
	eachLane(t, answerHeadersTable, backend, check)
	t.Run("h2", func(t *testing.T) {
		t.Parallel()
		check(t, startTLS(t, answerHeadersTable, backend))
	})
}

// TestRouteResponseHeadersOfUpgrades checks a 101 to a WebSocket, and the refusal of one.
func TestRouteResponseHeadersOfUpgrades(t *testing.T) {
	t.Parallel()
	eachLane(t, answerHeadersTable, testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		for line := range strings.Lines(forgedAnswer) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			w.Header().Add(name, value)
		}
		echoSocket(w, r)
	}), func(t *testing.T, k *kit) {
		header := http.Header{"X-Request-Id": {"id-1"}, "X-Forwarded-For": {"203.0.113.7"}}
		socket, res, err := websocket.Dial(testkit.Context(t), k.url+"/open", &websocket.DialOptions{Host: "gate.example", HTTPHeader: header})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = socket.CloseNow() }()
		wantAnswerHeaders(t, "101", res.Header, "open", false)
		_, res, err = websocket.Dial(testkit.Context(t), k.url+"/strict", &websocket.DialOptions{Host: "gate.example", HTTPHeader: header})
		if err == nil || res == nil || res.StatusCode != http.StatusUnauthorized {
			t.Fatalf("%v %v", res, err)
		}
		wantAnswerHeaders(t, "401", res.Header, "strict", true)
	})
}

// TestResponseHeaderLines checks on the wire that no request writes a line of its own, and
// that each line is there once.
func TestResponseHeaderLines(t *testing.T) {
	t.Parallel()
	k := start(t, answerHeadersTable, nil)
	for _, id := range []string{"id-1", "a\tb", "x{host}", strings.Repeat("a", 4096)} {
		w := k.dial()
		w.Send(fmt.Sprintf("GET /open HTTP/1.1\r\nHost: gate.example\r\nX-Request-ID: %s\r\nX-Forwarded-For: 203.0.113.7\r\nConnection: close\r\n\r\n", id))
		head, _, _ := strings.Cut(w.Rest(), "\r\n\r\n")
		got, err := textproto.NewReader(bufio.NewReader(strings.NewReader(head[strings.Index(head, "\r\n")+2:] + "\r\n\r\n"))).ReadMIMEHeader()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"X-Id", "X-Frame-Options", "X-Both", "X-Where", "X-Request-Id"} {
			if len(got[name]) != 1 {
				t.Errorf("%q: %s is %q", id, name, got[name])
			}
		}
		if want := got.Get("X-Request-Id") + " 203.0.113.7 open"; got.Get("X-Id") != want {
			t.Errorf("%q: X-Id is %q, want %q", id, got.Get("X-Id"), want)
		}
	}
}

// TestReloadedResponseHeaders checks that a new table has its own rules.
func TestReloadedResponseHeaders(t *testing.T) {
	t.Parallel()
	k := start(t, answerHeadersTable, nil)
	wantHeader(t, k.get("/open").Header, map[string]string{"X-Frame-Options": "DENY", "X-All": "table"})
	k.gateway.Swap(k.compile(strings.NewReplacer("X-Frame-Options: DENY", "X-Frame-Options: SAMEORIGIN", "X-All: table, ", "").Replace(answerHeadersTable)))
	wantHeader(t, k.get("/open").Header, map[string]string{"X-Frame-Options": "SAMEORIGIN", "X-All": ""})
}

package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
	"gatehouse/proxy/upstream"

	"github.com/google/go-cmp/cmp"
)

// headerRequests are requests without a Host. Each has the parts that a backend must not
// get.
var headerRequests = map[string]struct {
	lines []string // a request line, and fields
	never []string // parts of lines, in lower case
}{
	"none":    {lines: []string{"GET /strict HTTP/1.1"}},
	"browser": {lines: []string{"GET /strict HTTP/1.1", "User-Agent: b", "Accept: */*", "Cookie: a=b; c=d", "Cookie: e=f", "Accept-Encoding: gzip", "Origin: https://app.example.com"}},
	"identity": {
		lines: []string{"GET /strict HTTP/1.1", "X-User-ID: evil", "x_user_id: evil", "X-User-Email: evil", "X-COMPANY-ID: evil", "X.Plan: evil"},
		never: []string{"evil"},
	},
	"identity, without a policy": {
		lines: []string{"GET /none HTTP/1.1", "X-User-ID: evil", "X-Plan: evil"}, never: []string{"evil", "x-user-id", "x-plan"},
	},
	"without its token": {lines: []string{"GET /tokenless HTTP/1.1"}, never: []string{"authorization"}},
	"forwarded": {
		lines: []string{"GET /strict HTTP/1.1", "X-Forwarded-For: 203.0.113.6", "X-Forwarded-Host: other.example", "X-Forwarded-Proto: https", "X-Real-IP: 203.0.113.6", "X-Forwarded-Port: 1", "X_Forwarded_For: evil"},
		never: []string{"evil"},
	},
	"Forwarded":   {lines: []string{"GET /strict HTTP/1.1", "Forwarded: for=203.0.113.6"}, never: []string{"forwarded:"}},
	"for one hop": {lines: []string{"GET /strict HTTP/1.1", "Keep-Alive: 5", "Proxy-Connection: evil", "Proxy-Authorization: evil", "X-Other: 1"}, never: []string{"evil", "keep-alive"}},
	"listed":      {lines: []string{"GET /strict HTTP/1.1", "Connection: X-Listed, x-user-id", "Connection: x-too", "X-Listed: evil", "X-Too: evil", "X-Stays: 1"}, never: []string{"evil", "connection"}},
	"repeated":    {lines: []string{"GET /strict HTTP/1.1", "X-A: 1", "X-A: 2", "X-Empty:"}},
	"TE":          {lines: []string{"GET /strict HTTP/1.1", "Connection: te", "TE: trailers, deflate"}, never: []string{"deflate"}},
	"Expect":      {lines: []string{"GET /strict HTTP/1.1", "Expect: 100-continue"}},
	"key":         {lines: []string{"GET /strict HTTP/1.1", "Idempotency-Key: 1"}},
	"request id":  {lines: []string{"GET /strict HTTP/1.1", "X-Request-ID: mine"}},
	"upgrade":     {lines: []string{"GET /socket HTTP/1.1", "Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"}},
	"not granted": {lines: []string{"GET /strict HTTP/1.1", "Connection: Upgrade", "Upgrade: other"}, never: []string{"upgrade"}},
	"unasked":     {lines: []string{"GET /socket HTTP/1.1", "Upgrade: websocket"}, never: []string{"upgrade"}},
	"body":        {lines: []string{"POST /strict HTTP/1.1", "Content-Length: 2", "X-User-ID: evil", "X-Other: 1", "", "hi"}, never: []string{"evil"}},
	"trailers":    {lines: []string{"POST /strict HTTP/1.1", "Transfer-Encoding: chunked", "Trailer: X-Sum", "", "2", "hi", "0", "X-Sum: 1", "", ""}},
	"override":    {lines: []string{"GET /get HTTP/1.1", "X-HTTP-Method-Override: DELETE"}, never: []string{"override"}},
	"1.0":         {lines: []string{"GET /strict HTTP/1.0", "Expect: 100-continue", "X-Other: 1"}, never: []string{"expect"}},
	"changed": {
		lines: []string{
			"GET /changed HTTP/1.1", "X-Request-ID: mine", "X-Env: evil", "x_env: evil", "X.None: evil", "X-Who: evil", "X-Debug: evil", "x_debug: evil", "User-Agent: evil",
			"X-Tag: mine", "Connection: X-Env",
		},
		never: []string{"evil", "x-none", "user-agent"},
	},
	"changed, with a body": {
		lines: []string{"POST /changed HTTP/1.1", "X-Request-ID: mine", "Content-Length: 2", "X_Env: evil", "User-Agent: evil", "", "hi"}, never: []string{"evil"},
	},
	"changed, and upgraded": {
		lines: []string{
			"GET /changed HTTP/1.1", "X-Request-ID: mine", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
			"X-Env: evil",
		},
		never: []string{"evil"},
	},
	"changed, with a key": {lines: []string{"GET /keyed HTTP/1.1", "X-Request-ID: mine"}},
	"odd spellings":       {lines: []string{"GET /strict HTTP/1.1", "transfer_encoding: evil", "Content_Length: 7", "x-odd_Name: 1", "PROXY: evil"}, never: []string{"evil", "content_length"}},
}

// TestOneHeaderPolicy sends requests through http1/transport and through net/http's
// transport, and asks explain for them. All three must have the same fields.
func TestOneHeaderPolicy(t *testing.T) {
	t.Parallel()
	const routes = identityTable + `
  - {name: socket, prefix: /socket, backend: "${BACKEND}", auth: none, upgrade: [websocket]}
  - {name: get, prefix: /get, backend: "${BACKEND}", auth: none, methods: [GET]}
  - {name: keyed, prefix: /keyed, backend: "${BACKEND}", request_headers: {set: {Idempotency-Key: "{request_id}"}}}
  - name: changed
    prefix: /changed
    backend: "${BACKEND}"
    request_headers:
      set: {X-Env: prod, X-Who: "{claim.sub} of {route} from {client_ip} at {host}", X-None: "{claim.nothing}", X-Id: "{request_id}"}
      add: {X-Tag: edge, X-Env: more}
      remove: [X-Debug, User-Agent]
`
	heads := make(chan []string, 2)
	backend := serveHeads(t, heads)
	for peers, table := range map[string]string{"untrusted": routes, "trusted": routes + "trusted_proxies: [127.0.0.0/8]\n"} {
		direct := startBefore(t, table, backend)
		standard := newKitOf(t, table, backend, upstream.PoolOptions{Standard: true})
		standard.serve()
		for name, tt := range headerRequests {
			t.Run(peers+"/"+name, func(t *testing.T) {
				lines := slices.Insert(slices.Clone(tt.lines), 1, "Host: gate.example", "Authorization: "+direct.member())
				text := strings.Join(lines, "\r\n")
				if !slices.Contains(lines, "") {
					text += "\r\n\r\n"
				}
				for _, k := range []*kit{direct, standard} {
					w := k.dial()
					w.Send(text)
					if res := receive(w); res.StatusCode != http.StatusOK {
						t.Fatalf("%d %s", res.StatusCode, res.body)
					}
				}
				first, second := <-heads, <-heads
				if diff := cmp.Diff(first, second); diff != "" {
					t.Errorf("lean lane (-) and net/http's transport (+): %s", diff)
				}
				if diff := cmp.Diff(first, explainedFields(t, direct, text)); diff != "" {
					t.Errorf("sent (-) and explained (+): %s", diff)
				}
				for _, part := range tt.never {
					if sent := strings.ToLower(strings.Join(first, "\n")); strings.Contains(sent, part) {
						t.Errorf("%q is in %q", part, first)
					}
				}
			})
		}
	}
}

// serveHeads returns the address of a backend that answers one request on each connection.
// The backend sends the result of comparableFields to heads.
func serveHeads(t *testing.T, heads chan<- []string) string {
	return "http://" + testkit.ServeRaw(t, func(conn net.Conn) {
		in := textproto.NewReader(bufio.NewReader(conn))
		var fields []string
		for line, err := in.ReadLine(); line != ""; line, err = in.ReadLine() {
			if err != nil {
				return
			}
			fields = append(fields, line)
		}
		heads <- comparableFields(fields[1:])
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn) // the rest of a body
	})
}

// comparableFields returns sorted field lines, without those that the transport sets.
func comparableFields(lines []string) []string {
	lines = slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		name, _, _ := strings.Cut(line, ":")
		return slices.Contains([]string{"Host", "Content-Length", "Transfer-Encoding", "Trailer", "Accept-Encoding"}, name) && line != "Accept-Encoding: gzip"
	})
	for i, line := range lines {
		if strings.HasPrefix(line, "X-Request-Id: ") && line != "X-Request-Id: mine" {
			lines[i] = "X-Request-Id: new"
		}
	}
	slices.Sort(lines)
	return lines
}

// explainedFields returns the fields that explain prints: those of the request that Decide
// returns.
func explainedFields(t *testing.T, k *kit, text string) []string {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	r.RemoteAddr = "127.0.0.1:1"
	d := k.gateway.Table().Decide(r, k.parts.Gate)
	if d.Forwarded == nil {
		t.Fatalf("decided as %v", d.Refusal)
	}
	var lines []string
	for name, values := range d.Forwarded.Header {
		for _, value := range values {
			lines = append(lines, fmt.Sprintf("%s: %s", name, value))
		}
	}
	return comparableFields(lines)
}

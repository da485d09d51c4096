package proxy

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/httperr"
	"gatehouse/internal/testkit"
	"gatehouse/proxy/listener"
	"gatehouse/proxy/upstream"
)

// headLimit is the largest header of the servers of these tests, in bytes.
const headLimit = 16 << 10

// eachServer tests a gateway behind each of the servers of clients: our own, net/http's,
// and net/http's over TLS. dial opens a connection.
func eachServer(t *testing.T, table, backend string, headTimeout time.Duration, test func(t *testing.T, k *kit, dial func() *testkit.Client)) {
	for _, name := range []string{"lean", "standard", "TLS"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKitOf(t, table, backend, upstream.PoolOptions{MaxIdle: 64, Standard: name == "standard"})
			k.headTimeout, k.maxHeader = headTimeout, headLimit
			if name == "TLS" {
				test(t, k, k.serveSplitTLS())
				return
			}
			k.standard = name == "standard"
			k.serve()
			test(t, k, k.dial)
		})
	}
}

// serveSplitTLS serves HTTP/1.1 over TLS as internal/server does.
func (k *kit) serveSplitTLS() (dial func() *testkit.Client) {
	public := testkit.Listen(k.t)
	pair, err := tls.X509KeyPair(testkit.SelfSigned(k.t, time.Now().Add(time.Hour)))
	if err != nil {
		k.t.Fatal(err)
	}
	encrypted, plain := k.gateway.Limit(public).SplitTLS(&tls.Config{Certificates: []tls.Certificate{pair}})
	server := &http.Server{
		Handler: k.gateway, ErrorLog: testkit.DiscardLog(), ReadHeaderTimeout: k.headTimeout, IdleTimeout: testkit.Timeout, MaxHeaderBytes: k.maxHeader, ConnState: listener.ConnState,
	}
	ended := make(chan error)
	go func() { ended <- server.Serve(encrypted) }()
	k.t.Cleanup(func() {
		_ = server.Close()
		_ = plain.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			k.t.Errorf("serve: %v", err)
		}
	})
	return func() *testkit.Client {
		conn, err := tls.Dial("tcp", public.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			k.t.Fatal(err)
		}
		k.t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(testkit.Timeout))
		return testkit.NewClient(k.t, conn)
	}
}

// TestServerAnswers checks that a request that net/http's server refuses by itself is
// answered, counted and logged as any other. It is the first request of its connection,
// comes after another, or comes together with another.
func TestServerAnswers(t *testing.T) {
	t.Parallel()
	const good = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
	large := "GET / HTTP/1.1\r\nHost: x\r\nX-Large: " + strings.Repeat("a", 2*headLimit) + "\r\n\r\n"
	eachServer(t, openRoute+"response_headers: {X-Frame-Options: DENY}\n", "http://127.0.0.1:9", testkit.Timeout, func(t *testing.T, k *kit, dial func() *testkit.Client) {
		for _, c := range []struct {
			request string
			status  int
			detail  string
			cause   string // in the log only
		}{
			{"GARBAGE\r\n\r\n", 400, refuseRequest.Detail, ""},
			{"GET / HTTP/1.1\r\n\r\n", 400, refuseRequest.Detail, "missing required Host header"},
			{"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, refuseRequest.Detail, "malformed Host header"},
			{"GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n", 400, refuseRequest.Detail, ""},
			{"GET / HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n", 400, refuseRequest.Detail, ""},
			{"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400, refuseRequest.Detail, ""},
			{"GET / HTTP/1.1\r\nHost: x\r\nExpect: nothing\r\n\r\n", 417, refuseExpect.Detail, ""},
			{large, 431, refuseLargeHead.Detail, ""},
			{"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501, refuseCoding.Detail, ""},
			{"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, refuseVersion.Detail, "unsupported protocol version"},
		} {
			for _, before := range []string{"", "after", "together"} {
				t.Run(strings.TrimSpace(http.StatusText(c.status)+" "+before), func(t *testing.T) {
					client := dial()
					switch before {
					case "":
						client.TrySend(c.request)
					case "after":
						client.Send(good)
						receive(client).wantStatus(t, 200)
						client.TrySend(c.request)
					case "together":
						client.TrySend(good + c.request)
						receive(client).wantStatus(t, 200)
					}
					if before != "" {
						k.line()
					}
					receive(client).wantOwnForm(t, c.status, c.detail)
					if rest := client.Rest(); rest != "" {
						t.Errorf("after the answer came %q", rest)
					}
					line := k.line()
					if line["route"] != NoRoute || line["status"] != float64(c.status) || line["client_ip"] != "127.0.0.1" {
						t.Errorf("%.60q: logged %v", c.request, line)
					}
					if logged, _ := line["error"].(string); !strings.HasPrefix(logged, c.detail) || !strings.Contains(logged, c.cause) {
						t.Errorf("%.60q: logged the error %q", c.request, logged)
					}
				})
			}
		}
		if got := k.metrics.of(NoRoute).failures(); len(got) != 6 || slices.ContainsFunc(got, func(r httperr.Reason) bool { return r != httperr.ReasonUnsupported }) {
			t.Errorf("counted %q", got)
		}
		k.wantLimitRefusals(t, LimitHeader, 3)
	})
}

// wantOwnForm checks an answer in the one form of the gateway's errors, after which the
// connection is closed.
func (a answer) wantOwnForm(t *testing.T, status int, detail string) {
	t.Helper()
	var body struct {
		Detail string `json:"detail"`
		ID     string `json:"request_id"`
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil || a.StatusCode != status || body.Detail != detail {
		t.Errorf("got %d %q, %v; want %d %q", a.StatusCode, a.body, err, status, detail)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "X-Request-Id": body.ID, "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
	} {
		if got := a.Header.Get(name); got != want || got == "" {
			t.Errorf("%s %q, want %q", name, got, want)
		}
	}
	if !a.Close || a.Header.Get("Date") == "" {
		t.Errorf("header %v, closes: %t", a.Header, a.Close)
	}
}

// TestLateHead checks that a client whose head begins and does not arrive in time is
// answered 408, and that one that sends nothing is not.
func TestLateHead(t *testing.T) {
	t.Parallel()
	const good = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
	eachServer(t, openRoute+"response_headers: {X-Frame-Options: DENY}\n", "http://127.0.0.1:9", 300*time.Millisecond, func(t *testing.T, k *kit, dial func() *testkit.Client) {
		for _, part := range []string{"GET / HT", "GET / HTTP/1.1\r\nHost:", "GET / HTTP/1.0\r\nHost:", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nX: "} {
			client := dial()
			client.Send(part)
			receive(client).wantOwnForm(t, 408, refuseLateHead.Detail)
			if line := k.line(); line["status"] != 408.0 || line["route"] != NoRoute {
				t.Errorf("%q: logged %v", part, line)
			}
		}
		silent := dial()
		if rest := silent.Rest(); rest != "" {
			t.Errorf("a client that sent nothing got %q", rest)
		}
		client := dial()
		client.Send(good)
		receive(client).wantStatus(t, 200)
		k.line()
		client.Send("GET /second")
		receive(client).wantOwnForm(t, 408, refuseLateHead.Detail)
		k.line()
	})
}

// TestLateBody checks that a body that does not arrive in time gets one answer.
func TestLateBody(t *testing.T) {
	t.Parallel()
	backend := testkit.Serve(t, func(_ http.ResponseWriter, r *http.Request) { _ = r.ParseForm() })
	eachServer(t, bounded("idle_timeout: 200ms"), backend, testkit.Timeout, func(t *testing.T, k *kit, dial func() *testkit.Client) {
		const late = "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\na"
		for _, before := range []string{"", "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"} {
			client := dial()
			client.Send(before + late)
			if before != "" {
				receive(client)
			}
			receive(client).wantDetail(t, 408, httperr.BodyTimeout.Detail)
			if rest := client.Rest(); rest != "" {
				t.Errorf("after the answer came %q", rest)
			}
		}
	})
}

// TestBodyLikeAServerAnswer checks that a backend's body is never taken for an answer of
// net/http's server, however it is divided.
func TestBodyLikeAServerAnswer(t *testing.T) {
	t.Parallel()
	const text = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"
	backend := testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/sized" {
			w.Header()["Content-Length"] = []string{"309"}
		}
		for range 3 {
			flush(w)
			_, _ = w.Write([]byte(text))
		}
	})
	if len(text)*3 != 309 {
		t.Fatal(len(text) * 3)
	}
	eachServer(t, openTable, backend, testkit.Timeout, func(t *testing.T, k *kit, dial func() *testkit.Client) {
		client := dial()
		for _, path := range []string{"/sized", "/chunked"} {
			client.Send("GET " + path + " HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\nTE: trailers\r\n\r\n")
			if res := receive(client); res.StatusCode != 200 || res.body != strings.Repeat(text, 3) {
				t.Errorf("%s: %d %q", path, res.StatusCode, res.body)
			}
		}
	})
}

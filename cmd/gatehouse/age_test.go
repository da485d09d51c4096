package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"gatehouse/internal/testkit"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer answers every query with one address, which can be changed.
type nameServer struct{ address atomic.Pointer[[4]byte] }

func startNameServer(t *testing.T, first [4]byte) (*nameServer, string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	s := new(nameServer)
	s.address.Store(&first)
	go func() {
		packet := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			if answer, err := s.answer(packet[:n]); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return s, conn.LocalAddr().String()
}

func (s *nameServer) answer(packet []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(packet); err != nil {
		return nil, err
	}
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	for _, q := range m.Questions {
		if q.Type == dnsmessage.TypeA {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1},
				Body:   &dnsmessage.AResource{A: *s.address.Load()},
			})
		}
	}
	return m.Pack()
}

// serveAt serves a backend at an address, over TLS if there is a certificate.
func serveAt(t *testing.T, address string, pair *tls.Certificate, h2c bool, answer string) string {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, answer, " ", r.Proto)
	}))
	_ = server.Listener.Close()
	server.Listener = listener
	if h2c {
		server.Config.Protocols = new(http.Protocols)
		server.Config.Protocols.SetUnencryptedHTTP2(true)
	}
	if pair == nil {
		server.Start()
	} else {
		server.TLS, server.EnableHTTP2 = &tls.Config{Certificates: []tls.Certificate{*pair}}, true
		server.StartTLS()
	}
	t.Cleanup(server.Close)
	return listener.Addr().String()
}

// TestChangedAddressIsFound changes the address of a backend's name while its
// connections are never idle. Both addresses still serve. The gateway uses the
// new one when its connections reach their age (issue 10). The test is not
// parallel, because the resolver belongs to the process.
func TestChangedAddressIsFound(t *testing.T) {
	resolver := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = resolver })
	certificate, key, _ := selfSigned(t)
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	overTLS := "tls: {server_name: 127.0.0.1, ca: " + certificate + "}"
	for _, c := range []struct {
		name, scheme, route, transport, protocol string
		pair                                     *tls.Certificate
	}{
		{"lean", "http", "", "lean", "HTTP/1.1", nil},
		{"standard", "http", "", "standard", "HTTP/1.1", nil},
		{"h2c", "http", "protocol: h2c", "lean", "HTTP/2.0", nil},
		{"TLS", "https", "protocol: http1, " + overTLS, "lean", "HTTP/1.1", &pair},
		{"TLS, HTTP/2", "https", overTLS, "lean", "HTTP/2.0", &pair},
	} {
		t.Run(c.name, func(t *testing.T) {
			h2c := c.route == "protocol: h2c"
			_, port, _ := net.SplitHostPort(serveAt(t, "127.0.0.1:0", c.pair, h2c, "old"))
			serveAt(t, "127.0.0.2:"+port, c.pair, h2c, "new")
			names, at := startNameServer(t, [4]byte{127, 0, 0, 1})
			net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "udp", at)
			}}
			route := strings.TrimSuffix("auth: none, "+c.route, ", ")
			gateway := start(t, testkit.TempFile(t, "routes.yaml", `
users: off
routes:
  - {name: open, prefix: /, backend: '`+c.scheme+`://backend.test:`+port+`', `+route+`}
`), map[string]string{"GATEWAY_MAX_CONNECTION_AGE": "1s", "GATEWAY_TRANSPORT": c.transport})
			t.Cleanup(func() { _ = gateway.stop() }) // before the resolver is changed back
			if a := do(t, request{url: gateway.url + "/"}); a.body != "old "+c.protocol {
				t.Fatalf("%d %q", a.status, a.body)
			}
			names.address.Store(&[4]byte{127, 0, 0, 2})
			testkit.Eventually(t, "requests reach the new address", func() bool {
				for range 20 {
					a := do(t, request{method: http.MethodPost, url: gateway.url + "/", body: "a body"})
					if a.status != http.StatusOK {
						t.Fatalf("%d %q", a.status, a.body)
					}
					if a.body == "new "+c.protocol {
						return true
					}
				}
				return false
			})
		})
	}
}

// TestIdleBackendConnections requires that connections to backends end after
// GATEWAY_BACKEND_IDLE_TIMEOUT without a request.
func TestIdleBackendConnections(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, transport, protocol string }{
		{"lean", "lean", "auto"}, {"standard", "standard", "auto"}, {"h2c", "lean", "h2c"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var open atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") }))
			server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				switch state {
				case http.StateNew:
					open.Add(1)
				case http.StateClosed:
					open.Add(-1)
				}
			}
			server.Config.Protocols = new(http.Protocols)
			server.Config.Protocols.SetHTTP1(c.protocol == "auto")
			server.Config.Protocols.SetUnencryptedHTTP2(c.protocol == "h2c")
			server.Start()
			t.Cleanup(server.Close)
			gateway := start(t, testkit.TempFile(t, "routes.yaml", `
users: off
routes:
  - {name: open, prefix: /, backend: '`+server.URL+`', auth: none, protocol: `+c.protocol+`}
`), map[string]string{"GATEWAY_BACKEND_IDLE_TIMEOUT": "1s", "GATEWAY_TRANSPORT": c.transport})
			if a := do(t, request{url: gateway.url + "/"}); a.body != "fine" {
				t.Fatalf("%d %q", a.status, a.body)
			}
			testkit.Eventually(t, "the idle connection ends", func() bool { return open.Load() == 0 })
		})
	}
}

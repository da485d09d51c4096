package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"gatehouse/internal/testkit"
)

// balanced is the real binary behind load balancers on loopback that send PROXY headers.
type balanced struct {
	*process
	table   string
	address string
	roots   *x509.CertPool // nil without TLS
}

// proxyTable is a table whose peers of the list send PROXY headers.
func proxyTable(peers, backend string) string {
	return `
users: off
proxy_protocol: [` + peers + `]
addresses: {balancers: [127.0.0.0/8]}
routes:
  - {name: open, prefix: /open, backend: '` + backend + `', auth: none}
  - {name: office, prefix: /office, backend: '` + backend + `', auth: none, allow_from: [192.0.2.0/24]}
`
}

func startBalanced(t *testing.T, overTLS bool, peers string, settings map[string]string) *balanced {
	t.Helper()
	b := &balanced{table: testkit.TempFile(t, "routes.yaml", proxyTable(peers, forwardedBackend(t)))}
	all := map[string]string{}
	maps.Copy(all, settings)
	if overTLS {
		all["GATEWAY_TLS_CERT_FILE"], all["GATEWAY_TLS_KEY_FILE"], b.roots = selfSigned(t)
	}
	b.process = startProcess(t, b.table, all)
	b.address = strings.TrimPrefix(b.url, "http://")
	return b
}

// client returns a client of one request for each connection, behind a balancer. h2 is
// whether it uses HTTP/2.
func (b *balanced) client(t *testing.T, address, header string, h2 bool) *http.Client {
	t.Helper()
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	transport := &http.Transport{Protocols: new(http.Protocols), DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			_, err = io.WriteString(conn, header)
		}
		return conn, err
	}}
	transport.Protocols.SetHTTP1(!h2)
	transport.Protocols.SetHTTP2(h2)
	transport.Protocols.SetUnencryptedHTTP2(h2 && b.roots == nil)
	if b.roots != nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: b.roots, ServerName: "127.0.0.1"}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 2 * testkit.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// get returns the status and the body of an answer.
func (b *balanced) get(t *testing.T, client *http.Client, path string) string {
	t.Helper()
	scheme := "http://"
	if b.roots != nil {
		scheme = "https://"
	}
	res, err := client.Get(scheme + b.address + path)
	if err != nil {
		return "error"
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return fmt.Sprint(res.Proto, " ", res.StatusCode, " ", string(body))
}

func headerOf(t *testing.T, version byte, client string) string {
	t.Helper()
	source := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(client))
	header, err := proxyproto.HeaderProxyFromAddrs(version, source, net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddrPort(client).Addr(), 443))).Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(header)
}

// TestProxyProtocolEverywhere sends headers of both versions in front of every protocol.
func TestProxyProtocolEverywhere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		transport string
		tls, h2   bool
	}{
		"lean": {"lean", false, false}, "standard": {"standard", false, false}, "TLS": {"lean", true, false},
		"HTTP/2 over TLS": {"lean", true, true}, "HTTP/2": {"lean", false, true}, "HTTP/2, standard": {"standard", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBalanced(t, c.tls, "balancers", map[string]string{"GATEWAY_TRANSPORT": c.transport})
			proto := map[bool]string{false: "HTTP/1.1 ", true: "HTTP/2.0 "}[c.h2]
			for _, version := range []byte{1, 2} {
				client := b.client(t, b.address, headerOf(t, version, "192.0.2.7:1234"), c.h2)
				for range 2 { // both over one connection
					if got := b.get(t, client, "/office"); got != proto+`200 for ["192.0.2.7"]` {
						t.Errorf("version %d: %s", version, got)
					}
				}
				six := b.client(t, b.address, headerOf(t, version, "[2001:db8::7]:1234"), c.h2)
				if got := b.get(t, six, "/open"); got != proto+`200 for ["2001:db8::7"]` {
					t.Errorf("version %d, IPv6: %s", version, got)
				}
				if got := b.get(t, six, "/office"); !strings.HasPrefix(got, proto+"403 ") {
					t.Errorf("version %d, from another network: %s", version, got)
				}
			}
			local := b.client(t, b.address, string(proxyproto.SIGV2)+"\x20\x00\x00\x00", c.h2)
			if got := b.get(t, local, "/open"); got != proto+`200 for ["127.0.0.1"]` {
				t.Errorf("a health check: %s", got)
			}
			if got := b.get(t, b.client(t, b.address, "", c.h2), "/open"); got != "error" {
				t.Errorf("without a header: %s", got)
			}
			for first := range byte(2) {
				for second := range byte(2) {
					twice := headerOf(t, first+1, "192.0.2.7:1") + headerOf(t, second+1, "192.0.2.8:1")
					if got := b.get(t, b.client(t, b.address, twice, c.h2), "/open"); strings.Contains(got, " 200 ") {
						t.Errorf("version %d after %d: %s", second+1, first+1, got)
					}
				}
			}
			b.log.Await(t, `"client_ip":"192.0.2.7"`)
			if strings.Contains(b.log.String(), "192.0.2.8") {
				t.Errorf("the second header counts:\n%s", b.log)
			}
		})
	}
}

// TestProxyProtocolOfStrangers sends headers from peers that are not in the list. Their
// connections have no other address than their own. Then the list is changed.
func TestProxyProtocolOfStrangers(t *testing.T) {
	t.Parallel()
	for _, overTLS := range []bool{false, true} {
		b := startBalanced(t, overTLS, "192.0.2.99", nil)
		without := b.client(t, b.address, "", false)
		for _, version := range []byte{1, 2} {
			if got := b.get(t, b.client(t, b.address, headerOf(t, version, "192.0.2.7:1"), false), "/office"); strings.Contains(got, " 200 ") {
				t.Errorf("version %d: %s", version, got)
			}
		}
		if got := b.get(t, without, "/open"); got != `HTTP/1.1 200 for ["127.0.0.1"]` {
			t.Errorf("without a header: %s", got)
		}
		if strings.Contains(b.log.String(), "192.0.2.7") {
			t.Errorf("a stranger's header counts:\n%s", b.log)
		}
		old := string(testkit.ReadFile(t, b.table))
		testkit.ReplaceFile(t, b.table, strings.Replace(old, "192.0.2.99", "127.0.0.1", 1))
		b.log.Await(t, "route table reloaded")
		if got := b.get(t, b.client(t, b.address, headerOf(t, 2, "192.0.2.7:1"), false), "/office"); got != `HTTP/1.1 200 for ["192.0.2.7"]` {
			t.Errorf("after a reload: %s", got)
		}
		if got := b.get(t, without, "/open"); got != `HTTP/1.1 200 for ["127.0.0.1"]` {
			t.Errorf("an old connection after a reload: %s", got)
		}
		if got := b.get(t, b.client(t, b.address, "", false), "/open"); got != "error" {
			t.Errorf("without a header after a reload: %s", got)
		}
	}
}

// TestProxyProtocolOfUnixSockets reads headers from a balancer on the same machine, and from
// no other one.
func TestProxyProtocolOfUnixSockets(t *testing.T) {
	t.Parallel()
	path, address := socketPath(t), testkit.FreeAddress(t)
	for _, overTLS := range []bool{false, true} {
		b := startBalanced(t, overTLS, "unix", map[string]string{"GATEWAY_LISTEN": "unix:" + path + " " + address})
		b.address = address // for the URLs
		for _, version := range []byte{1, 2} {
			header := headerOf(t, version, "192.0.2.7:1")
			if got := b.get(t, b.client(t, path, header, false), "/office"); got != `HTTP/1.1 200 for ["192.0.2.7"]` {
				t.Errorf("version %d: %s", version, got)
			}
			if got := b.get(t, b.client(t, address, header, false), "/office"); strings.Contains(got, " 200 ") {
				t.Errorf("version %d, over TCP: %s", version, got)
			}
		}
		if got := b.get(t, b.client(t, path, string(proxyproto.SIGV2)+"\x20\x00\x00\x00", false), "/open"); got != "HTTP/1.1 200 for []" {
			t.Errorf("a health check: %s", got)
		}
		if got := b.get(t, b.client(t, path, "", false), "/open"); got != "error" {
			t.Errorf("without a header: %s", got)
		}
		if got := b.get(t, b.client(t, address, "", false), "/open"); got != `HTTP/1.1 200 for ["127.0.0.1"]` {
			t.Errorf("without a header over TCP: %s", got)
		}
		_ = b.cmd.Process.Kill()
		_ = b.cmd.Wait()
	}
}

// TestProxyProtocolIsSlow uses balancers that send hardly anything. None may stay
// connected, and another client does not wait for them.
func TestProxyProtocolIsSlow(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"lean", "standard"} {
		b := startBalanced(t, false, "balancers", map[string]string{"GATEWAY_TRANSPORT": transport})
		for _, begin := range []string{"", "P", "PROXY TCP4 ", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c", headerOf(t, 2, "192.0.2.7:1")} {
			t.Run(fmt.Sprintf("%s %q", transport, begin), func(t *testing.T) {
				t.Parallel()
				c := testkit.Dial(t, b.url)
				_ = c.Conn.SetDeadline(time.Now().Add(3*readHeaderTimeout + testkit.Timeout))
				c.Send(begin)
				if strings.HasPrefix(begin, "PROXY") {
					stop := make(chan struct{})
					defer close(stop)
					go sendSlowly(c.Conn, stop)
				}
				if got := b.get(t, b.client(t, b.address, headerOf(t, 1, "192.0.2.9:1"), false), "/open"); got != `HTTP/1.1 200 for ["192.0.2.9"]` {
					t.Errorf("another client: %s", got)
				}
				if rest := c.Rest(); strings.Contains(rest, " 200 ") { // fails at the deadline
					t.Errorf("answered %q", rest)
				}
			})
		}
	}
}

// TestProxyProtocolToTheRedirect sends a header to a listener that redirects to https, and
// without TLS to the port for TLS.
func TestProxyProtocolToTheRedirect(t *testing.T) {
	t.Parallel()
	redirect := testkit.FreeAddress(t)
	b := startBalanced(t, true, "balancers", map[string]string{"GATEWAY_REDIRECT_LISTEN": redirect})
	for _, address := range []string{redirect, b.address} {
		c := testkit.Dial(t, "http://"+address)
		c.Send(headerOf(t, 1, "192.0.2.7:1") + "GET /open HTTP/1.1\r\nHost: x\r\n\r\n")
		if res, _ := c.Receive(); res.StatusCode != http.StatusPermanentRedirect {
			t.Errorf("%s answers %d", address, res.StatusCode)
		}
	}
	b.log.Await(t, `"client_ip":"192.0.2.7"`)
}

// TestProxyProtocolOfNginx puts a real nginx in front, which passes TCP connections on.
func TestProxyProtocolOfNginx(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ tls, h2 bool }{"plain": {}, "TLS": {tls: true}, "HTTP/2 over TLS": {tls: true, h2: true}, "HTTP/2": {h2: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBalanced(t, c.tls, "127.0.0.1", nil)
			front := startStreamNginx(t, "proxy_pass "+b.address+"; proxy_protocol on; proxy_bind 127.0.0.1;")
			client := b.client(t, front, "", c.h2)
			if got := b.get(t, client, "/open"); !strings.HasSuffix(got, ` 200 for ["127.0.0.2"]`) {
				t.Errorf("through nginx: %s", got)
			}
		})
	}
}

// startStreamNginx runs a real nginx whose server of TCP connections has the lines. Its
// clients have the address 127.0.0.2. It returns nginx's address.
func startStreamNginx(t *testing.T, lines string) string {
	t.Helper()
	address, inner, folder := testkit.FreeAddress(t), testkit.FreeAddress(t), t.TempDir()
	file := testkit.TempFile(t, "nginx.conf", `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; master_process off; pid "`+filepath.Join(folder, "pid")+`"; error_log stderr error;
events {}
stream {
  server { listen `+address+`; proxy_pass `+inner+`; proxy_bind 127.0.0.2; }
  server { listen `+inner+`; `+lines+` }
}`)
	runNginx(t, folder, file, address)
	return address
}

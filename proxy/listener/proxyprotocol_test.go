package listener

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"gatehouse/internal/testkit"
)

// fromProxies are the options of a Listener whose peers on loopback send a PROXY header.
func fromProxies(limits Limits) Options {
	options := unlimited()
	limits.ProxyProtocol = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	options.Limits = func() (Limits, bool) { return limits, true }
	return options
}

// headerV2 is a header of version 2.
func headerV2(command proxyproto.ProtocolVersionAndCommand, family proxyproto.AddressFamilyAndProtocol, source, destination net.Addr, tlvs ...proxyproto.TLV) string {
	header := &proxyproto.Header{Version: 2, Command: command, TransportProtocol: family, SourceAddr: source, DestinationAddr: destination}
	if err := header.SetTLVs(tlvs); err != nil {
		panic(err)
	}
	bytes, err := header.Format()
	if err != nil {
		panic(err)
	}
	return string(bytes)
}

func tcp(address string) net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address))
}

// proxyHeaders are headers, each with the address of the client. It is "peer" when the
// connection keeps its own address, and "" when it must be closed.
func proxyHeaders() map[string][2]string {
	four, six := tcp("192.0.2.1:1"), tcp("[2001:db8::1]:2")
	v2 := headerV2(proxyproto.PROXY, proxyproto.TCPv4, four, four)
	return map[string][2]string{
		"v1, IPv4":                {"PROXY TCP4 192.0.2.1 192.0.2.9 1 443\r\n", "192.0.2.1:1"},
		"v1, IPv6":                {"PROXY TCP6 2001:db8::1 2001:db8::9 2 443\r\n", "[2001:db8::1]:2"},
		"v1, unknown":             {"PROXY UNKNOWN\r\n", "peer"},
		"v1, unknown with more":   {"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "peer"},
		"v2, IPv4":                {v2, "192.0.2.1:1"},
		"v2, IPv6":                {headerV2(proxyproto.PROXY, proxyproto.TCPv6, six, six), "[2001:db8::1]:2"},
		"v2, LOCAL":               {headerV2(proxyproto.LOCAL, proxyproto.UNSPEC, nil, nil), "peer"},
		"v2, LOCAL with address":  {headerV2(proxyproto.LOCAL, proxyproto.TCPv4, four, four), "peer"},
		"v2, TLVs":                {headerV2(proxyproto.PROXY, proxyproto.TCPv4, four, four, proxyproto.TLV{Type: proxyproto.PP2_TYPE_AUTHORITY, Value: []byte("example.com")}, proxyproto.TLV{Type: 0xEA, Value: make([]byte, 3000)}), "192.0.2.1:1"},
		"none":                    {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", ""},
		"TLS":                     {"\x16\x03\x01\x02\x00\x01\x00", ""},
		"v1, lower case":          {"proxy TCP4 192.0.2.1 192.0.2.9 1 443\r\n", ""},
		"v1, another word":        {"PROXYX TCP4 192.0.2.1 192.0.2.9 1 443\r\n", ""},
		"v1, no line end":         {"PROXY TCP4 192.0.2.1 192.0.2.9 1 443" + strings.Repeat(" ", 100), ""},
		"v1, over-long":           {"PROXY UNKNOWN " + strings.Repeat("x", 100) + "\r\n", ""},
		"v1, no CR":               {"PROXY TCP4 192.0.2.1 192.0.2.9 1 443\n", ""},
		"v1, no address":          {"PROXY TCP4\r\n", ""},
		"v1, IPv6 as IPv4":        {"PROXY TCP4 2001:db8::1 2001:db8::9 1 443\r\n", ""},
		"v1, unknown family":      {"PROXY UDP4 192.0.2.1 192.0.2.9 1 443\r\n", ""},
		"v1, port":                {"PROXY TCP4 192.0.2.1 192.0.2.9 65536 443\r\n", ""},
		"v1, more":                {"PROXY TCP4 192.0.2.1 192.0.2.9 1 443 9\r\n", ""},
		"v1, a name":              {"PROXY TCP4 localhost 192.0.2.9 1 443\r\n", ""},
		"v2, unix":                {headerV2(proxyproto.PROXY, proxyproto.UnixStream, &net.UnixAddr{Net: "unix", Name: "/a"}, &net.UnixAddr{Net: "unix", Name: "/b"}), ""},
		"v2, UDP":                 {v2[:13] + "\x12" + v2[14:], ""},
		"v2, unknown family":      {v2[:13] + "\x51" + v2[14:], ""},
		"v2, unspecified":         {v2[:13] + "\x00" + v2[14:], ""},
		"v2, unknown command":     {v2[:12] + "\x22" + v2[13:], ""},
		"v2, version 3":           {v2[:12] + "\x31" + v2[13:], ""},
		"v2, too short":           {v2[:14] + "\x00\x04" + v2[16:20], ""},
		"v2, over-long":           {v2[:14] + "\xff\xff" + strings.Repeat("\x00", 1<<16), ""},
		"v2, broken signature":    {v2[:11] + "X" + v2[12:], ""},
		"v1 with the end of a v2": {"PROXY\r\n\x00\r\nQUIT\n", ""},
	}
}

// TestProxyProtocol sends each header at once, byte by byte, and with what follows it.
func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	const rest = "GET / HTTP/1.1\r\n\r\n"
	for name, c := range proxyHeaders() {
		for _, slowly := range []bool{false, true} {
			if slowly && len(c[0]) > 1000 {
				continue
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				l := newListener(testkit.Listen(t), fromProxies(Limits{}))
				accepted := l.Begun()
				t.Cleanup(func() { _ = accepted.Close() })
				peer, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer peer.Close()
				go func() {
					if !slowly {
						_, _ = io.WriteString(peer, c[0]+rest)
						return
					}
					for _, b := range []byte(c[0]) {
						_, _ = peer.Write([]byte{b})
					}
					_, _ = io.WriteString(peer, rest)
				}()
				want := c[1]
				if want == "" {
					_ = peer.SetReadDeadline(time.Now().Add(testkit.Timeout))
					if n, err := peer.Read(make([]byte, 1)); n > 0 || errors.Is(err, errTimeout(err)) {
						t.Errorf("read %d bytes, %v", n, err)
					}
					testkit.Eventually(t, "the refusal is counted", func() bool { return l.Refused()[len(RefusalReasons)-1] == 1 && l.Open() == 0 })
					return
				}
				conn, err := accepted.Accept()
				if err != nil {
					t.Fatal(err)
				}
				if want == "peer" {
					want = peer.LocalAddr().String()
				}
				if got := conn.RemoteAddr().String(); got != want {
					t.Errorf("the remote address is %s, want %s", got, want)
				}
				got := make([]byte, len(rest))
				if _, err := io.ReadFull(conn, got); err != nil || string(got) != rest {
					t.Errorf("then come %q, %v", got, err)
				}
				if _, phase, _ := conn.(*Conn).phase.get(); phase != phaseBusy {
					t.Errorf("the phase is %d", phase)
				}
				_ = conn.Close()
				if l.Open() != 0 {
					t.Errorf("%d are open", l.Open())
				}
			})
		}
	}
}

// errTimeout returns err if it is a timeout, and another error otherwise.
func errTimeout(err error) error {
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return err
	}
	return io.ErrNoProgress
}

// TestProxyProtocolLimits counts connections for the clients that a proxy names.
func TestProxyProtocolLimits(t *testing.T) {
	t.Parallel()
	l := newListener(testkit.Listen(t), fromProxies(Limits{PerClient: 1, Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}))
	accepted := l.Begun()
	defer accepted.Close()
	dial := func(client string) net.Conn {
		t.Helper()
		peer, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { peer.Close() })
		_, _ = io.WriteString(peer, "PROXY TCP4 "+client+" 192.0.2.9 1 443\r\n")
		return peer
	}
	accept := func(client string) net.Conn {
		t.Helper()
		dial(client)
		conn, err := accepted.Accept()
		if err != nil || !strings.HasPrefix(conn.RemoteAddr().String(), client+":") {
			t.Fatalf("%s is not accepted: %v", client, err)
		}
		return conn
	}
	first := accept("192.0.2.1")
	accept("192.0.2.2")
	accept("10.0.0.1")
	accept("10.0.0.1") // a proxy of another kind, behind the first one
	if _, err := dial("192.0.2.1").Read(make([]byte, 1)); err == nil {
		t.Error("the client's second connection is open")
	}
	if got := l.Refused()[1]; got != 1 {
		t.Errorf("%d are refused", got)
	}
	_ = first.Close()
	accept("192.0.2.1")
}

// TestProxyProtocolChecks opens connections and says nothing, as balancers do to see
// whether a port is open. Some of them end with a reset.
func TestProxyProtocolChecks(t *testing.T) {
	t.Parallel()
	l := newListener(testkit.Listen(t), fromProxies(Limits{}))
	accepted := l.Begun()
	defer accepted.Close()
	for i := range 4 {
		peer, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 1 {
			_ = peer.(*net.TCPConn).SetLinger(0)
		}
		peer.Close()
	}
	testkit.Eventually(t, "the connections are gone", func() bool { return l.accepted.Load() == 4 && l.Open() == 0 })
	if got := l.Refused()[len(RefusalReasons)-1]; got != 0 {
		t.Errorf("%d are refused", got)
	}
}

// TestProxyProtocolDrain drains a listener while the headers of proxies are read. They are
// not refused: the listener has closed them.
func TestProxyProtocolDrain(t *testing.T) {
	t.Parallel()
	l := newListener(testkit.Listen(t), fromProxies(Limits{}))
	accepted := l.Begun()
	defer accepted.Close()
	for _, begin := range []string{"", "PROXY TCP4 "} {
		peer, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { peer.Close() })
		_, _ = io.WriteString(peer, begin)
	}
	testkit.Eventually(t, "both are open", func() bool { return l.Open() == 2 })
	if err := l.Drain(testkit.Context(t)); err != nil {
		t.Error(err)
	}
	if got := l.Refused()[len(RefusalReasons)-1]; got != 0 || l.Open() != 0 {
		t.Errorf("%d are refused, %d are open", got, l.Open())
	}
}

// FuzzProxyHeader compares what is read with the library, and where the header ends.
func FuzzProxyHeader(f *testing.F) {
	for _, c := range proxyHeaders() {
		f.Add([]byte(c[0]))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		whole := 0
		for n := range len(data) + 1 { // as it arrives, byte by byte
			size, err := proxyHeaderSize(data[:n])
			if err != nil {
				return
			}
			if size > n && size > fixedProxyV2+maxProxyV2 {
				t.Fatalf("waits for %d bytes", size)
			}
			if size > 0 && size <= n {
				whole = size
				break
			}
		}
		if whole == 0 {
			return
		}
		if size, err := proxyHeaderSize(data); err != nil || size != whole {
			t.Fatalf("the size is %d, %v; it was %d", size, err, whole)
		}
		got, err := parseProxyHeader(data[:whole])
		if err != nil {
			return
		}
		reader := bufio.NewReaderSize(bytes.NewReader(data), len(data)+16)
		header, err := proxyproto.Read(reader)
		if err != nil || len(data)-reader.Buffered() != whole {
			t.Fatalf("the library: %v, it read %d bytes of %d", err, len(data)-reader.Buffered(), whole)
		}
		if got != nil && got.String() != header.SourceAddr.String() {
			t.Fatalf("%v, the library %v", got, header.SourceAddr)
		}
		if got != nil {
			_ = netip.MustParseAddrPort(got.String())
		}
	})
}

// bytesConn is a connection from loopback that has some bytes, of which each Read returns
// at most a few.
type bytesConn struct {
	net.Conn
	data []byte
	step int
}

func (c *bytesConn) Read(p []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.step)], c.data)
	c.data = c.data[n:]
	return n, nil
}

func (*bytesConn) RemoteAddr() net.Addr            { return tcp("127.0.0.1:1") }
func (*bytesConn) SetReadDeadline(time.Time) error { return nil }
func (*bytesConn) Close() error                    { return nil }

// FuzzBegin begins a connection with any bytes. Either it is refused, or what follows the
// header is read as it was sent. Nothing stays counted.
func FuzzBegin(f *testing.F) {
	for _, c := range proxyHeaders() {
		f.Add([]byte(c[0]+"GET / HTTP/1.1\r\n\r\n"), uint8(7))
	}
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		l := newListener(nil, fromProxies(Limits{PerClient: 1}))
		for round := range int64(2) { // a client that stays counted would be refused the second time
			conn := l.admit(&bytesConn{data: data, step: int(step) + 1}).(*Conn)
			err := conn.Begin()
			if err == nil {
				checkBegun(t, conn, data)
			}
			want := map[bool]int64{true: round + 1}[err != nil && len(data) > 0]
			if refused := l.Refused(); refused[len(RefusalReasons)-1] != want || refused[1] != 0 {
				t.Errorf("%v are refused, want %d: %v", refused, want, err)
			}
			if err := conn.Close(); err != nil || l.Open() != 0 {
				t.Errorf("%d are open, %v", l.Open(), err)
			}
		}
	})
}

func checkBegun(t *testing.T, conn *Conn, data []byte) {
	size, err := proxyHeaderSize(data)
	if rest, _ := io.ReadAll(conn); err != nil || size == 0 || size > len(data) || !bytes.Equal(rest, data[size:]) {
		t.Errorf("after a header of %d bytes, %v, it reads %q", size, err, rest)
	}
	if address, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err != nil || address.Addr().Zone() != "" {
		t.Errorf("the remote address is %v", conn.RemoteAddr())
	}
}

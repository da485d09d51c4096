package proxy

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/proxy/clientip"
)

// forwardedRow is a row of testdata/forwarded.tsv.
type forwardedRow struct {
	name, value, want string
	logged            bool
}

func forwardedRows(t testing.TB) []forwardedRow {
	t.Helper()
	text, err := os.ReadFile("testdata/forwarded.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var rows []forwardedRow
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		rows = append(rows, forwardedRow{columns[0], columns[1], columns[2], len(columns) > 3})
	}
	return rows
}

var tenNet = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}

// TestForwardedFormats reads what proxies write. cmd/gatehouse has the same rows
// for the program.
func TestForwardedFormats(t *testing.T) {
	t.Parallel()
	for _, row := range forwardedRows(t) {
		k := newKit(t, openTable, "http://127.0.0.1:9")
		r := &http.Request{RemoteAddr: "10.0.0.5:1", Host: "gate.example.com", Header: http.Header{row.name: {row.value}}}
		x := &exchange{gateway: k.gateway, caller: findCaller(clientip.PeerAt(r.RemoteAddr), r, tenNet)}
		if x.caller.unreadable {
			x.logUnreadableList(r)
		}
		sent := http.Header{}
		x.forwarded(r, func(name string, values []string) { sent[name] = values })
		got := strings.Join(sent[row.name], "|")
		if row.name == "X-Forwarded-For" || row.name == "Forwarded" {
			got = x.caller.ip.String()
		}
		if want := strings.ReplaceAll(row.want, "proxy", "10.0.0.5"); got != want {
			t.Errorf("%s: %s: %q, want %q", row.name, row.value, got, want)
		}
		if lines := len(k.log.lines); lines > 1 || (lines == 1) != row.logged {
			t.Errorf("%s: %s: %d lines in the log", row.name, row.value, lines)
		}
	}
}

// TestForwardedByHops has a client send what only a proxy may, and proxies append to it.
func TestForwardedByHops(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		addresses, schemes, hosts []string
		scheme, host              string
	}{
		{[]string{"6.6.6.6, 203.0.113.7"}, []string{"https, http"}, []string{"evil.example.com, shop.example.com"}, "http", "shop.example.com"},
		{[]string{"6.6.6.6", "203.0.113.7"}, []string{"https", "http"}, []string{"evil.example.com", "shop.example.com"}, "http", "shop.example.com"},
		{[]string{"6.6.6.6, 203.0.113.7, 10.0.0.9"}, []string{"http, https, http"}, []string{"evil.example.com, shop.example.com, inner"}, "https", "shop.example.com"},
		{[]string{"203.0.113.7"}, []string{"https, http"}, nil, "https", "gate"},
		{[]string{"203.0.113.7"}, []string{"https", "http"}, nil, "https", "gate"},
		{[]string{"203.0.113.7, 10.0.0.9"}, []string{"WSS, http, http"}, nil, "https", "gate"},
		{[]string{"203.0.113.7, 10.0.0.9, 10.0.0.8"}, []string{"https, http"}, nil, "https", "gate"},
		{[]string{"6.6.6.6, 203.0.113.7"}, []string{"http, https, http"}, nil, "http", "gate"},
		{[]string{"203.0.113.7, 10.0.0.9"}, []string{"https"}, []string{"shop.example.com"}, "https", "shop.example.com"},
		{[]string{"203.0.113.7"}, nil, nil, "http", "gate"},
		{[]string{"203.0.113.7"}, []string{"", " ,"}, []string{""}, "http", "gate"},
		{[]string{"unknown"}, []string{"https, http"}, nil, "http", "gate"},
		{[]string{"unknown, 10.0.0.9"}, []string{"http, https, http"}, nil, "https", "gate"},
	} {
		r := &http.Request{RemoteAddr: "10.0.0.5:1", Host: "gate", Header: http.Header{
			"X-Forwarded-For": tt.addresses, "X-Forwarded-Proto": tt.schemes, "X-Forwarded-Host": tt.hosts,
		}}
		for who, trusted := range map[string][]netip.Prefix{"trusted": tenNet, "untrusted": nil} {
			scheme, host := tt.scheme, tt.host
			if trusted == nil {
				scheme, host = "http", "gate"
			}
			x := &exchange{caller: findCaller(clientip.PeerAt(r.RemoteAddr), r, trusted)}
			if gotScheme, gotHost := x.scheme(r), x.host(r); gotScheme != scheme || gotHost != host {
				t.Errorf("%s, %q, %q, %q: %q and %q, want %q and %q", who, tt.addresses, tt.schemes, tt.hosts, gotScheme, gotHost, scheme, host)
			}
		}
	}
}

// TestForwardedListIsClean wants no empty entries before the proxy's own.
func TestForwardedListIsClean(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"": "10.0.0.5", " , ": "10.0.0.5", "203.0.113.7,": "203.0.113.7, 10.0.0.5", "203.0.113.7:1 ,\t": "203.0.113.7:1, 10.0.0.5",
	} {
		r := &http.Request{RemoteAddr: "10.0.0.5:1", Header: http.Header{"X-Forwarded-For": {sent}}}
		x := &exchange{caller: findCaller(clientip.PeerAt(r.RemoteAddr), r, tenNet)}
		x.forwarded(r, func(name string, values []string) {
			if name == "X-Forwarded-For" && !slices.Equal(values, []string{want}) {
				t.Errorf("%q: %q, want %q", sent, values, want)
			}
		})
	}
}

// TestUnreadHeadersAreBounded has the log told once a minute, and no more often
// for many proxies.
func TestUnreadHeadersAreBounded(t *testing.T) {
	t.Parallel()
	var unread unreadableHeaders
	now := time.Now()
	count := func(at time.Time, proxies int) (lines int) {
		for i := range proxies {
			for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto"} {
				if unread.isDue(unreadableHeader{netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), name}, at) {
					lines++
				}
			}
		}
		return lines
	}
	for i, want := range []struct {
		after   time.Duration
		proxies int
		lines   int
	}{
		{0, 1, 2},
		{0, 1, 0},
		{unreadableInterval - 1, 1, 0},
		{unreadableInterval, 1, 2},
		{2 * unreadableInterval, 1000, maxUnreadableLines},
		{2 * unreadableInterval, 1000, 0},
		{3 * unreadableInterval, 1000, maxUnreadableLines},
	} {
		if lines := count(now.Add(want.after), want.proxies); lines != want.lines || len(unread.logged) > maxUnreadableLines {
			t.Errorf("%d: %d lines, %d remembered; want %d lines", i, lines, len(unread.logged), want.lines)
		}
	}
}

// TestForwardedCostsNothing finds the caller, its scheme and its host without an allocation.
func TestForwardedCostsNothing(t *testing.T) {
	r := &http.Request{Host: "gate", Header: http.Header{
		"X-Forwarded-For": {"203.0.113.7:1, [2001:db8::1]:443, 10.0.0.9"}, "X-Forwarded-Proto": {"https, http"}, "X-Forwarded-Host": {"shop.example.com:8443"},
	}}
	from := clientip.PeerAt("10.0.0.5:1")
	x := new(exchange)
	if allocations := testing.AllocsPerRun(100, func() {
		x.caller = findCaller(from, r, tenNet)
		if x.caller.hops != 2 || x.scheme(r) != "https" || x.host(r) != "shop.example.com:8443" {
			t.Error("read otherwise")
		}
	}); allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

// FuzzForwardedFor has a client begin the list, and a trusted proxy append the
// client's address: that is the client, whatever the client wrote.
func FuzzForwardedFor(f *testing.F) {
	for _, begun := range []string{"", "1.1.1.1", `"`, "[", "unknown", ",", "10.0.0.9,", `"1.1.1.1, `, "\t:80", "%"} {
		f.Add(begun, "https")
	}
	client := netip.MustParseAddr("203.0.113.7")
	f.Fuzz(func(t *testing.T, begun, scheme string) {
		forged := cmp.Or(strings.Trim(strings.ReplaceAll(scheme, ",", ""), " \t"), "https")
		for _, own := range []string{"203.0.113.7", "203.0.113.7:54321", `"203.0.113.7"`, "::ffff:203.0.113.7", "[::ffff:203.0.113.7]:1", "203.0.113.7, 10.0.0.9:2", "203.0.113.7,"} {
			for _, lines := range [][]string{{begun + ", " + own}, {begun, own}} {
				// Who appends to both lists keeps them of one length.
				proxies := clientip.Count([]string{own})
				schemes := strings.Repeat(forged+", ", clientip.Count(lines)-proxies) + strings.Repeat("http, ", proxies)
				r := &http.Request{RemoteAddr: "10.0.0.5:1", Header: http.Header{
					"X-Forwarded-For": lines, "X-Forwarded-Proto": {schemes}, "X-Forwarded-Host": {begun + ",shop", "shop"},
				}}
				x := &exchange{caller: findCaller(clientip.PeerAt(r.RemoteAddr), r, tenNet)}
				if x.caller.ip != client || x.caller.unreadable || x.scheme(r) != "http" || x.host(r) != "shop" {
					t.Fatalf("%q: %+v, %s, %s", lines, x.caller, x.scheme(r), x.host(r))
				}
				r.RemoteAddr = "192.0.2.1:1"
				if c := findCaller(clientip.PeerAt(r.RemoteAddr), r, tenNet); c.ip.String() != "192.0.2.1" || c.trusted {
					t.Fatal(fmt.Sprint("untrusted: ", c))
				}
			}
		}
	})
}

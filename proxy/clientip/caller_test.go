package clientip

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// forwardedRow is a row of testdata/forwarded.tsv.
type forwardedRow struct {
	name, value, want string
	logged            bool
}

func forwardedRows(t testing.TB) []forwardedRow {
	t.Helper()
	text := testkit.ReadFile(t, "testdata/forwarded.tsv")
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

// TestForwardedFormats reads the headers that proxies write. cmd/gatehouse tests the
// program with the same rows.
func TestForwardedFormats(t *testing.T) {
	t.Parallel()
	for _, row := range forwardedRows(t) {
		r := &http.Request{RemoteAddr: "10.0.0.5:1", Host: "gate.example.com", Header: http.Header{row.name: {row.value}}}
		c := Find(PeerAt(r.RemoteAddr), r, tenNet)
		var unread []string
		if list := c.UnreadList(r); list != "" {
			unread = append(unread, list)
		}
		scheme, readable := c.Scheme(r)
		if !readable {
			unread = append(unread, "X-Forwarded-Proto")
		}
		host, readable := c.Host(r)
		if !readable {
			unread = append(unread, "X-Forwarded-Host")
		}
		got := map[string]string{
			"X-Forwarded-For": c.IP.String(), "Forwarded": c.IP.String(), "X-Forwarded-Proto": scheme, "X-Forwarded-Host": host,
		}[row.name]
		if want := strings.ReplaceAll(row.want, "proxy", "10.0.0.5"); got != want {
			t.Errorf("%s: %s: %q, want %q", row.name, row.value, got, want)
		}
		if len(unread) > 1 || (len(unread) == 1) != row.logged {
			t.Errorf("%s: %s: %q were not read", row.name, row.value, unread)
		}
	}
}

// TestForwardedByHops sends headers that only a proxy may send, and proxies append to
// them.
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
			c := Find(PeerAt(r.RemoteAddr), r, trusted)
			gotScheme, _ := c.Scheme(r)
			if gotHost, _ := c.Host(r); gotScheme != scheme || gotHost != host {
				t.Errorf("%s, %q, %q, %q: %q and %q, want %q and %q", who, tt.addresses, tt.schemes, tt.hosts, gotScheme, gotHost, scheme, host)
			}
		}
	}
}

// TestForwardedListIsClean checks that no empty entries come before that of the proxy.
func TestForwardedListIsClean(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"": "10.0.0.5", " , ": "10.0.0.5", "203.0.113.7,": "203.0.113.7, 10.0.0.5", "203.0.113.7:1 ,\t": "203.0.113.7:1, 10.0.0.5",
	} {
		r := &http.Request{RemoteAddr: "10.0.0.5:1", Header: http.Header{"X-Forwarded-For": {sent}}}
		c := Find(PeerAt(r.RemoteAddr), r, tenNet)
		if got := c.Addresses(r); got != want {
			t.Errorf("%q: %q, want %q", sent, got, want)
		}
	}
}

// TestUnreadHeadersAreBounded checks that a header is logged once a minute, and that many
// proxies do not make more lines than the limit.
func TestUnreadHeadersAreBounded(t *testing.T) {
	t.Parallel()
	var unread UnreadableLog
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

// TestForwardedCostsNothing checks that finding the caller, its scheme and its host does
// not allocate.
func TestForwardedCostsNothing(t *testing.T) {
	r := &http.Request{Host: "gate", Header: http.Header{
		"X-Forwarded-For": {"203.0.113.7:1, [2001:db8::1]:443, 10.0.0.9"}, "X-Forwarded-Proto": {"https, http"}, "X-Forwarded-Host": {"shop.example.com:8443"},
	}}
	from := PeerAt("10.0.0.5:1")
	if allocations := testing.AllocsPerRun(100, func() {
		c := Find(from, r, tenNet)
		scheme, _ := c.Scheme(r)
		if host, _ := c.Host(r); c.hops != 2 || scheme != "https" || host != "shop.example.com:8443" {
			t.Error("read otherwise")
		}
	}); allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

// FuzzForwardedFor begins the list as a client does. A trusted proxy appends the client's
// address. That address must be the caller, whatever the client wrote.
func FuzzForwardedFor(f *testing.F) {
	for _, begun := range []string{"", "1.1.1.1", `"`, "[", "unknown", ",", "10.0.0.9,", `"1.1.1.1, `, "\t:80", "%"} {
		f.Add(begun, "https")
	}
	client := netip.MustParseAddr("203.0.113.7")
	f.Fuzz(func(t *testing.T, begun, scheme string) {
		forged := cmp.Or(strings.Trim(strings.ReplaceAll(scheme, ",", ""), " \t"), "https")
		for _, own := range []string{"203.0.113.7", "203.0.113.7:54321", `"203.0.113.7"`, "::ffff:203.0.113.7", "[::ffff:203.0.113.7]:1", "203.0.113.7, 10.0.0.9:2", "203.0.113.7,"} {
			for _, lines := range [][]string{{begun + ", " + own}, {begun, own}} {
				// A proxy that appends to both lists keeps their lengths equal.
				proxies := Count([]string{own})
				schemes := strings.Repeat(forged+", ", Count(lines)-proxies) + strings.Repeat("http, ", proxies)
				r := &http.Request{RemoteAddr: "10.0.0.5:1", Header: http.Header{
					"X-Forwarded-For": lines, "X-Forwarded-Proto": {schemes}, "X-Forwarded-Host": {begun + ",shop", "shop"},
				}}
				c := Find(PeerAt(r.RemoteAddr), r, tenNet)
				scheme, _ := c.Scheme(r)
				if host, _ := c.Host(r); c.IP != client || c.Unreadable || scheme != "http" || host != "shop" {
					t.Fatalf("%q: %+v, %s, %s", lines, c, scheme, host)
				}
				r.RemoteAddr = "192.0.2.1:1"
				if c := Find(PeerAt(r.RemoteAddr), r, tenNet); c.IP.String() != "192.0.2.1" || c.Trusted {
					t.Fatal(fmt.Sprint("untrusted: ", c))
				}
			}
		}
	})
}

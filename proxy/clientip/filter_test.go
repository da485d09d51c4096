package clientip

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"gatehouse/config"
)

// filterOf returns the filter of a route with these keys.
func filterOf(t testing.TB, keys string) *Filter {
	t.Helper()
	table, err := config.Parse("routes.yaml", []byte("routes: [{name: a, prefix: /, backend: 'http://b'"+keys+"}]\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return NewFilter(&table.Routes[0])
}

func TestNoFilter(t *testing.T) {
	t.Parallel()
	if filterOf(t, "") != nil {
		t.Error("a route without addresses has a filter")
	}
}

// FuzzFilter compares a filter with a search through its networks.
func FuzzFilter(f *testing.F) {
	for _, address := range []string{"10.0.0.0", "10.255.255.255", "11.0.0.0", "9.255.255.255", "10.1.2.3", "::1", "::ffff:10.1.2.3", "2001:db8::1", "0.0.0.0", "::"} {
		f.Add(address, uint8(3))
	}
	networks := []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("10.1.2.3/32"),
		netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/1"),
	}
	filters := map[uint8]*Filter{}
	pick := func(bits uint8, from []netip.Prefix) (picked []netip.Prefix) {
		for i, network := range from {
			if bits&(1<<i) != 0 {
				picked = append(picked, network)
			}
		}
		return picked
	}
	list := func(key string, networks []netip.Prefix) string {
		if len(networks) == 0 {
			return ""
		}
		return fmt.Sprintf(", %s: ['%s']", key, strings.Join(strings.Fields(strings.Trim(fmt.Sprint(networks), "[]")), "', '"))
	}
	f.Fuzz(func(t *testing.T, address string, bits uint8) {
		ip, err := netip.ParseAddr(address)
		if err != nil {
			return
		}
		ip = ip.Unmap().WithZone("") // as every Caller
		allow, deny := pick(bits&0x1f, networks), pick(bits>>5, networks[2:])
		if filters[bits] == nil {
			if filters[bits] = filterOf(t, list("allow_from", allow)+list("deny_from", deny)); filters[bits] == nil {
				return
			}
		}
		want := FilterAllowed
		switch {
		case Contains(deny, ip):
			want = FilterDenied
		case len(allow) > 0 && !Contains(allow, ip):
			want = FilterNotListed
		}
		for unreadable, want := range map[bool]FilterResult{false: want, true: FilterUnknown} {
			if got := filters[bits].Check(&Caller{IP: ip, Unreadable: unreadable}); got != want {
				t.Errorf("%s, allow %v, deny %v: %d, want %d", ip, allow, deny, got, want)
			}
		}
		if got := filters[bits].Check(new(Caller)); got != FilterUnknown {
			t.Errorf("no address: %d", got)
		}
	})
}

// BenchmarkFilter checks an address against a thousand networks.
func BenchmarkFilter(b *testing.B) {
	var networks []string
	for i := range 1000 {
		networks = append(networks, fmt.Sprintf("10.%d.%d.0/24", i/250, i%250))
	}
	filter := filterOf(b, ", allow_from: ["+strings.Join(networks, ", ")+"]")
	caller := &Caller{IP: netip.MustParseAddr("10.2.100.7")}
	b.ReportAllocs()
	for b.Loop() {
		if filter.Check(caller) != FilterAllowed {
			b.Fatal("refused")
		}
	}
}

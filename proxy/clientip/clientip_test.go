package clientip

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestParseAddr(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"203.0.113.7":                  "203.0.113.7",
		" \t203.0.113.7\t ":            "203.0.113.7",
		"203.0.113.7:54321":            "203.0.113.7", // AWS with xff_client_port, Azure
		"203.0.113.7:0":                "203.0.113.7",
		`"203.0.113.7"`:                "203.0.113.7",
		`"203.0.113.7:1"`:              "203.0.113.7",
		"2001:db8::1":                  "2001:db8::1",
		"2001:DB8::1":                  "2001:db8::1",
		"[2001:db8::1]":                "2001:db8::1",
		"[2001:db8::1]:443":            "2001:db8::1",
		`"[2001:db8::1]:443"`:          "2001:db8::1",
		"2001:db8:1:2:3:4:5:6":         "2001:db8:1:2:3:4:5:6",
		"fe80::1%eth0":                 "fe80::1",
		"[fe80::1%25eth0]:80":          "fe80::1",
		"::ffff:203.0.113.7":           "203.0.113.7",
		"::ffff:cb00:7107":             "203.0.113.7",
		"[::ffff:203.0.113.7]:80":      "203.0.113.7",
		"unknown":                      "",
		"_hidden":                      "",
		"":                             "",
		`"`:                            "",
		`""`:                           "",
		`"203.0.113.7`:                 "",
		`203.0.113.7"`:                 "",
		`""203.0.113.7""`:              "",
		"203.0.113.7:":                 "",
		"203.0.113.7:65536":            "",
		"203.0.113.7:123456":           "",
		"203.0.113.7:http":             "",
		"203.0.113.7:-1":               "",
		"203.0.113.07":                 "",
		"203.0.113":                    "",
		"203.0.113.7 10.0.0.1":         "",
		"203.0.113.7%eth0":             "",
		"fe80::1%":                     "",
		"[203.0.113.7]":                "",
		"[203.0.113.7]:80":             "",
		"[2001:db8::1":                 "",
		"2001:db8::1]":                 "",
		"[2001:db8::1]443":             "",
		"[2001:db8::1]:":               "",
		"[]:80":                        "",
		"2001:db8:1:2:3:4:5:6:443":     "", // a port without brackets is ambiguous
		"unix:":                        "",
		"for=203.0.113.7":              "",
		"client.example.com":           "",
		strings.Repeat("1", 70000):     "",
		"203.0.113.7\x00":              "",
		"\u00a0203.0.113.7":            "",
		"2001:db8::1\u2003":            "",
		"https://203.0.113.7":          "",
		"203.0.113.7,203.0.113.8":      "",
		"203.0.113.7;proto=https;by=x": "",
	} {
		addr, ok := ParseAddr(entry)
		if got := addr.String(); ok != (want != "") || ok && got != want {
			t.Errorf("%.50q: %s, %v; want %q", entry, got, ok, want)
		}
	}
}

func TestParseScheme(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"http": "http", "https": "https", "HTTPS": "https", "Http": "http", "ws": "http", "wss": "https", "WSS": "https", `"https"`: "https", "\thttps ": "https",
		"": "", "gopher": "", "https:": "", "https://": "", "httpss": "", "on": "", "https, http": "",
	} {
		if got, ok := ParseScheme(entry); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v; want %q", entry, got, ok, want)
		}
	}
}

func TestBackward(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ lines, want []string }{
		{nil, nil},
		{[]string{""}, nil},
		{[]string{", ,\t,"}, nil},
		{[]string{"a"}, []string{"a"}},
		{[]string{"a, b\t,c"}, []string{"c", "b", "a"}},
		{[]string{",a,,b,"}, []string{"b", "a"}},
		{[]string{"a", "", "b, c", ","}, []string{"c", "b", "a"}},
	} {
		var got []string
		entries := Backward(tt.lines)
		for entry, ok := entries.Next(); ok; entry, ok = entries.Next() {
			got = append(got, entry)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.lines, got, tt.want)
		}
		slices.Reverse(got)
		for hops := range 5 {
			want := ""
			if len(got) > 0 {
				want = got[0]
			}
			if hops > 0 && hops < len(got) {
				want = got[len(got)-hops]
			}
			if at := At(tt.lines, hops); at != want {
				t.Errorf("%q behind %d: %q, want %q", tt.lines, hops, at, want)
			}
		}
	}
}

// TestNoAllocations parses entries that proxies usually write.
func TestNoAllocations(t *testing.T) {
	lines := []string{"2001:db8::1, [2001:db8::2]:443", `"203.0.113.7:54321", fe80::1%eth0,`}
	if allocations := testing.AllocsPerRun(100, func() {
		entries := Backward(lines)
		for entry, ok := entries.Next(); ok; entry, ok = entries.Next() {
			if _, ok := ParseAddr(entry); !ok {
				t.Error(entry)
			}
		}
		if _, ok := ParseScheme(At([]string{"HTTPS, http"}, 0)); !ok {
			t.Error("no scheme")
		}
	}); allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

// FuzzParseAddr checks that every parsed address is in canonical form, and that all
// spellings of it give the same address.
func FuzzParseAddr(f *testing.F) {
	for _, entry := range []string{"203.0.113.7:1", `"[2001:db8::1%x]:443"`, "::ffff:1.2.3.4", "unknown", `"`, "[", "%", ":", "1.2.3.4%", "[]:"} {
		f.Add(entry)
	}
	f.Fuzz(func(t *testing.T, entry string) {
		addr, ok := ParseAddr(entry)
		if !ok {
			if addr.IsValid() {
				t.Errorf("%q: %s, which is not meant", entry, addr)
			}
			return
		}
		if !addr.IsValid() || addr.Zone() != "" || addr.Is4In6() {
			t.Fatalf("%q: %s is not in its one form", entry, addr)
		}
		forms := []string{addr.String(), ` "` + addr.String() + "\"\t", netip.AddrPortFrom(addr, 443).String(), `"` + netip.AddrPortFrom(addr, 0).String() + `"`}
		if addr.Is6() {
			forms = append(forms, "["+addr.String()+"]", addr.String()+"%eth0")
		}
		for _, form := range forms {
			if again, ok := ParseAddr(form); !ok || again != addr {
				t.Errorf("%q of %q: %s, %v; want %s", form, entry, again, ok, addr)
			}
		}
	})
}

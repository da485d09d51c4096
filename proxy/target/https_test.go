package target

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/http/httpguts"
)

// FuzzHTTPSLocation reads the address as a client does: it leads to the host and the port,
// over https, and is one line.
func FuzzHTTPSLocation(f *testing.F) {
	for _, target := range []string{"/", "/a%2Fb?c=d", "//evil.example/", "/\\evil.example", "/@evil.example", "/?a?b#c", "/\r\nSet-Cookie: a=b", "/\xff%", "/é?é", "/a b"} {
		f.Add("example.com", "8443", target)
		f.Add("2001:db8::1", "", target)
	}
	f.Fuzz(func(t *testing.T, host, port, target string) {
		address, err := netip.ParseAddr(host)
		isName := host != "" && strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
		if !isName && (err != nil || address.Zone() != "") || strings.Trim(port, "0123456789") != "" || !strings.HasPrefix(target, "/") {
			t.Skip() // the caller has checked this
		}
		location := HTTPSLocation(host, port, target)
		read, err := url.Parse(location)
		if err != nil || read.Scheme != "https" || read.Hostname() != host || read.Port() != port || read.User != nil || read.Fragment != "" {
			t.Fatalf("%q of %q, port %q, leads to %q: %v", target, host, port, location, err)
		}
		if !httpguts.ValidHeaderFieldValue(location) || strings.ContainsAny(location, " \\\"<>#") {
			t.Fatalf("%q leads to %q", target, location)
		}
		if strings.Trim(target, pathAndQuery) == "" && location != "https://"+read.Host+target {
			t.Fatalf("%q leads to %q", target, location)
		}
	})
}

// pathAndQuery are the bytes that a path and a query may have (RFC 3986 sections 3.3 and
// 3.4), but for escapes.
const pathAndQuery = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@/?"

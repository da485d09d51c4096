package route

import "testing"

func TestHostName(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"":                    "",
		"example.com":         "example.com",
		"Example.COM":         "example.com",
		"example.com.":        "example.com",
		"example.com:8080":    "example.com",
		"example.com:":        "example.com",
		"my_service:80":       "my_service",
		"127.0.0.1:1":         "127.0.0.1",
		"[::1]":               "::1",
		"[::1]:443":           "::1",
		"[2001:DB8:0:0::1]:1": "2001:db8::1",
	} {
		if got, ok := HostName(host); !ok || got != want {
			t.Errorf("HostName(%q) = %q, %v, want %q", host, got, ok, want)
		}
	}
	for _, host := range []string{
		".", ":80", "a:b", "a:123456", "a:80:80", "::1", "[::1", "[::1]x", "[]", "[::1%25eth0]", "[example.com]", "[:::]", "[127.0.0.1]",
		"user@example.com", "example.com/", "exa mple.com", "a,b", "a\\b", "a%2eb", "\xff", "münchen.de", ".example.com", "a..b", "a..",
	} {
		if got, ok := HostName(host); ok {
			t.Errorf("HostName(%q) = %q, want it refused", host, got)
		}
	}
}

package route

import (
	"net/netip"
	"strings"
)

// HostName returns the host of a request without port and trailing dot, in lower case.
// An IPv6 address has no brackets and is in its shortest form. ok is false when host is
// not a valid host (RFC 3986 section 3.2.2). A request may have no host (RFC 9112 section
// 3.2). Then name is "", ok is true, and only routes without hosts match.
func HostName(host string) (name string, ok bool) {
	if host == "" {
		return "", true
	}
	if strings.HasPrefix(host, "[") {
		literal, port, closed := strings.Cut(host[1:], "]")
		address, err := netip.ParseAddr(literal)
		if !closed || !isPort(port) || err != nil || !address.Is6() || address.Zone() != "" {
			return "", false
		}
		return address.String(), true
	}
	name, port := host, ""
	if colon := strings.IndexByte(host, ':'); colon >= 0 {
		name, port = host[:colon], host[colon:]
	}
	name = strings.TrimSuffix(name, ".")
	if name == "" || !isPort(port) {
		return "", false
	}
	lower, label := true, 0
	for i := range len(name) {
		label++
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case c == '.' && label > 1 && i+1 < len(name):
			label = 0
		case 'A' <= c && c <= 'Z':
			lower = false
		default:
			return "", false
		}
	}
	if !lower {
		name = strings.ToLower(name)
	}
	return name, true
}

// isPort reports whether a text is "" or ":" followed by up to five digits.
func isPort(text string) bool {
	if text == "" {
		return true
	}
	return text[0] == ':' && len(text) <= 6 && strings.Trim(text[1:], "0123456789") == ""
}

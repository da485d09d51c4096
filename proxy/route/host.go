package route

import (
	"net/netip"
	"strings"
)

// HostName is the host of a request without port and trailing dot, in lower
// case, an IPv6 address without brackets and in its shortest form. ok is false
// for what cannot be a host (RFC 3986 section 3.2.2). A request may have none
// (RFC 9112 section 3.2), and then goes to routes that ask for none.
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

// This file checks names and addresses of hosts.

package value

import (
	"net/netip"
	"strings"

	"gatehouse/config/problem"
)

// IsAddress reports whether a host is an IP address.
func IsAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// CheckHost returns a fault unless the text is a host name (RFC 1123 section
// 2.1, plus `_`, which container platforms use) or an IP address.
func CheckHost(host string) *problem.Fault {
	if IsAddress(host) {
		return nil
	}
	const maxHost, maxLabel = 253, 63
	if host == "" || len(host) > maxHost {
		return &problem.Fault{Reason: "not the name of a host: it is empty or too long"}
	}
	if strings.HasSuffix(host, ".") {
		return &problem.Fault{Reason: "the name of a host must not end with a dot"}
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
			return &problem.Fault{
				Reason: "not the name of a host",
				Hint:   "labels have 1 to 63 characters, and no hyphen at the beginning or end",
			}
		}
		for _, c := range []byte(label) {
			if c >= 0x80 {
				return &problem.Fault{Reason: "the name of a host contains a character outside ASCII", Hint: "write it in Punycode (xn--…)"}
			}
			if !isAlphanumeric(c) && c != '-' && c != '_' {
				return &problem.Fault{Reason: "the name of a host cannot contain " + problem.Quote(string(rune(c)))}
			}
		}
	}
	if strings.Trim(labels[len(labels)-1], "0123456789") == "" && len(labels) > 1 {
		return &problem.Fault{Reason: "not a valid IP address"}
	}
	return nil
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

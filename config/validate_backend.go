// Rules for the URL of a backend, and for the names of hosts.

package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// backendRule is the rule for the URL of a backend.
func backendRule(backend *url.URL) *fault {
	switch {
	case backend.Scheme != "http" && backend.Scheme != "https":
		return unknownScheme(backend.Scheme)
	case backend.User != nil:
		return &fault{reason: "must not hold a user name or a password", hint: "it would be visible to everybody who sees the table"}
	case backend.Hostname() == "":
		return &fault{reason: "has no host", hint: "such as http://query-service:8080"}
	case backend.RawQuery != "" || backend.ForceQuery:
		return &fault{reason: "must not have a query", hint: "a request's own is sent on"}
	case backend.Fragment != "":
		return &fault{reason: "must not have a fragment", hint: "remove the # and what follows"}
	}
	return firstFault(hostName(backend.Hostname()), portRule(backend), basePath(backend))
}

func unknownScheme(scheme string) *fault {
	hint := didYouMean(scheme, []string{"http", "https"})
	switch scheme {
	case "ws":
		hint = "write http://: WebSockets pass through it"
	case "wss":
		hint = "write https://: WebSockets pass through it"
	case "h2c", "grpc":
		hint = "write http:// and `protocol: h2c`"
	case "ftp":
		hint = ""
	case "":
		return &fault{reason: "has no scheme", hint: "begin with http:// or https://"}
	}
	if hint == "" {
		hint = "it must be http or https"
	}
	return &fault{reason: "unknown scheme " + quote(scheme), hint: hint}
}

func portRule(backend *url.URL) *fault {
	port := backend.Port()
	if port == "" {
		if strings.HasSuffix(backend.Host, ":") {
			return &fault{reason: "has no port after the colon"}
		}
		return nil
	}
	number, err := strconv.Atoi(port)
	if err != nil || number < 1 || number > 65535 {
		return &fault{reason: "port " + port + " is not between 1 and 65535"}
	}
	return nil
}

// basePath checks the path that goes before a request's own.
func basePath(backend *url.URL) *fault {
	segments := strings.Split(strings.TrimPrefix(backend.Path, "/"), "/")
	switch {
	case slices.Contains(segments, ".."), slices.Contains(segments, "."):
		return &fault{reason: "its path has a dot segment", hint: "write the path it leads to"}
	case strings.Contains(backend.Path, "//"):
		return &fault{reason: "its path has an empty segment (`//`)"}
	case strings.ContainsAny(backend.Path, `\;`):
		return &fault{reason: "its path holds a backslash or a semicolon", hint: "backends disagree on what they mean in a path"}
	}
	return nil
}

// hostRule is the rule for a host that a route matches, in lower case.
func hostRule(host string) *fault {
	if strings.Contains(host, "/") {
		return &fault{reason: "not a host", hint: "a name such as api.example.com, without scheme and path"}
	}
	if name, port, found := strings.Cut(host, ":"); found && !strings.Contains(port, ":") {
		return &fault{reason: "a host is matched without its port", write: name}
	}
	if host == "*" {
		return &fault{reason: "matches every host", hint: "leave `hosts` out for that"}
	}
	name := strings.TrimPrefix(host, "*.")
	if strings.Contains(name, "*") {
		return &fault{reason: "a `*` may only be the first label", hint: "such as *.example.com"}
	}
	if name != host && isAddress(name) {
		return &fault{reason: "an address has no names below it"}
	}
	return hostName(name)
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// hostName is the rule for the name of a host (RFC 1123 section 2.1, and `_`,
// which container platforms use) or an IP address.
func hostName(host string) *fault {
	if isAddress(host) {
		return nil
	}
	const maxHost, maxLabel = 253, 63
	if host == "" || len(host) > maxHost {
		return &fault{reason: "not the name of a host: it is empty or too long"}
	}
	if strings.HasSuffix(host, ".") {
		return &fault{reason: "the name of a host must not end with a dot"}
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
			return &fault{
				reason: "not the name of a host",
				hint:   "labels have 1 to 63 characters, and no hyphen at the beginning or end",
			}
		}
		for _, c := range []byte(label) {
			if c >= 0x80 {
				return &fault{reason: "the name of a host holds a character outside ASCII", hint: "write it in Punycode (xn--…)"}
			}
			if !isAlphanumeric(c) && c != '-' && c != '_' {
				return &fault{reason: "the name of a host cannot hold " + quote(string(rune(c)))}
			}
		}
	}
	if strings.Trim(labels[len(labels)-1], "0123456789") == "" && len(labels) > 1 {
		return &fault{reason: "not a valid IP address"}
	}
	return nil
}

package target

import "strings"

// HTTPSLocation returns the address of a request over https. host is a valid host name or
// address, port is "" for 443, and target is the path and the query of the request. They
// are kept byte for byte, but bytes that a URL cannot have are escaped.
func HTTPSLocation(host, port, target string) string {
	if strings.Contains(host, ":") { // an IPv6 address
		host = "[" + host + "]"
	}
	if port != "" {
		port = ":" + port
	}
	path, query, hasQuery := strings.Cut(target, "?")
	var b strings.Builder
	b.Grow(len("https://") + len(host) + len(port) + len(target))
	b.WriteString("https://")
	b.WriteString(host)
	b.WriteString(port)
	writeEscaped(&b, path, isPathByte)
	if hasQuery {
		b.WriteByte('?')
		writeEscaped(&b, query, isQueryByte)
	}
	return b.String()
}

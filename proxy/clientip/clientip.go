// Package clientip finds and counts the addresses of clients.
//
//	clientip.go    parses what proxies write about the client: X-Forwarded-For and similar
//	caller.go      finds the client of a request, behind trusted proxies
//	peer.go        the address at the other end of the connection
//	filter.go      allows and denies addresses on a route
//	counter.go     counts what each client has open, for limits
//	unreadable.go  logs headers of trusted proxies that cannot be read
//
// No RFC defines X-Forwarded-For, so proxies write addresses with and without ports,
// brackets and quotes (issue 10). The caller of this package decides which proxies are
// trusted.
package clientip

import (
	"net/netip"
	"strings"
)

// ParseAddr parses one entry of X-Forwarded-For. The entry is an address with or without
// a port, in quotes or not (RFC 7239 section 6). IPv6 with a port needs brackets. The
// result has no zone, and is IPv4 for an IPv4-mapped IPv6 address. ParseAddr allocates
// only for entries that it cannot read.
func ParseAddr(entry string) (addr netip.Addr, ok bool) {
	text := Unquote(entry)
	switch {
	case strings.HasPrefix(text, "["):
		literal, port, closed := strings.Cut(text[1:], "]")
		if !closed || !isPort(port) {
			return netip.Addr{}, false
		}
		if addr, ok = parse(literal); !addr.Is6() {
			return netip.Addr{}, false
		}
		return addr.Unmap(), ok
	case strings.Count(text, ":") == 1:
		colon := strings.IndexByte(text, ':')
		if !isPort(text[colon:]) {
			return netip.Addr{}, false
		}
		text = text[:colon]
	}
	addr, ok = parse(text)
	return addr.Unmap(), ok
}

// parse parses an address and removes its zone, which is meaningful only on the machine
// of the proxy.
func parse(text string) (netip.Addr, bool) {
	address, zone, zoned := strings.Cut(text, "%")
	addr, err := netip.ParseAddr(address)
	if err != nil || zoned && (zone == "" || !addr.Is6()) {
		return netip.Addr{}, false
	}
	return addr, true
}

// isPort reports whether text is "" or a ":" followed by a port number.
func isPort(text string) bool {
	if text == "" {
		return true
	}
	if text[0] != ':' || len(text) < 2 || len(text) > 6 {
		return false
	}
	port := 0
	for _, digit := range []byte(text[1:]) {
		if digit < '0' || digit > '9' {
			return false
		}
		port = port*10 + int(digit-'0')
	}
	return port <= 65535
}

// ParseScheme parses one entry of X-Forwarded-Proto. It ignores case (RFC 3986 section
// 3.1). It returns "http" for ws and "https" for wss, because an HTTP request opens a
// WebSocket (RFC 6455 section 3).
func ParseScheme(entry string) (scheme string, ok bool) {
	text := Unquote(entry)
	switch {
	case strings.EqualFold(text, "https"), strings.EqualFold(text, "wss"):
		return "https", true
	case strings.EqualFold(text, "http"), strings.EqualFold(text, "ws"):
		return "http", true
	}
	return "", false
}

// Unquote removes the white space around an entry, and its quotes if it has both.
func Unquote(entry string) string {
	text := strings.Trim(entry, " \t")
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		return text[1 : len(text)-1]
	}
	return text
}

// Entries iterates over the entries of a header from the last to the first. The header
// may have several lines, each with a list. The connected proxy has written the last
// entry. Empty entries are skipped (RFC 9110 section 5.6.1).
type Entries struct {
	lines []string
	rest  string // the unread part of the current line
}

// Backward returns an iterator over the entries of a header, from the last to the first.
func Backward(lines []string) Entries { return Entries{lines: lines} }

// Next returns the next entry to the left. ok is false after the first entry of the
// header.
func (e *Entries) Next() (entry string, ok bool) {
	for {
		for e.rest == "" {
			if len(e.lines) == 0 {
				return "", false
			}
			e.rest, e.lines = e.lines[len(e.lines)-1], e.lines[:len(e.lines)-1]
		}
		comma := strings.LastIndexByte(e.rest, ',')
		entry = strings.Trim(e.rest[comma+1:], " \t")
		e.rest = e.rest[:max(comma, 0)]
		if entry != "" {
			return entry, true
		}
	}
}

// Count returns the number of entries of a header.
func Count(lines []string) (n int) {
	entries := Backward(lines)
	for _, ok := entries.Next(); ok; _, ok = entries.Next() {
		n++
	}
	return n
}

// At returns the entry that the outermost of hops proxies wrote. Each proxy appends one
// entry, so this is the entry number hops from the end. When there are fewer entries, or
// hops is 0, At returns the first entry. When there is none, it returns "".
func At(lines []string, hops int) (entry string) {
	entries := Backward(lines)
	for i := 0; i < hops || hops == 0; i++ {
		next, ok := entries.Next()
		if !ok {
			break
		}
		entry = next
	}
	return entry
}

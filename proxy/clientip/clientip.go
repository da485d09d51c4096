// Package clientip is about the addresses of clients.
//
//	clientip.go  what proxies write about the client: X-Forwarded-For and its relatives
//	peer.go      the address of who is connected
//	counter.go   what each client has open, for limits
//
// No RFC says what X-Forwarded-For looks like, so proxies write addresses with
// and without ports, brackets and quotes (issue 10). Nothing in here decides who
// is believed.
package clientip

import (
	"net/netip"
	"strings"
)

// ParseAddr reads one entry of X-Forwarded-For: an address, with or without a
// port, in quotes or not (RFC 7239 section 6). IPv6 with a port has brackets. The
// address has no zone, and is IPv4 where IPv6 only wraps it. ParseAddr does not
// allocate, but for what it cannot read.
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

// parse reads an address and drops its zone, which means something on the machine
// of the proxy only.
func parse(text string) (netip.Addr, bool) {
	address, zone, zoned := strings.Cut(text, "%")
	addr, err := netip.ParseAddr(address)
	if err != nil || zoned && (zone == "" || !addr.Is6()) {
		return netip.Addr{}, false
	}
	return addr, true
}

// isPort takes "", or ":" and up to five digits.
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

// ParseScheme reads one entry of X-Forwarded-Proto. Schemes know no case (RFC 3986
// section 3.1); a WebSocket is opened by a request of HTTP (RFC 6455 section 3).
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

// Unquote removes the white space around an entry, and its quotes if it has two.
func Unquote(entry string) string {
	text := strings.Trim(entry, " \t")
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		return text[1 : len(text)-1]
	}
	return text
}

// Entries reads the lists of a header with several lines from their end, where the
// proxy that is connected has written. Empty entries are none (RFC 9110 section
// 5.6.1).
type Entries struct {
	lines []string
	rest  string // of the last line that was begun
}

// Backward returns the entries of a header, the last one first.
func Backward(lines []string) Entries { return Entries{lines: lines} }

// Next returns the next entry to the left.
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

// At returns the entry that the outermost of so many proxies wrote: each of them
// appends one. It is the first of all where they wrote fewer, or where hops is 0,
// and "" where there is none.
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

package server

import (
	"bytes"
	"net/http"

	"gatehouse/proxy/http1/wire"
)

const (
	// netHTTPPeek is the number of bytes that net/http waits for before it parses a
	// request that follows another. After a POST it skips line breaks among them (RFC
	// 9112 section 2.2).
	netHTTPPeek = 4
	// headSlop is the number of bytes by which net/http lets a head exceed
	// MaxHeaderBytes.
	headSlop = 4 << 10
)

// leadingBreaks counts the line breaks in front of a head.
type leadingBreaks struct {
	allowed  int // how many more may be skipped
	skipped  int // how many were skipped
	buffered int // bytes that net/http would have buffered
}

// newLeadingBreaks returns the leadingBreaks of the next request.
func (c *conn) newLeadingBreaks() leadingBreaks {
	c.checked = 0
	if c.prevWasPOST {
		return leadingBreaks{allowed: netHTTPPeek}
	}
	return leadingBreaks{}
}

// skip skips the line breaks at the start of the data.
func (b *leadingBreaks) skip(c *conn) {
	for ; b.allowed > 0 && len(c.data) > 0; b.allowed-- {
		if c.data[0] != '\r' && c.data[0] != '\n' {
			b.allowed = 0
			break
		}
		c.data = c.data[1:]
		b.skipped++
	}
	b.buffered = b.skipped + len(c.data)
}

// isParseable reports whether net/http would begin to parse what is there.
func (b *leadingBreaks) isParseable(served bool) bool { return !served || b.buffered >= netHTTPPeek }

// isTooLarge reports whether net/http would refuse a head of that size.
func (s *Server) isTooLarge(size int) bool {
	limit := s.standard.MaxHeaderBytes
	return limit > 0 && size > limit+headSlop
}

// mayBeSimple reports whether the complete lines of the head are simple. It is called
// before the head is complete, so that net/http refuses what is wrong at once.
func (c *conn) mayBeSimple() bool {
	for {
		lines := c.data[c.checked:]
		end := bytes.IndexByte(lines, '\n') + 1
		if end == 0 {
			return true
		}
		if !isSimpleLine(string(lines[:end]), c.checked == 0) {
			return false
		}
		c.checked += end
	}
}

// isSimpleLine reports whether a line of a head is one that package wire parses. The
// first is the request line.
func isSimpleLine(line string, first bool) (ok bool) {
	if first {
		return wire.Request(line+"Host: h\r\n\r\n", &http.Request{})
	}
	_, ok = wire.Fields(line)
	return ok
}

package server

import (
	"bytes"
	"net/http"

	"gatehouse/proxy/http1/wire"
)

const (
	// netHTTPPeek is how many bytes net/http waits for before it looks at a request
	// behind another, and out of how many it leaves out line breaks after a POST
	// (RFC 9112 section 2.2).
	netHTTPPeek = 4
	// headSlop is how much larger than MaxHeaderBytes a head may be, in bytes.
	headSlop = 4 << 10
)

// leadingBreaks counts the line breaks that may stand in front of a head.
type leadingBreaks struct {
	allowed  int // that may still be left out
	skipped  int // that were
	buffered int // what is in the buffer, with those
}

// newLeadingBreaks returns the leadingBreaks of the next request.
func (c *conn) newLeadingBreaks() leadingBreaks {
	c.checked = 0
	if c.prevWasPOST {
		return leadingBreaks{allowed: netHTTPPeek}
	}
	return leadingBreaks{}
}

// skip leaves out the line breaks that are there.
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

// isParseable reports whether net/http looks at what there is.
func (b *leadingBreaks) isParseable(served bool) bool { return !served || b.buffered >= netHTTPPeek }

// isTooLarge reports whether net/http would refuse a head of that size.
func (s *Server) isTooLarge(size int) bool {
	limit := s.standard.MaxHeaderBytes
	return limit > 0 && size > limit+headSlop
}

// mayBeSimple reports whether the head that the data begins with may be, as far as
// its lines are complete: what is wrong is told the client at once.
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

// isSimpleLine reports whether one line of a head is simple.
func isSimpleLine(line string, first bool) (ok bool) {
	if first {
		return wire.Request(line+"Host: h\r\n\r\n", &http.Request{})
	}
	_, ok = wire.Fields(line)
	return ok
}

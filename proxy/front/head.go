package front

import (
	"bytes"
	"net/http"

	"gatehouse/proxy/wire"
)

const (
	// peeked is how many bytes net/http waits for before it looks at a request
	// behind another, and out of how many it leaves out line breaks after a POST
	// (RFC 9112 section 2.2).
	peeked = 4
	// slop is how much larger than MaxHeaderBytes a head may be, in bytes.
	slop = 4 << 10
)

// beforeHead is what may be in front of a head.
type beforeHead struct {
	breaks int // that may still be left out
	left   int // that were
	buffer int // what is in the buffer, with those
}

// beforeHead is for the next request.
func (c *conn) beforeHead() beforeHead {
	c.plain = 0
	if c.posted {
		return beforeHead{breaks: peeked}
	}
	return beforeHead{}
}

// skip leaves out the line breaks that are there.
func (b *beforeHead) skip(c *conn) {
	for ; b.breaks > 0 && len(c.data) > 0; b.breaks-- {
		if c.data[0] != '\r' && c.data[0] != '\n' {
			b.breaks = 0
			break
		}
		c.data = c.data[1:]
		b.left++
	}
	b.buffer = b.left + len(c.data)
}

// isLookedAt reports whether net/http looks at what there is.
func (b *beforeHead) isLookedAt(served bool) bool { return !served || b.buffer >= peeked }

// refuses reports whether net/http would refuse a head of that size.
func (s *Server) refuses(size int) bool {
	most := s.standard.MaxHeaderBytes
	return most > 0 && size > most+slop
}

// mayBePlain reports whether the head that the data begins with may be, as far as
// its lines are complete: what is wrong is told the client at once.
func (c *conn) mayBePlain() bool {
	for {
		lines := c.data[c.plain:]
		end := bytes.IndexByte(lines, '\n') + 1
		if end == 0 {
			return true
		}
		if !isPlainLine(string(lines[:end]), c.plain == 0) {
			return false
		}
		c.plain += end
	}
}

// isPlainLine tells of one line of a head whether it is.
func isPlainLine(line string, first bool) (plain bool) {
	if first {
		return wire.Request(line+"Host: h\r\n\r\n", &http.Request{})
	}
	_, plain = wire.Fields(line)
	return plain
}

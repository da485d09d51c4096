package pathexp

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// Normal returns the form of a path that expressions match. Bytes outside ASCII are
// escaped, escapes are in upper case, and unreserved characters have none (RFC 3986
// sections 2.1, 6.2.2.1 and 6.2.2.2). Such a path is equivalent, so a client cannot avoid
// an expression by another spelling.
func Normal(path string) string {
	if isNormal(path) {
		return path
	}
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(3 * len(path))
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c >= utf8.RuneSelf {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
			continue
		}
		if c != '%' || i+2 >= len(path) {
			b.WriteByte(c)
			continue
		}
		decoded, err := hex.DecodeString(path[i+1 : i+3])
		switch {
		case err != nil: // a canonical path has none of these
			b.WriteByte('%')
			continue
		case isUnreserved(decoded[0]):
			b.WriteByte(decoded[0])
		default:
			b.WriteString(strings.ToUpper(path[i : i+3]))
		}
		i += 2
	}
	return b.String()
}

// isNormal reports whether a path has neither escapes nor bytes outside ASCII.
func isNormal(path string) bool {
	for i := range len(path) {
		if path[i] == '%' || path[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// spelling is what the last bytes of a normal path were: part of an escape, a slash, or
// neither.
type spelling int

const (
	plainByte   spelling = iota
	slash                // a segment must follow
	percentSign          // the first digit must follow
	firstDigit           // of 0; those of the other digits follow
	spellings   = firstDigit + 16
)

// read returns what has been read after another byte. ok is false when no normal path has
// that byte there.
func (s spelling) read(c byte) (next spelling, ok bool) {
	digit := strings.IndexByte("0123456789ABCDEF", c)
	switch {
	case s == percentSign:
		return firstDigit + spelling(digit), digit >= 0
	case s >= firstDigit:
		return plainByte, digit >= 0 && !isUnreserved(byte(s-firstDigit)<<4|byte(digit))
	case c == '%':
		return percentSign, true
	case c == '/':
		return slash, s != slash
	}
	return plainByte, ' ' < c && c < 0x7f && strings.IndexByte(`\#?`, c) < 0
}

// isWhole reports whether a path may end here.
func (s spelling) isWhole() bool { return s == plainByte || s == slash }

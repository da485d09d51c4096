package target

import "strings"

// writeEscaped writes a client's text into an address. It keeps valid escapes and the
// allowed bytes, and escapes all others (RFC 3986 section 2.1). So the text never ends a
// header line, and never becomes another part of the address.
func writeEscaped(b *strings.Builder, text string, isAllowed func(byte) bool) {
	const digits = "0123456789ABCDEF"
	for i := range len(text) {
		c := text[i]
		if isAllowed(c) || c == '%' && i+2 < len(text) && isHex(text[i+1]) && isHex(text[i+2]) {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// isPathByte reports whether a byte may be in a path (RFC 3986 section 3.3).
func isPathByte(c byte) bool {
	return isUnreserved(c) || strings.IndexByte("/!$&'()*+,;=:@", c) >= 0
}

// isQueryByte reports whether a byte may be in a query (RFC 3986 section 3.4).
func isQueryByte(c byte) bool { return isPathByte(c) || c == '?' }

// isValueByte reports whether a byte may be in the value of a query's parameter, where
// "&", ";", "=" and "+" have a meaning.
func isValueByte(c byte) bool { return isPathByte(c) && strings.IndexByte("&;=+", c) < 0 }

// isHostByte reports whether a byte may be in the name or the address of a host.
func isHostByte(c byte) bool { return isUnreserved(c) && c != '~' || strings.IndexByte("[]:", c) >= 0 }

package route

import (
	"strings"
	"unicode/utf8"
)

// Path is the canonical path of a request: the bytes that are matched, that
// the policy is decided on and that are forwarded.
type Path struct {
	// Raw is the path as the client sent it, escapes and all. It begins with "/".
	Raw string
	// Lenient is what a careless backend might read in Raw: escapes decoded
	// until none is left, path parameters and what then looks like a query cut
	// off, slashes collapsed. It is
	// Raw itself for nearly every request. A request whose two readings match
	// different routes is refused.
	Lenient string
	// EncodedSlash tells that Raw holds %2F, which only a route with
	// allow_encoded_slashes takes.
	EncodedSlash bool
	// mayHaveTail reports whether a segment of Lenient may have a tail or a
	// space that some backends drop; see withoutTail.
	mayHaveTail bool
}

// maxDecodings is how often a path may be encoded over: once is usual, twice
// is for data that holds a percent sign, more is an attack.
const maxDecodings = 2

// ParsePath returns the path of a request target (RFC 9112 section 3.2) as it
// stands in the request line, or in HTTP/2's :path. It refuses, with
// ok false, what two readers could read in two ways: dot segments plain or
// encoded, empty segments, backslashes, control characters, broken escapes,
// overlong UTF-8, a fragment, a target that is not a path.
func ParsePath(target string) (path Path, ok bool) {
	raw, ok := TargetPath(target)
	if !ok {
		return Path{}, false
	}
	unambiguous, odd, ok := scan(raw)
	if !ok {
		return Path{}, false
	}
	if unambiguous {
		if odd {
			for segment := range strings.SplitSeq(raw[1:], "/") {
				if hidesDots(segment) {
					return Path{}, false
				}
			}
		}
		return Path{Raw: raw, Lenient: raw, mayHaveTail: odd}, true
	}
	return readLeniently(raw)
}

// TargetPath returns the path in an origin-form or absolute-form target.
// Authority-form and asterisk-form have none that could be forwarded. A space
// in the query, which HTTP/2 can carry, would end the target of an HTTP/1.1
// request line early; a "#" begins a fragment, which nobody may send.
func TargetPath(target string) (string, bool) {
	path, query, _ := strings.Cut(target, "?")
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c == 0x7f || c == '#' {
			return "", false
		}
	}
	if strings.HasPrefix(path, "/") {
		return path, true
	}
	scheme, rest, isURL := strings.Cut(path, "://")
	if !isURL || !(strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")) {
		return "", false
	}
	authority := rest
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		authority, path = rest[:slash], rest[slash:]
	} else {
		path = "/"
	}
	host := authority[strings.LastIndexByte(authority, '@')+1:]
	return path, host != "" && !strings.ContainsAny(authority, " #\\") // RFC 9110 section 4.2.1
}

// scan looks at a path byte by byte. It is unambiguous when every reader must read
// it the same way, but for odd tails of segments; ok is false when it is
// refused as it stands.
func scan(raw string) (unambiguous, odd, ok bool) {
	unambiguous = true
	segment := 1 // where the current segment begins
	for i := 1; i <= len(raw); i++ {
		if i == len(raw) || raw[i] == '/' {
			if isDots(raw[segment:i]) || (i == segment && i < len(raw)) {
				return false, false, false
			}
			odd = odd || raw[i-1] == '.'
			segment = i + 1
			continue
		}
		switch c := raw[i]; {
		case c <= ' ', c == 0x7f, c == '\\', c == '#':
			return false, false, false
		case c == ':':
			odd = true
		case c == '%', c == ';', c >= utf8.RuneSelf:
			unambiguous = false
		}
	}
	return unambiguous, odd, true
}

func isDots(segment string) bool { return segment == "." || segment == ".." }

// hidesDots reports whether a backend that drops spaces and stream names could
// read a decoded segment as a dot segment.
func hidesDots(segment string) bool {
	name, _, stream := strings.Cut(segment, ":")
	trimmed := strings.Trim(name, " ")
	return isDots(trimmed) || (stream || strings.Contains(name, " ")) && trimmed != "" && strings.Trim(trimmed, ". ") == ""
}

// readLeniently makes the careless backend's reading of a path that scan let
// pass, and refuses it where that reading is dangerous by itself.
func readLeniently(raw string) (Path, bool) {
	path := Path{Raw: raw, mayHaveTail: true}
	decoded := raw
	for depth := 0; strings.Contains(decoded, "%"); depth++ {
		next, slash, ok := decode(decoded, depth > 0)
		if !ok || (slash && depth > 0) {
			return Path{}, false
		}
		if next == decoded {
			break
		}
		if depth == maxDecodings {
			return Path{}, false
		}
		path.EncodedSlash = path.EncodedSlash || slash
		decoded = next
	}
	if overlong(decoded) {
		return Path{}, false
	}

	var lenient strings.Builder
	lenient.Grow(len(decoded))
	for segment := range strings.SplitSeq(decoded[1:], "/") {
		name, _, hasParameters := strings.Cut(segment, ";")
		if hidesDots(beforeQuery(name)) || (hasParameters && name == "") {
			return Path{}, false
		}
		if name != "" {
			lenient.WriteByte('/')
			lenient.WriteString(name)
		}
	}
	path.Lenient = beforeQuery(lenient.String())
	if path.Lenient == "" {
		path.Lenient = "/"
	}
	return path, true
}

// withoutTail is what a backend on Windows, or one that trims segments as old
// Spring does, reads in a decoded segment: no stream name of NTFS (as in
// "name::$DATA"), no dots and spaces at the end, no spaces at the beginning
// (issue 10). It is empty for a segment that such a backend may drop.
func withoutTail(segment string) string {
	name, _, _ := strings.Cut(segment, ":")
	return strings.TrimLeft(strings.TrimRight(name, ". "), " ")
}

// WithoutTails returns Lenient with every segment read as by a backend that drops
// tails; "" where no segment may have one.
func (p Path) WithoutTails() string {
	if !p.mayHaveTail {
		return ""
	}
	return withoutTails(p.Lenient)
}

// withoutTails is a path with every segment read as withoutTail does.
func withoutTails(path string) string {
	var read strings.Builder
	for segment := range strings.SplitSeq(path[1:], "/") {
		if name := withoutTail(segment); name != "" {
			read.WriteString("/" + name)
		}
	}
	if read.Len() == 0 {
		return "/"
	}
	return read.String()
}

// beforeQuery is what is left of a decoded path for a backend that looks for
// query and fragment only then.
func beforeQuery(decoded string) string {
	if end := strings.IndexAny(decoded, "?#"); end >= 0 {
		return decoded[:end]
	}
	return decoded
}

// decode decodes the escapes once. A percent sign without two hexadecimal
// digits is refused in the path as sent; in what was already decoded it is a
// percent sign. Control characters and backslashes are refused at any depth.
func decode(text string, decodedBefore bool) (decoded string, slash, ok bool) {
	var out strings.Builder
	out.Grow(len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			out.WriteByte(text[i])
			continue
		}
		if i+2 >= len(text) || !isHex(text[i+1]) || !isHex(text[i+2]) {
			if !decodedBefore {
				return "", false, false
			}
			out.WriteByte('%')
			continue
		}
		c := unhex(text[i+1])<<4 | unhex(text[i+2])
		if c < ' ' || c == 0x7f || c == '\\' {
			return "", false, false
		}
		slash = slash || c == '/'
		out.WriteByte(c)
		i += 2
	}
	return out.String(), slash, true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	default:
		return c - 'a' + 10
	}
}

// overlong reports whether the text holds a UTF-8 sequence longer than its
// character needs: a careless decoder reads C0 AF as a slash (RFC 3629
// section 10). Other bytes that are not UTF-8, such as Latin-1, may pass.
func overlong(text string) bool {
	for i := 0; i < len(text); i++ {
		next := byte(0xff)
		if i+1 < len(text) {
			next = text[i+1]
		}
		switch c := text[i]; {
		case c == 0xc0 || c == 0xc1:
			return true
		case c == 0xe0 && 0x80 <= next && next < 0xa0:
			return true
		case c == 0xf0 && 0x80 <= next && next < 0x90:
			return true
		case c == 0xf8 && 0x80 <= next && next < 0x88: // of RFC 2279, with up to six bytes
			return true
		case c == 0xfc && 0x80 <= next && next < 0x84:
			return true
		}
	}
	return false
}

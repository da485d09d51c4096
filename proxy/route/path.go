package route

import (
	"strings"
	"unicode/utf8"
)

// Path is the canonical path of a request. The gateway matches it, applies the policy to
// it and forwards it.
type Path struct {
	// Raw is the path as the client sent it, with its escapes. It begins with "/".
	Raw string
	// Lenient is the path that a careless backend might read in Raw. All escapes are
	// decoded, repeatedly if necessary. Path parameters, and then anything that looks
	// like a query, are removed. Repeated slashes become one. For most requests
	// Lenient equals Raw. A request whose Raw and Lenient match different routes
	// is refused.
	Lenient string
	// EncodedSlash says that Raw contains %2F. Only a route with
	// allow_encoded_slashes accepts that.
	EncodedSlash bool
	// mayHaveTail says that a segment of Lenient may have a tail or a space that some
	// backends drop; see withoutTail.
	mayHaveTail bool
}

// maxDecodings is how many times a path may be encoded. Once is usual. Twice is for data
// that contains a percent sign. More is an attack.
const maxDecodings = 2

// ParsePath returns the path of a request target (RFC 9112 section 3.2). The target is
// that of the request line, or HTTP/2's :path. ok is false when two programs could read
// the target in two ways, or when it is not a path. That is the case for dot segments,
// encoded or not, empty segments, backslashes, control characters, broken escapes,
// overlong UTF-8 and fragments.
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

// TargetPath returns the path of a target in origin-form or absolute-form. It returns
// false for authority-form and asterisk-form, which have no path to forward. It also
// returns false when the query contains a space, a control character or a "#". HTTP/2
// allows a space there, but in HTTP/1.1 it would end the target of the request line. A
// "#" begins a fragment, which clients must not send.
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

// scan checks a path byte by byte. unambiguous means that all programs read the path in
// the same way, except for tails of segments. odd means that a segment may have such a
// tail. ok is false when the path is refused.
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

// readLeniently returns the Path of a raw path that scan found ambiguous. It computes
// how a careless backend reads it. ok is false when that reading is dangerous in itself.
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

// withoutTail returns a decoded segment as a backend reads it that runs on Windows, or
// trims segments as old versions of Spring do. It removes an NTFS stream name (as in
// "name::$DATA"), dots and spaces at the end, and spaces at the beginning (issue 10).
// It returns "" for a segment that such a backend may drop.
func withoutTail(segment string) string {
	name, _, _ := strings.Cut(segment, ":")
	return strings.TrimLeft(strings.TrimRight(name, ". "), " ")
}

// WithoutTails returns Lenient without the tails of its segments, as some backends read
// it. It returns "" when no segment may have a tail.
func (p Path) WithoutTails() string {
	if !p.mayHaveTail {
		return ""
	}
	return withoutTails(p.Lenient)
}

// withoutTails returns the path with withoutTail applied to each segment.
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

// beforeQuery returns the part of a decoded path before "?" or "#". Some backends look
// for query and fragment only after decoding.
func beforeQuery(decoded string) string {
	if end := strings.IndexAny(decoded, "?#"); end >= 0 {
		return decoded[:end]
	}
	return decoded
}

// decode decodes the escapes once. slash reports whether one of them was a slash. ok is
// false for escaped control characters and backslashes. It is also false for a percent
// sign without two hexadecimal digits, but only in a path that was not decoded
// before. In a decoded path, it is just a percent sign.
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

// overlong reports whether the text contains a UTF-8 sequence that is longer than its
// character needs. A careless decoder reads C0 AF as a slash (RFC 3629 section 10). Other
// bytes that are not UTF-8, such as Latin-1, are allowed.
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
		case c == 0xf8 && 0x80 <= next && next < 0x88: // sequences of up to six bytes, as in RFC 2279
			return true
		case c == 0xfc && 0x80 <= next && next < 0x84:
			return true
		}
	}
	return false
}

package wire

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"strings"
)

// HeadEnd returns the length of the head that data begins with, including the empty
// line, or 0 if the head is not complete.
func HeadEnd(data []byte) int {
	const last = "\r\n\r\n"
	end := bytes.Index(data, []byte(last))
	if end < 0 {
		return 0
	}
	return end + len(last)
}

// maxNames is the largest number of names that a header has room for from the start,
// as in net/http. A head with many lines of one name must not make us allocate room
// for as many names.
const maxNames = 1000

// Fields parses the field lines of a head (RFC 9112 section 5), each with its CRLF,
// without the empty line. The header's names are canonical; its values have no white
// space around them.
func Fields(lines string) (header http.Header, ok bool) {
	count := min(strings.Count(lines, "\r"), len(lines)/len("n:\r\n")) // lines of the fewest bytes
	header = make(http.Header, min(count, maxNames))
	values := make([]string, count)
	for len(lines) > 0 {
		line, rest, found := strings.Cut(lines, "\r")
		if !found || rest == "" || rest[0] != '\n' {
			return nil, false
		}
		lines = rest[1:]
		colon := strings.IndexByte(line, ':')
		if colon <= 0 {
			return nil, false
		}
		name, value := canonicalName(line[:colon]), trim(line[colon+1:])
		if name == "" || !IsValue(value) {
			return nil, false
		}
		if before := header[name]; before != nil {
			header[name] = append(before, value)
			continue
		}
		values[0] = value
		header[name], values = values[:1:1], values[1:]
	}
	return header, true
}

// canonicalName returns the name as an http.Header has it, or "" if it is not a token.
func canonicalName(name string) string {
	first, canonical := true, true // first: the next character begins a word
	for i := range len(name) {
		switch class := classes[name[i]]; {
		case class == 0:
			return ""
		case first && class == lower, !first && class == upper:
			canonical = false
		}
		first = name[i] == '-'
	}
	if canonical {
		return name
	}
	return http.CanonicalHeaderKey(name)
}

// Classes of the characters of a token (RFC 9110 section 5.6.2).
const (
	other = iota + 1
	lower
	upper
)

var classes = func() (table [256]byte) {
	for _, char := range "!#$%&'*+-.^_`|~0123456789" {
		table[char] = other
	}
	for char := 'a'; char <= 'z'; char++ {
		table[char], table[char-'a'+'A'] = lower, upper
	}
	return table
}()

// IsName reports whether name is a token, as the name of a field is.
func IsName(name string) bool {
	for i := range len(name) {
		if classes[name[i]] == 0 {
			return false
		}
	}
	return name != ""
}

const eachByte = 0x0101010101010101

// IsValue reports whether text has no control character except tabs, so that it can be
// the value of a field (RFC 9110 section 5.5).
func IsValue(text string) bool {
	i := 0
	for ; i+8 <= len(text); i += 8 {
		word := binary.LittleEndian.Uint64([]byte(text[i : i+8]))
		del := word ^ 0x7f*eachByte
		controls := (word-0x20*eachByte)&^word | (del-eachByte)&^del // the first bit of such a byte is set, perhaps that of the next one, too
		if controls&(0x80*eachByte) != 0 && !isValueBytewise(text[i:i+8]) {
			return false
		}
	}
	return isValueBytewise(text[i:])
}

func isValueBytewise(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' && text[i] != '\t' || text[i] == 0x7f {
			return false
		}
	}
	return true
}

// trim removes the optional white space around a value (RFC 9110 section 5.6.3).
func trim(value string) string {
	for len(value) > 0 && (value[0] == ' ' || value[0] == '\t') {
		value = value[1:]
	}
	for len(value) > 0 && (value[len(value)-1] == ' ' || value[len(value)-1] == '\t') {
		value = value[:len(value)-1]
	}
	return value
}

// isToken reports whether value is token, ignoring case. strings.EqualFold also takes
// two letters beyond ASCII for an s and a k; the equal length excludes these.
func isToken(value, token string) bool {
	return len(value) == len(token) && strings.EqualFold(value, token)
}

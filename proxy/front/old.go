package front

import (
	"bytes"
)

// This file looks at heads of HTTP/1.0. They are net/http's to read, but it
// leaves out their Transfer-Encoding, and so whoever answers cannot know that
// the framing is faulty (RFC 9112 section 6.1).

const oldCoding = "transfer-encoding"

// isOldAndCut reports whether data begin with a part of an HTTP/1.0 head.
func isOldAndCut(data []byte) bool {
	line, fields, whole := bytes.Cut(data, []byte{'\n'})
	if !whole || !isOldLine(line) {
		return false
	}
	for {
		if line, fields, whole = bytes.Cut(fields, []byte{'\n'}); !whole {
			return true
		}
		if len(bytes.TrimRight(line, "\r")) == 0 {
			return false
		}
	}
}

// hasOldCoding reports whether data begin with an HTTP/1.0 head that has a
// Transfer-Encoding. Lines end as they do for net/http: with or without a CR.
func hasOldCoding(data []byte) bool {
	line, fields, _ := bytes.Cut(data, []byte{'\n'})
	if !isOldLine(line) {
		return false
	}
	for len(fields) > 0 {
		line, fields, _ = bytes.Cut(fields, []byte{'\n'})
		line = bytes.TrimRight(line, "\r")
		if len(line) == 0 {
			return false
		}
		if name, _, isField := bytes.Cut(line, []byte{':'}); isField && bytes.EqualFold(bytes.TrimSpace(name), []byte(oldCoding)) {
			return true
		}
	}
	return false
}

func isOldLine(line []byte) bool {
	return bytes.HasSuffix(bytes.TrimRight(line, "\r"), []byte(" HTTP/1.0"))
}

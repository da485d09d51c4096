package server

import (
	"bytes"
)

// This file recognizes HTTP/1.0 heads with a Transfer-Encoding. net/http reads
// HTTP/1.0 requests, but hides that field from the handler, which then cannot know
// that the framing is faulty (RFC 9112 section 6.1).

const transferEncodingName = "transfer-encoding"

// isPartialHTTP10 reports whether data begins with an incomplete HTTP/1.0 head.
func isPartialHTTP10(data []byte) bool {
	line, fields, whole := bytes.Cut(data, []byte{'\n'})
	if !whole || !isHTTP10Line(line) {
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

// hasHTTP10Coding reports whether data begins with an HTTP/1.0 head that has a
// Transfer-Encoding. As in net/http, lines end with LF or CRLF.
func hasHTTP10Coding(data []byte) bool {
	line, fields, _ := bytes.Cut(data, []byte{'\n'})
	if !isHTTP10Line(line) {
		return false
	}
	for len(fields) > 0 {
		line, fields, _ = bytes.Cut(fields, []byte{'\n'})
		line = bytes.TrimRight(line, "\r")
		if len(line) == 0 {
			return false
		}
		if name, _, isField := bytes.Cut(line, []byte{':'}); isField && bytes.EqualFold(bytes.TrimSpace(name), []byte(transferEncodingName)) {
			return true
		}
	}
	return false
}

// isHTTP10 reports whether data begins with an HTTP/1.0 head.
func isHTTP10(data []byte) bool {
	line, _, _ := bytes.Cut(data, []byte{'\n'})
	return isHTTP10Line(line)
}

func isHTTP10Line(line []byte) bool {
	return bytes.HasSuffix(bytes.TrimRight(line, "\r"), []byte(" HTTP/1.0"))
}

package wire

import (
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// IsWritable reports whether all fields can be written as they are (RFC 9110 section
// 5.5). net/http would omit or change some of the others.
func IsWritable(header http.Header) bool {
	for name, values := range header {
		if !isWritable(name, values) {
			return false
		}
	}
	return true
}

func isWritable(name string, values []string) bool {
	for _, value := range values {
		if !IsValue(value) {
			return false
		}
	}
	return IsName(name)
}

// AppendRequest appends the head of a request without a body, as http.Request.Write
// writes it. The method must be a token. It reports false when a field cannot be
// written as it is.
func AppendRequest(to []byte, r *http.Request) (head []byte, ok bool) {
	if len(r.Header["User-Agent"]) == 0 { // net/http would add one
		return to, false
	}
	if to, ok = AppendTarget(to, r); !ok {
		return to, false
	}
	for name, values := range r.Header {
		if to, ok = AppendRequestField(to, name, values); !ok {
			return to, false
		}
	}
	return append(to, "\r\n"...), true
}

// AppendTarget appends what AppendRequest does in front of the header's fields.
func AppendTarget(to []byte, r *http.Request) (begun []byte, ok bool) {
	host, target := r.Host, r.URL.RequestURI()
	if host == "" {
		host = r.URL.Host
	}
	if !hasOnlyHead(r) || !isUnescapedHost(host) || !IsValue(target) || strings.IndexByte(target, '\t') >= 0 {
		return to, false
	}
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	to = append(to, method...)
	to = append(to, ' ')
	to = append(to, target...)
	to = append(to, " HTTP/1.1\r\n"...)
	to = appendLine(to, "Host", host)
	switch method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		to = append(to, "Content-Length: 0\r\n"...)
	}
	return to, true
}

// AppendRequestField appends a field of a request's header. It omits the fields that
// AppendTarget writes, all but the first User-Agent, and a User-Agent of "".
func AppendRequestField(to []byte, name string, values []string) (with []byte, ok bool) {
	switch name {
	case "Host", "Content-Length", "Transfer-Encoding", "Trailer":
		return to, isWritable(name, values)
	case "User-Agent":
		if values = values[:min(1, len(values))]; len(values) > 0 && values[0] == "" {
			return to, true
		}
	}
	if !isWritable(name, values) {
		return to, false
	}
	for _, value := range values {
		to = appendLine(to, name, value)
	}
	return to, true
}

// hasOnlyHead reports whether a request has a target that can be written, no body, and
// no framing but what AppendTarget writes.
func hasOnlyHead(r *http.Request) bool {
	return r.Method != http.MethodConnect && r.ContentLength == 0 && r.TransferEncoding == nil && r.Trailer == nil && !r.Close
}

// isUnescapedHost reports whether net/http writes a host as it is: without a zone (RFC
// 6874 section 4), and with nothing to encode.
func isUnescapedHost(host string) bool {
	for i := range len(host) {
		if host[i] >= 0x80 || host[i] == '%' {
			return false
		}
	}
	return httpguts.ValidHostHeader(host)
}

// AppendField appends a field line for each value. As net/http does, it omits a field
// whose name is not a token, and replaces line breaks in values with spaces.
func AppendField(to []byte, name string, values []string) []byte {
	if !IsName(name) {
		return to
	}
	for _, value := range values {
		if !IsValue(value) {
			value = newlineReplacer.Replace(value)
		}
		to = appendLine(to, name, value)
	}
	return to
}

var newlineReplacer = strings.NewReplacer("\n", " ", "\r", " ")

func appendLine(to []byte, name, value string) []byte {
	to = append(to, name...)
	to = append(to, ": "...)
	to = append(to, trim(value)...)
	return append(to, "\r\n"...)
}

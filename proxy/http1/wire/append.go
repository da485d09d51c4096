package wire

import (
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// IsWritable reports whether all fields are such as may be written (RFC 9110
// section 5.5): net/http would leave some out and change others.
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

// AppendRequest writes the head of a request without a body, whose method is a
// token, as http.Request.Write does. It is not plain when a field may not be
// written as it is.
func AppendRequest(to []byte, r *http.Request) (head []byte, ok bool) {
	if len(r.Header["User-Agent"]) == 0 { // net/http would invent one
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

// AppendTarget is AppendRequest up to the fields of the request's header.
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

// AppendRequestField writes a field of such a request, but for those that it has
// already. Of User-Agent there is one, or none for "".
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

// hasOnlyHead reports of a request whether it has a target to speak of, and its header
// need not say more than it does.
func hasOnlyHead(r *http.Request) bool {
	return r.Method != http.MethodConnect && r.ContentLength == 0 && r.TransferEncoding == nil && r.Trailer == nil && !r.Close
}

// isUnescapedHost reports of a host that net/http writes as it is: without a zone
// (RFC 6874 section 4), and with nothing to encode.
func isUnescapedHost(host string) bool {
	for i := range len(host) {
		if host[i] >= 0x80 || host[i] == '%' {
			return false
		}
	}
	return httpguts.ValidHostHeader(host)
}

// AppendField writes a field line for each value. It leaves out a field whose
// name is no token, and has spaces in place of the line breaks in a value, as
// net/http does.
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

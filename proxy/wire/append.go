package wire

import (
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// IsWritable tells whether all fields are such as may be written (RFC 9110
// section 5.5): net/http would leave some out and change others.
func IsWritable(header http.Header) bool {
	for name, values := range header {
		if !IsName(name) {
			return false
		}
		for _, value := range values {
			if !IsValue(value) {
				return false
			}
		}
	}
	return true
}

// AppendRequest writes the head of a request without a body, whose header
// IsWritable and whose method is a token, as http.Request.Write does.
func AppendRequest(to []byte, r *http.Request) (head []byte, plain bool) {
	host, target := r.Host, r.URL.RequestURI()
	if host == "" {
		host = r.URL.Host
	}
	agents := r.Header["User-Agent"]
	if len(agents) == 0 || !isHeadAlone(r) || !isPlainHost(host) || !IsValue(target) || strings.IndexByte(target, '\t') >= 0 {
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
	if agents[0] != "" {
		to = appendLine(to, "User-Agent", agents[0])
	}
	switch method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		to = append(to, "Content-Length: 0\r\n"...)
	}
	for name, values := range r.Header {
		switch name {
		case "Host", "User-Agent", "Content-Length", "Transfer-Encoding", "Trailer":
			continue
		}
		for _, value := range values {
			to = appendLine(to, name, value)
		}
	}
	return append(to, "\r\n"...), true
}

// isHeadAlone tells of a request that has a target to speak of, and whose header
// need not say more than it does.
func isHeadAlone(r *http.Request) bool {
	return r.Method != http.MethodConnect && r.ContentLength == 0 && r.TransferEncoding == nil && r.Trailer == nil && !r.Close
}

// isPlainHost tells of a host that net/http writes as it is: without a zone
// (RFC 6874 section 4), and with nothing to encode.
func isPlainHost(host string) bool {
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
			value = breaks.Replace(value)
		}
		to = appendLine(to, name, value)
	}
	return to
}

var breaks = strings.NewReplacer("\n", " ", "\r", " ")

func appendLine(to []byte, name, value string) []byte {
	to = append(to, name...)
	to = append(to, ": "...)
	to = append(to, trim(value)...)
	return append(to, "\r\n"...)
}

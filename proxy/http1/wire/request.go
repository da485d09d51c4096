package wire

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Request parses the head of a request into r: all fields that net/http's server sets,
// except for the body. If r.URL is not nil, it is overwritten. A request is simple
// only with a target in origin-form, one Host, a common method, a body of known length
// if any, and without Expect and Upgrade.
func Request(head string, r *http.Request) (ok bool) {
	method, target, lines, ok := requestLine(head)
	if !ok {
		return false
	}
	if r.URL == nil {
		r.URL = new(url.URL)
	}
	if !parseTarget(target, r.URL) {
		return false
	}
	header, ok := Fields(strings.TrimSuffix(lines, "\r\n"))
	if !ok {
		return false
	}
	r.Method, r.RequestURI, r.Header = method, target, header
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	return setHost(r) && setFraming(r)
}

// requestLine splits a head behind its first line, and that line into its parts.
func requestLine(head string) (method, target, lines string, ok bool) {
	line, lines, _ := strings.Cut(head, "\r\n")
	method, rest, _ := strings.Cut(line, " ")
	target, proto, _ := strings.Cut(rest, " ")
	ok = proto == "HTTP/1.1" && isCommonMethod(method) && strings.HasPrefix(target, "/")
	return method, target, lines, ok
}

func isCommonMethod(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return true
	}
	return false
}

// parseTarget parses a target in origin-form.
func parseTarget(target string, into *url.URL) (ok bool) {
	path, query, hasQuery := strings.Cut(target, "?")
	simple := IsValue(query) && strings.IndexByte(query, '\t') < 0
	for i := 0; simple && i < len(path); i++ {
		simple = unescapedPathByte[path[i]]
	}
	if simple {
		*into = url.URL{Path: path, RawQuery: query, ForceQuery: hasQuery && query == ""}
		return true
	}
	parsed, err := url.ParseRequestURI(target)
	if err != nil {
		return false
	}
	*into = *parsed
	return true
}

// unescapedPathByte has the bytes of a path that net/url neither decodes nor encodes.
var unescapedPathByte = func() (table [256]bool) {
	for char := range classes {
		table[char] = classes[char] >= lower
	}
	for _, char := range "0123456789-_.~/$&+,:;=@" {
		table[char] = true
	}
	return table
}()

func setHost(r *http.Request) bool {
	hosts := r.Header["Host"]
	if len(hosts) != 1 || !httpguts.ValidHostHeader(hosts[0]) {
		return false
	}
	r.Host = hosts[0]
	delete(r.Header, "Host")
	return true
}

// setFraming sets what says where the request ends, and whether another one follows.
func setFraming(r *http.Request) bool {
	if r.Header["Transfer-Encoding"] != nil || r.Header["Upgrade"] != nil || r.Header["Expect"] != nil || r.Header["Trailer"] != nil {
		return false
	}
	if connection := r.Header["Connection"]; connection != nil {
		switch {
		case len(connection) > 1:
			return false
		case isToken(connection[0], "close"):
			r.Close = true
		case !isToken(connection[0], "keep-alive"):
			return false
		}
	}
	if lengths := r.Header["Content-Length"]; lengths != nil {
		length, ok := parseLength(lengths)
		if !ok {
			return false
		}
		r.ContentLength = length
	}
	fixPragma(r.Header)
	return true
}

// parseLength parses a Content-Length. There must be exactly one.
func parseLength(values []string) (length int64, ok bool) {
	if len(values) != 1 || values[0] == "" || len(values[0]) > 18 {
		return 0, false
	}
	for i := range len(values[0]) {
		if values[0][i] < '0' || values[0][i] > '9' {
			return 0, false
		}
	}
	length, err := strconv.ParseInt(values[0], 10, 64)
	return length, err == nil
}

// fixPragma adds Cache-Control for "Pragma: no-cache", as net/http does.
func fixPragma(header http.Header) {
	if pragma := header["Pragma"]; len(pragma) > 0 && pragma[0] == "no-cache" && header["Cache-Control"] == nil {
		header["Cache-Control"] = []string{"no-cache"}
	}
}

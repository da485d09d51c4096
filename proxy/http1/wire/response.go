package wire

import (
	"net/http"
	"strconv"
	"strings"
)

// Response parses the head of the response to a request with that method. A response
// is simple only when it is final and has a Content-Length, even 0; one that has no
// body because of its status or method is not. The body is the caller's.
func Response(head, method string) (res *http.Response, ok bool) {
	line, lines, found := strings.Cut(head, "\r\n")
	status, isHTTP11 := strings.CutPrefix(line, "HTTP/1.1 ")
	if !found || !isHTTP11 || len(status) < 4 || status[0] < '2' || status[0] > '9' || status[3] != ' ' {
		return nil, false
	}
	code, err := strconv.Atoi(status[:3])
	if err != nil || status[1] < '0' || !IsValue(status) {
		return nil, false
	}
	header, ok := Fields(strings.TrimSuffix(lines, "\r\n"))
	if !ok || header["Transfer-Encoding"] != nil || header["Trailer"] != nil {
		return nil, false
	}
	res = &http.Response{
		Status: status, StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header,
	}
	if connection := header["Connection"]; connection != nil {
		switch {
		case len(connection) > 1:
			return nil, false
		case isToken(connection[0], "close"):
			res.Close = true
			delete(header, "Connection")
		case !isToken(connection[0], "keep-alive"):
			return nil, false
		}
	}
	length, ok := parseLength(header["Content-Length"])
	if !ok || code == http.StatusNoContent || code == http.StatusNotModified || method == http.MethodHead {
		return nil, false
	}
	res.ContentLength = length
	fixPragma(header)
	return res, true
}

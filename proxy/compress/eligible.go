package compress

import (
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

// minimum is the smallest length of an answer that is compressed, in bytes. Below it, an
// answer fits one packet anyway.
const minimum = 1 << 10

// isCompressible reports whether a Content-Type is one whose content becomes smaller. An
// event stream is not one: each event would be flushed on its own, and some clients read
// events only as they are. Nor is any gRPC type: gRPC compresses its messages itself.
func isCompressible(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	kind = strings.ToLower(textproto.TrimString(kind))
	switch {
	case kind == "text/event-stream", strings.HasPrefix(kind, "application/grpc"):
		return false
	case strings.HasPrefix(kind, "text/"), strings.HasSuffix(kind, "+json"), strings.HasSuffix(kind, "+xml"), strings.HasSuffix(kind, "+text"):
		return true
	}
	switch kind {
	case "application/json", "application/x-ndjson", "application/jsonlines", "application/json-seq", "application/javascript",
		"application/x-javascript", "application/ecmascript", "application/xml", "application/wasm", "application/yaml", "application/toml",
		"application/x-www-form-urlencoded", "application/sql", "application/rtf", "application/vnd.ms-fontobject",
		"font/ttf", "font/otf", "font/collection", "image/bmp", "image/x-icon", "image/vnd.microsoft.icon":
		return true
	}
	return false
}

// mayHaveBody reports whether an answer with the status has content that is a whole
// representation.
func mayHaveBody(status int) bool {
	switch status {
	case http.StatusNoContent, http.StatusResetContent, http.StatusPartialContent, http.StatusNotModified:
		return false
	}
	return status >= 200
}

// isEligible reports whether an answer with this header may be compressed, whatever its
// length. An answer that sets a cookie is personal: by its length, an attacker who chooses
// a part of it could guess the rest (BREACH).
func isEligible(status int, header http.Header) bool {
	return mayHaveBody(status) && isCompressible(first(header["Content-Type"])) && len(header["Content-Encoding"]) == 0 &&
		len(header["Content-Range"]) == 0 && len(header["Set-Cookie"]) == 0 && !hasNoTransform(header)
}

// hasNoTransform reports whether a header forbids to change the content (RFC 9111 section
// 5.2).
func hasNoTransform(header http.Header) bool { return lists(header["Cache-Control"], "no-transform") }

// lists reports whether the values of a header, which are lists, have the name.
func lists(values []string, name string) bool {
	for _, list := range values {
		for one := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(textproto.TrimString(one), name) {
				return true
			}
		}
	}
	return false
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// lengthOf returns the Content-Length of an answer, or -1.
func lengthOf(header http.Header) int64 {
	if length, err := strconv.ParseInt(first(header["Content-Length"]), 10, 64); err == nil && length >= 0 {
		return length
	}
	return -1
}

// addVary tells caches that the answer depends on Accept-Encoding (RFC 9110 section 12.5.5).
func addVary(header http.Header) {
	vary := header["Vary"]
	if !lists(vary, "Accept-Encoding") && !lists(vary, "*") {
		header["Vary"] = append(slices.Clip(vary), "Accept-Encoding")
	}
}

// digests are fields about the bytes of the content, which change (RFC 9530, RFC 3230, RFC
// 1864). Some come as trailers.
var digests = [...]string{"Content-Digest", "Repr-Digest", "Digest", "Content-Md5"}

// encode changes the header of an answer to that of the compressed one. The ETag becomes
// weak (RFC 9110 section 8.8.1): the bytes are not the same. Parts of the answer cannot be
// asked for.
func encode(header http.Header, coding string) {
	header["Content-Encoding"] = []string{coding}
	delete(header, "Content-Length")
	delete(header, "Accept-Ranges")
	removeDigests(header)
	weaken(header)
	if announced := header["Trailer"]; len(announced) > 0 {
		header["Trailer"] = withoutDigests(announced)
	}
}

// removeDigests deletes the digests of the content, also those that are sent as trailers.
func removeDigests(header http.Header) {
	for _, name := range digests {
		delete(header, name)
		delete(header, http.TrailerPrefix+name)
	}
}

// withoutDigests returns the names of trailers without those of digests.
func withoutDigests(announced []string) []string {
	var kept []string
	for _, list := range announced {
		for name := range strings.SplitSeq(list, ",") {
			if name = textproto.TrimString(name); !slices.Contains(digests[:], http.CanonicalHeaderKey(name)) {
				kept = append(kept, name)
			}
		}
	}
	return kept
}

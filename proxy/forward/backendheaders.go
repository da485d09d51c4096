package forward

import (
	"net/http"
	"net/textproto"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// This file alone decides which header fields a backend may send to a client. Each
// kind of message has its function:
//
//   - cleanInterim cleans informational answers (1xx) and a switch of protocols (101).
//   - removeOwn cleans final answers. httputil has removed the hop-by-hop fields before.
//   - cleanTrailer cleans trailers.

// removeOwn deletes the fields that the gateway itself sets in every answer.
func (b *Backend) removeOwn(header http.Header) {
	if len(header) == 0 {
		return
	}
	delete(header, "X-Request-Id")
	delete(header, "X-Process-Time")
	if b.cors {
		delete(header, "Access-Control-Allow-Origin")
		delete(header, "Access-Control-Allow-Credentials")
		delete(header, "Access-Control-Expose-Headers")
	}
}

// cleanInterim deletes the fields that a backend may not send before its final answer.
// These are fields for the next hop only (RFC 9110 section 7.6.1), Content-Length (section
// 8.6), and the fields that the gateway itself sets.
func (b *Backend) cleanInterim(header http.Header) {
	for _, list := range header["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			delete(header, http.CanonicalHeaderKey(textproto.TrimString(name)))
		}
	}
	for name := range header {
		if isHopByHop(name) || name == "Content-Length" {
			delete(header, name)
		}
	}
	b.removeSet(header)
}

// cleanTrailer deletes the fields that a backend may not send after its answer. These are
// fields that are not allowed in trailers (RFC 9110 section 6.5.1), and the fields that
// the gateway itself sets. A client may merge the trailers into the header.
func (b *Backend) cleanTrailer(trailer http.Header) {
	for name := range trailer {
		if !httpguts.ValidTrailerHeader(name) || isHopByHop(name) {
			delete(trailer, name)
		}
	}
	b.removeSet(trailer)
}

// removeSet deletes the fields that the gateway sets in every answer, and those that the
// table sets or removes.
func (b *Backend) removeSet(header http.Header) {
	b.removeOwn(header)
	if b.policy.answers != nil {
		b.policy.answers.RemoveFrom(header)
	}
	if b.answers != nil {
		b.answers.RemoveFrom(header)
	}
}

package forward

import (
	"net/http"
	"net/textproto"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// This file is the one place that decides what a backend may say to a client.
// Every message passes it: informational answers (1xx) and a switch of protocols
// (101) by cleanInterim, final answers by removeOwn, behind httputil, which has
// removed the hop-by-hop fields by then, and trailers by cleanTrailer.

// removeOwn deletes what the gateway says of every answer by itself.
func (p *HeaderPolicy) removeOwn(header http.Header) {
	if len(header) == 0 {
		return
	}
	delete(header, "X-Request-Id")
	delete(header, "X-Process-Time")
	if p.cors {
		delete(header, "Access-Control-Allow-Origin")
		delete(header, "Access-Control-Allow-Credentials")
		delete(header, "Access-Control-Expose-Headers")
	}
}

// cleanInterim deletes all that a backend may not say before its final answer:
// what is for the next hop alone (RFC 9110 section 7.6.1), the length of a body
// that there is not (section 8.6), and what the gateway says itself.
func (p *HeaderPolicy) cleanInterim(header http.Header) {
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
	p.removeOwn(header)
	for _, own := range p.answers {
		delete(header, own.name)
	}
}

// cleanTrailer deletes what a backend may not say behind its answer: what the
// gateway says itself, and what is no trailer (RFC 9110 section 6.5.1). A client
// may merge the trailers into the header.
func (p *HeaderPolicy) cleanTrailer(trailer http.Header) {
	for name := range trailer {
		if !httpguts.ValidTrailerHeader(name) || isHopByHop(name) {
			delete(trailer, name)
		}
	}
	p.removeOwn(trailer)
	for _, own := range p.answers {
		delete(trailer, own.name)
	}
}

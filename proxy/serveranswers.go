package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"gatehouse/internal/httperr"
	"gatehouse/proxy/clientip"
	"gatehouse/proxy/http2conn"
)

// The answers to requests that net/http's server refuses by itself. See
// listener.Options.Answer.
var (
	refuseRequest = &httperr.Error{
		Status: http.StatusBadRequest,
		Detail: "The request is malformed.",
	}
	refuseLateHead = &httperr.Error{
		Status: http.StatusRequestTimeout,
		Detail: "The request header did not arrive in time.",
	}
	refuseExpect = &httperr.Error{
		Status: http.StatusExpectationFailed,
		Detail: "The Expect header may only be 100-continue.",
	}
	refuseLargeHead = &httperr.Error{
		Status: http.StatusRequestHeaderFieldsTooLarge,
		Detail: "The request header is too large.",
	}
	refuseCoding = &httperr.Error{
		Status: http.StatusNotImplemented, Reason: httperr.ReasonUnsupported,
		Detail: "The transfer coding is not supported.",
	}
	refuseVersion = &httperr.Error{
		Status: http.StatusHTTPVersionNotSupported, Reason: httperr.ReasonUnsupported,
		Detail: "The HTTP version is not supported.",
	}
)

// serverRefusal returns the refusal for a status that net/http's server answers with.
func serverRefusal(status int) *httperr.Error {
	for _, refusal := range []*httperr.Error{refuseRequest, refuseLateHead, refuseExpect, refuseLargeHead, refuseCoding, refuseVersion} {
		if refusal.Status == status {
			return refusal
		}
	}
	return nil
}

// refuseMarked returns a refusal for an HTTP/2 request that package http2conn has marked,
// because net/http's server would answer it by itself, and nil for all others.
func refuseMarked(r *http.Request) *httperr.Error {
	if r.ProtoMajor < 2 || len(r.Header[http2conn.RefuseHeader]) == 0 {
		return nil
	}
	if r.Header[http2conn.RefuseHeader][0] == strconv.Itoa(http.StatusRequestHeaderFieldsTooLarge) {
		return refuseLargeHead
	}
	return refuseRequest
}

// answerForServer is the Answer of the listeners. It passes a request that no handler
// gets through an exchange, so that it is answered, counted and logged like all others.
func (g *Gateway) answerForServer(conn net.Conn, status int, reason string) []byte {
	refusal := serverRefusal(status)
	if refusal == nil {
		return nil
	}
	if reason != "" && reason != http.StatusText(status) {
		refusal = refusal.Because(errors.New(reason))
	}
	w := &wireAnswer{header: http.Header{}}
	r := &http.Request{
		URL: &url.URL{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: http.NoBody,
		RemoteAddr: conn.RemoteAddr().String(),
	}
	x := g.begin(w, r)
	x.response.last = true
	var trusted []netip.Prefix
	if x.table != nil {
		trusted = x.table.trusted
	}
	x.caller = clientip.Find(clientip.PeerAt(r.RemoteAddr), r, trusted)
	x.refuse(r, refusal)
	x.finish(r, nil)
	return w.bytes()
}

// wireAnswer is an http.ResponseWriter that keeps a small answer.
type wireAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (w *wireAnswer) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *wireAnswer) WriteHeader(status int) { w.status = status }

// Write implements http.ResponseWriter.
func (w *wireAnswer) Write(p []byte) (int, error) { return w.body.Write(p) }

// bytes returns the answer in HTTP/1.1 (RFC 9112 section 4).
func (w *wireAnswer) bytes() []byte {
	var answer bytes.Buffer
	fmt.Fprintf(&answer, "HTTP/1.1 %d %s\r\n", w.status, http.StatusText(w.status))
	w.header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	_ = w.header.Write(&answer) // a buffer does not fail
	answer.WriteString("\r\n")
	answer.Write(w.body.Bytes())
	return answer.Bytes()
}

package proxy

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"gatehouse/proxy/http1/transport"
)

// This file says which headers a backend gets: one function, eachField, whose
// output http1/transport writes, net/http's transport gets as a map, and explain
// shows. httputil copies none: it is given a request without a header.

// eachField calls put for every header that the backend gets: the client's, but
// for those that are for one hop alone (RFC 9110 section 7.6.1) and those that
// the client may not send, and then the gateway's own.
func (x *exchange) eachField(put func(name string, values []string)) {
	in := x.sent.Header
	listed := connectionOptions(in["Connection"])
	for name, values := range in {
		if !isHopByHop(name) && !slices.Contains(listed, name) && x.mayPass(name) {
			put(x.spell(name), values)
		}
	}
	if httpguts.HeaderValuesContainsToken(in["Te"], "trailers") {
		put("Te", teTrailers)
	}
	if x.upgrade != "" {
		put("Connection", connectionUpgrade)
		put("Upgrade", x.singleValue(x.upgrade))
	}
	x.forwarded(x.sent, put)
	put("X-Request-Id", x.singleValue(x.id))
	x.inject(x.table.identity, put)
}

// The values of headers that are the same in all requests.
var (
	teTrailers        = []string{"trailers"}
	connectionUpgrade = []string{"Upgrade"}
)

// mayPass reports whether the client's header goes to the backend under the
// route's rules.
func (x *exchange) mayPass(name string) bool {
	switch name {
	case "Authorization":
		if !x.route.config.ForwardToken {
			return false
		}
	case "Expect":
		if x.http10 { // RFC 9110 section 10.1.1: there is no 100 to wait for
			return false
		}
	}
	return !x.table.forbidden(name, x.route, x.caller.trusted)
}

// spell returns how a client's header is written to the backend.
func (x *exchange) spell(name string) string {
	if x.webSocket {
		return spelledWebSocket(name)
	}
	return name
}

// connectionOptions returns the names that a client's Connection lists. Of the
// usual ones, which name no header, it makes no list.
func connectionOptions(connection []string) (names []string) {
	if len(connection) == 0 || len(connection) == 1 && (strings.EqualFold(connection[0], "keep-alive") || connection[0] == "close") {
		return nil
	}
	for _, list := range connection {
		for name := range strings.SplitSeq(list, ",") {
			names = append(names, http.CanonicalHeaderKey(textproto.TrimString(name)))
		}
	}
	return names
}

// goesDirect reports whether http1/transport may write the headers as they come.
// It looks at a header for what concerns how the request is sent: those are
// not in Fields; see transport.Fields.
func (x *exchange) goesDirect(in *http.Request) bool {
	for _, special := range [...]string{"Expect", "Idempotency-Key", "X-Idempotency-Key"} {
		if len(in.Header[special]) > 0 {
			return false
		}
	}
	return x.route.lean && in.ContentLength == 0 && x.upgrade == ""
}

// AppendFields implements transport.Fields.
func (x *exchange) AppendFields(to []byte) (with []byte, ok bool) {
	ok = true
	x.eachField(func(name string, values []string) {
		if ok {
			to, ok = transport.AppendField(to, name, values)
		}
	})
	return to, ok
}

// AsHeader implements transport.Fields.
func (x *exchange) AsHeader() http.Header {
	header := make(http.Header, len(x.sent.Header)+len(x.singleValues))
	header["User-Agent"] = []string{""} // httputil's word for "do not invent one"
	x.eachField(func(name string, values []string) { header[name] = values })
	return header
}

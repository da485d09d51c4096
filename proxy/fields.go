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
func (a *attempt) eachField(put func(name string, values []string)) {
	in := a.x.sent.Header
	listed := connectionOptions(in["Connection"])
	for name, values := range in {
		if !isHopByHop(name) && !slices.Contains(listed, name) && a.x.mayPass(name) {
			put(a.spell(name), values)
		}
	}
	if httpguts.HeaderValuesContainsToken(in["Te"], "trailers") {
		put("Te", teTrailers)
	}
	if a.upgrade != "" {
		put("Connection", connectionUpgrade)
		put("Upgrade", a.x.singleValue(a.upgrade))
	}
	a.x.forwarded(put)
	put("X-Request-Id", a.x.singleValue(a.x.id))
	a.x.inject(a.x.table.identity, put)
}

// forwarded calls put for the X-Forwarded-* that a backend gets. They hold nothing that
// a client sent. A trusted proxy's are kept; its list of addresses ends with its own.
func (x *exchange) forwarded(put func(name string, values []string)) {
	if addresses := x.caller.Addresses(x.sent); addresses != "" {
		put("X-Forwarded-For", x.singleValue(addresses))
	}
	host, readable := x.caller.Host(x.sent)
	if !readable {
		x.logUnreadable("X-Forwarded-Host")
	}
	if host != "" {
		put("X-Forwarded-Host", x.singleValue(host))
	}
	scheme, readable := x.caller.Scheme(x.sent)
	if !readable {
		x.logUnreadable("X-Forwarded-Proto")
	}
	put("X-Forwarded-Proto", x.singleValue(scheme))
}

// logUnreadable logs a header of a trusted proxy that was not read.
func (x *exchange) logUnreadable(name string) {
	if x.gateway != nil { // or the request is only explained
		x.gateway.unreadable.Log(x.gateway.log, x.caller.Peer, name)
	}
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
	return !x.table.forbidden(name, x.route, x.caller.Trusted)
}

// spell returns how a client's header is written to the backend.
func (a *attempt) spell(name string) string {
	if a.webSocket {
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
func (a *attempt) goesDirect(in *http.Request) bool {
	for _, special := range [...]string{"Expect", "Idempotency-Key", "X-Idempotency-Key"} {
		if len(in.Header[special]) > 0 {
			return false
		}
	}
	return a.x.route.lean && in.ContentLength == 0 && a.upgrade == ""
}

// AppendFields implements transport.Fields.
func (a *attempt) AppendFields(to []byte) (with []byte, ok bool) {
	ok = true
	a.eachField(func(name string, values []string) {
		if ok {
			to, ok = transport.AppendField(to, name, values)
		}
	})
	return to, ok
}

// AsHeader implements transport.Fields.
func (a *attempt) AsHeader() http.Header {
	header := make(http.Header, len(a.x.sent.Header)+len(a.x.singleValues))
	header["User-Agent"] = []string{""} // httputil's word for "do not invent one"
	a.eachField(func(name string, values []string) { header[name] = values })
	return header
}

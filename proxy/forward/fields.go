package forward

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
	in := a.t.In.Header
	listed := connectionOptions(in["Connection"])
	for name, values := range in {
		if !isHopByHop(name) && !slices.Contains(listed, name) && a.t.mayPass(name) {
			put(a.spell(name), values)
		}
	}
	if httpguts.HeaderValuesContainsToken(in["Te"], "trailers") {
		put("Te", teTrailers)
	}
	if a.upgrade.wanted != "" {
		put("Connection", connectionUpgrade)
		put("Upgrade", a.t.values.one(a.upgrade.wanted))
	}
	a.t.forwarded(put)
	put("X-Request-Id", a.t.values.one(a.t.ID))
	a.t.inject(put)
}

// forwarded calls put for the X-Forwarded-* that a backend gets. They hold nothing that
// a client sent. A trusted proxy's are kept; its list of addresses ends with its own.
func (t *Transfer) forwarded(put func(name string, values []string)) {
	if addresses := t.Caller.Addresses(t.In); addresses != "" {
		put("X-Forwarded-For", t.values.one(addresses))
	}
	host, readable := t.Caller.Host(t.In)
	if !readable {
		t.logUnreadable("X-Forwarded-Host")
	}
	if host != "" {
		put("X-Forwarded-Host", t.values.one(host))
	}
	scheme, readable := t.Caller.Scheme(t.In)
	if !readable {
		t.logUnreadable("X-Forwarded-Proto")
	}
	put("X-Forwarded-Proto", t.values.one(scheme))
}

// inject calls put for what the gateway knows of the user. A claim that the token does
// not have leaves its header absent.
func (t *Transfer) inject(put func(name string, values []string)) {
	if t.Identity == nil {
		return
	}
	for _, h := range t.backend.policy.identity {
		if value := t.Identity.Claim(h.claim); value != "" {
			put(h.name, t.values.one(value))
		}
	}
}

// logUnreadable logs a header of a trusted proxy that was not read.
func (t *Transfer) logUnreadable(name string) {
	if f := t.forwarder; f != nil {
		f.unreadable.Log(f.log, t.Caller.Peer, name)
	}
}

// The values of headers that are the same in all requests.
var (
	teTrailers        = []string{"trailers"}
	connectionUpgrade = []string{"Upgrade"}
)

// mayPass reports whether the client's header goes to the backend under the
// route's rules.
func (t *Transfer) mayPass(name string) bool {
	switch name {
	case "Authorization":
		if !t.backend.config.ForwardToken {
			return false
		}
	case "Expect":
		if t.isHTTP10() { // RFC 9110 section 10.1.1: there is no 100 to wait for
			return false
		}
	}
	return !t.backend.policy.forbidden(name, len(t.backend.config.Methods) > 0, t.Caller.Trusted)
}

// spell returns how a client's header is written to the backend.
func (a *attempt) spell(name string) string {
	if a.upgrade.webSocket {
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
func (a *attempt) goesDirect() bool {
	in := a.t.In
	for _, special := range [...]string{"Expect", "Idempotency-Key", "X-Idempotency-Key"} {
		if len(in.Header[special]) > 0 {
			return false
		}
	}
	return a.t.backend.lean && in.ContentLength == 0 && a.upgrade.wanted == ""
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
	header := make(http.Header, len(a.t.In.Header)+len(a.t.values.room))
	header["User-Agent"] = []string{""} // httputil's word for "do not invent one"
	a.eachField(func(name string, values []string) { header[name] = values })
	return header
}

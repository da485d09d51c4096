package forward

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"gatehouse/proxy/headers"
	"gatehouse/proxy/http1/transport"
)

// This file defines which header fields a backend gets. One function, eachField,
// produces them for all users: http1/transport writes them, net/http's transport
// gets them as a map, and explain shows them. httputil copies no fields, because it
// gets a request without a header.

// eachField calls put for every header field that the backend gets: first the client's,
// then those that the route sets and adds, then the gateway's own. An added field may have
// the name of another one; all other names are put once. It omits fields of the client that are for one hop only (RFC
// 9110 section 7.6.1), and those that the client may not send.
func (a *attempt) eachField(put func(name string, values []string)) {
	in := a.t.In.Header
	listed := connectionOptions(in["Connection"])
	for name, values := range in {
		if !isHopByHop(name) && !isListed(listed, name) && a.t.mayPass(name) {
			if name == "Cookie" && a.t.backend.servers != nil {
				if values = a.t.backend.withoutSticky(values); len(values) == 0 {
					continue
				}
			}
			put(a.spell(name), values)
		}
	}
	if httpguts.HeaderValuesContainsToken(in["Te"], "trailers") {
		put("Te", teTrailers)
	}
	a.t.change(put)
	if a.upgrade.wanted != "" {
		put("Connection", connectionUpgrade)
		put("Upgrade", a.t.values.single(a.upgrade.wanted))
	}
	a.t.forwarded(put)
	put("X-Request-Id", a.t.values.single(a.t.ID))
	a.t.inject(put)
}

// forwarded calls put for the X-Forwarded-* fields that a backend gets. Values from a
// client are dropped. Values from a trusted proxy are kept, and the address of that
// proxy is added to the list of addresses.
func (t *Transfer) forwarded(put func(name string, values []string)) {
	if addresses := t.Caller.Addresses(t.In); addresses != "" {
		put("X-Forwarded-For", t.values.single(addresses))
	}
	host, readable := t.Caller.Host(t.In)
	if !readable {
		t.logUnreadable("X-Forwarded-Host")
	}
	if host != "" {
		put("X-Forwarded-Host", t.values.single(host))
	}
	scheme, readable := t.Caller.Scheme(t.In)
	if !readable {
		t.logUnreadable("X-Forwarded-Proto")
	}
	put("X-Forwarded-Proto", t.values.single(scheme))
}

// change calls put for the fields of `request_headers`.
func (t *Transfer) change(put func(name string, values []string)) {
	rules := t.backend.changes
	if rules == nil {
		return
	}
	facts := headers.Facts{
		ClientIP: t.Caller.IP, RequestID: t.ID, Host: t.In.Host, Route: t.backend.config.Name, Identity: t.Identity,
	}
	rules.Each(&facts, t.values.single, put)
}

// replaces reports whether `request_headers` removes or sets a field, in any spelling.
func (t *Transfer) replaces(name string) bool {
	return t.backend.changes != nil && t.backend.changes.Replaces(name)
}

// inject calls put for the identity headers of the user. The header of a claim that
// the token does not have is not sent.
func (t *Transfer) inject(put func(name string, values []string)) {
	if t.Identity == nil {
		return
	}
	for _, h := range t.backend.policy.identity {
		if value := t.Identity.Claim(h.claim); value != "" {
			put(h.name, t.values.single(value))
		}
	}
}

// logUnreadable logs that a header of a trusted proxy is unreadable.
func (t *Transfer) logUnreadable(name string) {
	if f := t.forwarder; f != nil {
		f.unreadable.Log(f.log, t.Caller.Peer, name)
	}
}

// Header values that are the same in all requests.
var (
	teTrailers        = []string{"trailers"}
	connectionUpgrade = []string{"Upgrade"}
)

// mayPass reports whether the route's rules let the client's header pass to the
// backend.
func (t *Transfer) mayPass(name string) bool {
	switch name {
	case "Authorization":
		if !t.backend.config.ForwardToken {
			return false
		}
	case "Expect":
		if t.isHTTP10() { // HTTP/1.0 has no 100 (RFC 9110 section 10.1.1)
			return false
		}
	}
	return !t.replaces(name) && !t.backend.policy.forbidden(name, len(t.backend.config.Methods) > 0, t.Caller.Trusted)
}

// spell returns the spelling in which a client's header name goes to the backend.
func (a *attempt) spell(name string) string {
	if a.upgrade.webSocket {
		return spelledWebSocket(name)
	}
	return name
}

// connectionOptions returns the names that a client's Connection header lists, in
// canonical form and sorted. It returns nil for the usual values keep-alive and close,
// which name no header.
func connectionOptions(connection []string) (names []string) {
	if len(connection) == 0 || len(connection) == 1 && (strings.EqualFold(connection[0], "keep-alive") || connection[0] == "close") {
		return nil
	}
	for _, list := range connection {
		for name := range strings.SplitSeq(list, ",") {
			names = append(names, http.CanonicalHeaderKey(textproto.TrimString(name)))
		}
	}
	slices.Sort(names)
	return names
}

// isListed reports whether sorted names have a name. A client may list as many names as
// it sends headers, so it must not be looked for in one after the other.
func isListed(names []string, name string) bool {
	if len(names) == 0 {
		return false
	}
	_, found := slices.BinarySearch(names, name)
	return found
}

// specialFields change how a request is sent; see transport.Fields.
var specialFields = [...]string{"Expect", "Idempotency-Key", "X-Idempotency-Key"}

// goesDirect reports whether http1/transport may write the header fields straight from
// eachField. It may not when a field changes how the request is sent: the transport
// finds such a field only in the header map; see transport.Fields.
func (a *attempt) goesDirect() bool {
	in := a.t.In
	for _, special := range specialFields {
		if len(in.Header[special]) > 0 {
			return false
		}
	}
	return a.t.backend.direct && in.ContentLength == 0 && a.upgrade.wanted == ""
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
	put := func(name string, values []string) { header[name] = values }
	if rules := a.t.backend.changes; rules != nil && rules.HasAdded() {
		put = func(name string, values []string) {
			if before := header[name]; len(before) > 0 {
				values = slices.Concat(before, values)
			}
			header[name] = values
		}
	}
	a.eachField(put)
	if _, has := header["User-Agent"]; !has {
		header["User-Agent"] = []string{""} // keeps net/http from adding its own
	}
	return header
}

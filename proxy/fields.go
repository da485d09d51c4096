package proxy

import (
	"net/http"
	"strings"

	"gatehouse/proxy/http1/transport"
)

// This file says what headers a backend gets: of the gateway always, of the
// client where httputil need not look at them, which is almost always. The lean
// lane writes them as they are given; other transports get a map.

// isOrdinary tells of a client's headers that httputil would only copy: nothing
// in them asks for more than the hop-by-hop ones to be left out, nor concerns
// how the request is sent.
func isOrdinary(header http.Header) bool {
	for _, special := range [...]string{"Upgrade", "Te", "Expect", "Idempotency-Key", "X-Idempotency-Key"} {
		if len(header[special]) > 0 {
			return false
		}
	}
	connection := header["Connection"]
	return len(connection) == 0 || len(connection) == 1 && (strings.EqualFold(connection[0], "keep-alive") || connection[0] == "close")
}

// eachField passes on the headers of the request to the backend.
func (x *exchange) eachField(put func(name string, values []string)) {
	t, r := x.table, x.route
	for name, values := range x.sent.Header {
		if !isHopByHop(name) && !t.forbidden(name, r, x.caller.trusted) && (r.config.ForwardToken || name != "Authorization") {
			put(name, values)
		}
	}
	x.eachOwn(x.sent, put)
}

// eachOwn passes on those of the gateway.
func (x *exchange) eachOwn(in *http.Request, put func(name string, values []string)) {
	x.forwarded(in, put)
	put("X-Request-Id", x.singleValue(x.id))
	x.inject(x.table.identity, put)
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

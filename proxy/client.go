package proxy

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"gatehouse/proxy/clientip"
	routing "gatehouse/proxy/route"
)

// caller is who sent a request, as far as the network tells.
type caller struct {
	ip         netip.Addr    // the client; invalid when the listener has no addresses
	peer       clientip.Peer // who is connected: the client, or a trusted proxy
	trusted    bool          // the peer is a trusted proxy: its X-Forwarded-* are believed
	unreadable bool          // the list of addresses ends in something that is none
	hops       uint32        // trusted proxies that wrote into the list of addresses; 0 when nobody did
}

// findCaller returns the peer, or, where that is a trusted proxy, the last address
// in X-Forwarded-For that is not one itself: whatever stands further left may
// have been written by the client. What cannot be read ends the chain, and the
// proxy that wrote it counts as the client.
func findCaller(from clientip.Peer, r *http.Request, trusted []netip.Prefix) caller {
	isTrusted := func(ip netip.Addr) bool { return contains(trusted, ip) }
	c := caller{ip: from.IP, peer: from, trusted: isTrusted(from.IP)}
	if !c.trusted {
		return c
	}
	lines := r.Header["X-Forwarded-For"]
	if len(lines) == 0 {
		c.unreadable = len(r.Header["Forwarded"]) > 0 // no proxy is believed in that form
		return c
	}
	hops := clientip.Backward(lines)
	for hop, more := hops.Next(); more; hop, more = hops.Next() {
		ip, ok := clientip.ParseAddr(hop)
		c.hops++
		if !ok {
			c.unreadable = true
			return c
		}
		c.ip = ip
		if !isTrusted(ip) {
			return c
		}
	}
	return c
}

// addressText is the address, or "" where the listener has none.
func addressText(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	return ip.String()
}

func contains(networks []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// trusts reports whether an address is a trusted proxy's.
func (t *Table) trusts(ip netip.Addr) bool { return contains(t.trusted, ip) }

// scheme is what the client spoke: a trusted proxy's word, or the listener's.
func (x *exchange) scheme(r *http.Request) string {
	if x.caller.trusted {
		if said := x.forwardedScheme(r); said != "" {
			if scheme, ok := clientip.ParseScheme(said); ok {
				return scheme
			}
			x.logUnreadable("X-Forwarded-Proto")
		}
	}
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// forwardedScheme returns the entry of X-Forwarded-Proto that counts. Where the
// list has as many entries as that of addresses, each proxy has appended to both,
// and the outermost trusted one's counts. Else somebody has appended to one of them
// only, and the first entry counts, as with other proxies (issue 10).
func (x *exchange) forwardedScheme(r *http.Request) string {
	schemes, addresses := r.Header["X-Forwarded-Proto"], r.Header["X-Forwarded-For"]
	hops := int(x.caller.hops)
	if hops > 0 && !x.caller.unreadable && clientip.Count(schemes) != clientip.Count(addresses) {
		hops = 0
	}
	return clientip.At(schemes, hops)
}

// host is what the client asked for: a trusted proxy's word, or that of the request.
func (x *exchange) host(r *http.Request) string {
	if x.caller.trusted {
		if said := clientip.Unquote(clientip.At(r.Header["X-Forwarded-Host"], int(x.caller.hops))); said != "" {
			if _, ok := routing.HostName(said); ok {
				return said
			}
			x.logUnreadable("X-Forwarded-Host")
		}
	}
	return r.Host
}

// forwarded gives the X-Forwarded-* that a backend sees. Nothing of them is what
// a client sent; a trusted proxy's is kept, its list of addresses grown by the
// proxy's own.
func (x *exchange) forwarded(in *http.Request, put func(name string, values []string)) {
	addresses := x.caller.peer.Text
	if x.caller.trusted {
		prior := strings.TrimRight(strings.Join(in.Header["X-Forwarded-For"], ", "), ", \t")
		if prior != "" {
			addresses = prior + ", " + addresses
		}
	}
	if addresses != "" {
		put("X-Forwarded-For", x.singleValue(addresses))
	}
	if host := x.host(in); host != "" {
		put("X-Forwarded-Host", x.singleValue(host))
	}
	put("X-Forwarded-Proto", x.singleValue(x.scheme(in)))
}

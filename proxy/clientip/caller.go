package clientip

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"gatehouse/proxy/route"
)

// Caller is the sender of a request, identified by its address.
type Caller struct {
	IP         netip.Addr // the client; invalid when the listener has no addresses
	Peer       Peer       // the client, or a trusted proxy
	Trusted    bool       // Peer is a trusted proxy: the gateway uses its X-Forwarded-*
	Unreadable bool       // the list of addresses has an entry that is not an address
	hops       uint32     // number of trusted proxies that added to the list of addresses
}

// Find returns the caller of a request. The caller is the peer, unless the peer is a
// trusted proxy. Then it is the last address in X-Forwarded-For that is not a trusted
// proxy's: the client may have written anything to the left of it. Find stops at an
// entry that it cannot read. The proxy that wrote that entry counts as the client.
func Find(from Peer, r *http.Request, trusted []netip.Prefix) Caller {
	c := Caller{IP: from.IP, Peer: from, Trusted: Contains(trusted, from.IP)}
	if !c.Trusted {
		return c
	}
	lines := r.Header["X-Forwarded-For"]
	if len(lines) == 0 {
		c.Unreadable = len(r.Header["Forwarded"]) > 0 // the format of RFC 7239 is not supported
		return c
	}
	entries := Backward(lines)
	for entry, more := entries.Next(); more; entry, more = entries.Next() {
		ip, ok := ParseAddr(entry)
		c.hops++
		if !ok {
			c.Unreadable = true
			return c
		}
		c.IP = ip
		if !Contains(trusted, ip) {
			return c
		}
	}
	return c
}

// Contains reports whether one of the networks contains the address. The zero Prefix
// contains the zero Addr only: that of the client of a unix socket.
func Contains(networks []netip.Prefix, ip netip.Addr) bool {
	if !ip.IsValid() {
		return slices.Contains(networks, netip.Prefix{})
	}
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// UnreadList returns the name of the header with unreadable addresses. It returns ""
// when all addresses were read.
func (c *Caller) UnreadList(r *http.Request) (header string) {
	switch {
	case !c.Unreadable:
		return ""
	case len(r.Header["X-Forwarded-For"]) == 0:
		return "Forwarded"
	}
	return "X-Forwarded-For"
}

// Scheme returns the scheme that the client used: the one that a trusted proxy sent, or
// that of the connection. readable is false when a trusted proxy sent an unknown scheme;
// then scheme is that of the connection.
func (c *Caller) Scheme(r *http.Request) (scheme string, readable bool) {
	readable = true
	if c.Trusted {
		if said := c.forwardedScheme(r); said != "" {
			if scheme, readable = ParseScheme(said); readable {
				return scheme, true
			}
		}
	}
	if r.TLS != nil {
		return "https", readable
	}
	return "http", readable
}

// forwardedScheme returns the entry of X-Forwarded-Proto to use. When it has as many
// entries as the list of addresses, each proxy has appended to both. Then the result is
// the entry of the outermost trusted proxy. Otherwise some proxy has appended to only
// one of them. Then the result is the first entry, as in other proxies (issue 10).
func (c *Caller) forwardedScheme(r *http.Request) string {
	schemes, addresses := r.Header["X-Forwarded-Proto"], r.Header["X-Forwarded-For"]
	hops := int(c.hops)
	if hops > 0 && !c.Unreadable && Count(schemes) != Count(addresses) {
		hops = 0
	}
	return At(schemes, hops)
}

// Host returns the host that the client asked for: the one that a trusted proxy sent, or
// that of the request. readable is false when a trusted proxy sent an invalid host; then
// host is that of the request.
func (c *Caller) Host(r *http.Request) (host string, readable bool) {
	if !c.Trusted {
		return r.Host, true
	}
	said := Unquote(At(r.Header["X-Forwarded-Host"], int(c.hops)))
	if said == "" {
		return r.Host, true
	}
	if _, ok := route.HostName(said); !ok {
		return r.Host, false
	}
	return said, true
}

// Addresses returns the X-Forwarded-For that a backend gets: the list of a trusted proxy
// and the peer, or only the peer. It returns "" when the listener has no addresses.
func (c *Caller) Addresses(r *http.Request) string {
	if !c.Trusted {
		return c.Peer.Text
	}
	prior := strings.TrimRight(strings.Join(r.Header["X-Forwarded-For"], ", "), ", \t")
	if prior == "" {
		return c.Peer.Text
	}
	if c.Peer.Text == "" {
		return prior
	}
	return prior + ", " + c.Peer.Text
}

package clientip

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"gatehouse/proxy/route"
)

// Caller is who sent a request, as far as the network tells.
type Caller struct {
	IP         netip.Addr // the client; invalid where the listener has no addresses
	Peer       Peer       // the client, or a trusted proxy
	Trusted    bool       // Peer is a trusted proxy: its X-Forwarded-* are believed
	Unreadable bool       // the list of addresses ends in an entry that is no address
	hops       uint32     // trusted proxies that wrote into the list of addresses
}

// Find returns the caller of a request. That is the peer or, where the peer is a
// trusted proxy, the last address in X-Forwarded-For that is not a trusted proxy's:
// the client may have written whatever stands further left. An entry that cannot be
// read ends the list, and the proxy that wrote it counts as the client.
func Find(from Peer, r *http.Request, trusted []netip.Prefix) Caller {
	c := Caller{IP: from.IP, Peer: from, Trusted: Contains(trusted, from.IP)}
	if !c.Trusted {
		return c
	}
	lines := r.Header["X-Forwarded-For"]
	if len(lines) == 0 {
		c.Unreadable = len(r.Header["Forwarded"]) > 0 // RFC 7239's form is not read
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

// Contains reports whether an address is in one of the networks.
func Contains(networks []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// UnreadList returns the name of the header whose addresses were not read; "" when
// all were.
func (c *Caller) UnreadList(r *http.Request) (header string) {
	switch {
	case !c.Unreadable:
		return ""
	case len(r.Header["X-Forwarded-For"]) == 0:
		return "Forwarded"
	}
	return "X-Forwarded-For"
}

// Scheme returns the scheme that the client used: what a trusted proxy says, or that
// of the connection. It is false when a trusted proxy says something unreadable.
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

// forwardedScheme returns the entry of X-Forwarded-Proto that counts. Where the
// list has as many entries as that of addresses, each proxy has appended to both,
// and the outermost trusted one's counts. Else somebody has appended to one of them
// only, and the first entry counts, as with other proxies (issue 10).
func (c *Caller) forwardedScheme(r *http.Request) string {
	schemes, addresses := r.Header["X-Forwarded-Proto"], r.Header["X-Forwarded-For"]
	hops := int(c.hops)
	if hops > 0 && !c.Unreadable && Count(schemes) != Count(addresses) {
		hops = 0
	}
	return At(schemes, hops)
}

// Host returns the host that the client asked for: what a trusted proxy says, or
// that of the request. It is false when a trusted proxy says something unreadable.
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

// Addresses returns the X-Forwarded-For that a backend gets: a trusted proxy's list
// and the peer, or the peer alone. It is "" where the listener has no addresses.
func (c *Caller) Addresses(r *http.Request) string {
	if !c.Trusted {
		return c.Peer.Text
	}
	prior := strings.TrimRight(strings.Join(r.Header["X-Forwarded-For"], ", "), ", \t")
	if prior == "" {
		return c.Peer.Text
	}
	return prior + ", " + c.Peer.Text
}

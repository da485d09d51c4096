package proxy

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// caller is who sent a request, as far as the network tells.
type caller struct {
	ip      netip.Addr // the client; invalid when the listener has no addresses
	peer    peer       // who is connected: the client, or a trusted proxy
	trusted bool       // the peer is a trusted proxy: its X-Forwarded-* are believed
}

// peer is who is connected; neither is known where the listener has no addresses.
type peer struct {
	ip   netip.Addr
	text string
}

// peerAt reads the address of "ip:port".
func peerAt(remote string) peer {
	ip := peerAddress(remote)
	return peer{ip, addressText(ip)}
}

// peer is who is connected, from the connection where that is known.
func (x *exchange) peer(r *http.Request) peer {
	if x.conn != nil {
		return x.conn.peer
	}
	return peerAt(r.RemoteAddr)
}

// findCaller takes the peer, or, where that is a trusted proxy, the last address
// in X-Forwarded-For that is not one itself: whatever stands further left may
// have been written by the client.
func findCaller(from peer, r *http.Request, trusted []netip.Prefix) caller {
	isTrusted := func(ip netip.Addr) bool { return contains(trusted, ip) }
	c := caller{ip: from.ip, peer: from, trusted: isTrusted(from.ip)}
	if !c.trusted {
		return c
	}
	hops := r.Header["X-Forwarded-For"]
	for _, hop := range slices.Backward(hops) {
		for rest := hop; rest != ""; {
			comma := strings.LastIndexByte(rest, ',')
			ip, err := netip.ParseAddr(strings.TrimSpace(rest[comma+1:]))
			if err != nil { // what a trusted proxy would not have written ends the chain
				return c
			}
			c.ip = ip.Unmap().WithZone("")
			if !isTrusted(c.ip) {
				return c
			}
			rest = rest[:max(comma, 0)]
		}
	}
	return c
}

// peerAddress reads the address of "ip:port".
func peerAddress(remote string) netip.Addr {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap().WithZone("")
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

// trusts tells whether an address is a trusted proxy's.
func (t *Table) trusts(ip netip.Addr) bool { return contains(t.trusted, ip) }

// scheme is what the client spoke: a trusted proxy's word, or the listener's.
func (c caller) scheme(r *http.Request) string {
	if c.trusted {
		if said := r.Header.Get("X-Forwarded-Proto"); said == "http" || said == "https" {
			return said
		}
	}
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// forwarded gives the X-Forwarded-* that a backend sees. Nothing of them is what
// a client sent; a trusted proxy's is kept, its list of addresses grown by the
// proxy's own.
func (x *exchange) forwarded(in *http.Request, put func(name string, values []string)) {
	addresses := x.caller.peer.text
	host := in.Host
	if x.caller.trusted {
		if prior := in.Header["X-Forwarded-For"]; len(prior) > 0 {
			addresses = strings.Join(prior, ", ") + ", " + addresses
		}
		if said := in.Header.Get("X-Forwarded-Host"); said != "" {
			host = said
		}
	}
	if addresses != "" {
		put("X-Forwarded-For", x.one(addresses))
	}
	if host != "" {
		put("X-Forwarded-Host", x.one(host))
	}
	put("X-Forwarded-Proto", x.one(x.caller.scheme(in)))
}

package clientip

import (
	"net/netip"
	"strings"
)

// Peer is the other end of a connection: a client or a proxy. It is the zero Peer when
// the listener has no addresses.
type Peer struct {
	IP   netip.Addr
	Text string // IP as text
}

// PeerAt returns the peer with a remote address in the form "ip:port". It returns the
// zero Peer for any other form. It does not allocate for IPv4.
func PeerAt(remote string) Peer {
	address, err := netip.ParseAddrPort(remote)
	if err != nil {
		return Peer{}
	}
	ip := address.Addr()
	if colon := strings.LastIndexByte(remote, ':'); ip.Is4() && colon > 0 {
		return Peer{ip, remote[:colon]} // net and netip write IPv4 in the same form
	}
	ip = ip.Unmap().WithZone("")
	return Peer{ip, ip.String()}
}

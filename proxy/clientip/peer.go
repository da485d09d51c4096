package clientip

import (
	"net/netip"
	"strings"
)

// Peer is who is connected: a client, or a proxy. The zero Peer is that of a
// listener that has no addresses.
type Peer struct {
	IP   netip.Addr
	Text string // IP as text
}

// PeerAt returns the peer at a remote address, which is "ip:port". It does not
// allocate for IPv4.
func PeerAt(remote string) Peer {
	address, err := netip.ParseAddrPort(remote)
	if err != nil {
		return Peer{}
	}
	ip := address.Addr()
	if colon := strings.LastIndexByte(remote, ':'); ip.Is4() && colon > 0 {
		return Peer{ip, remote[:colon]} // net writes it as netip does
	}
	ip = ip.Unmap().WithZone("")
	return Peer{ip, ip.String()}
}

package upstream

import "encoding/pem"

// Presented is a certificate that a route shows to its backend.
type Presented struct {
	Route string
	Chain [][]byte // in DER; the route's own certificate first
}

// present stores the certificate chain that a route shows, if it shows one.
func (s *Set) present(route, certificate string) {
	var chain [][]byte
	for rest := []byte(certificate); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "CERTIFICATE" {
			chain = append(chain, block.Bytes)
		}
	}
	if len(chain) > 0 {
		s.presented = append(s.presented, Presented{Route: route, Chain: chain})
	}
}

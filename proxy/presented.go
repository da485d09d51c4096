package proxy

import (
	"encoding/pem"

	"gatehouse/config"
)

// Presented is a certificate that a route shows to its backend.
type Presented struct {
	Route string
	Chain [][]byte // DER, the route's own first
}

// Presented returns the certificates that the table's routes show to backends,
// as they were read when it was compiled.
func (t *Table) Presented() []Presented { return t.presented }

// present remembers what a route shows, if anything.
func (t *Table) present(r *config.Route, key transportKey) {
	var chain [][]byte
	for rest := []byte(key.cert); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "CERTIFICATE" {
			chain = append(chain, block.Bytes)
		}
	}
	if len(chain) > 0 {
		t.presented = append(t.presented, Presented{Route: r.Name, Chain: chain})
	}
}

//go:build !unix

package lean

import "net"

const canProbe = false

type probe struct{}

func newProbe(net.Conn) *probe { return nil }

func (*probe) isQuiet() bool { return false }

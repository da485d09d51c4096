//go:build !unix

package lean

import (
	"errors"
	"net"
)

const canTurn = false

var errSpoken = errors.ErrUnsupported

type turn struct{}

func newTurn(net.Conn) *turn { return nil }

func (*turn) isQuiet() bool { return false }

func (*turn) read(bool, func() error, []byte) (int, error) { return 0, errors.ErrUnsupported }

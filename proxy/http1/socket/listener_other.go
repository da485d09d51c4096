//go:build !linux

package socket

import (
	"errors"
	"net"
)

// DropNewConns is supported on Linux only.
func DropNewConns(net.Listener) error { return errors.ErrUnsupported }

// HasPending is supported on Linux only.
func HasPending(net.Listener) (bool, error) { return false, errors.ErrUnsupported }

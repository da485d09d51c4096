//go:build !linux

package socket

import (
	"errors"
	"net"
)

// DropNewConns is for Linux: elsewhere a listener closes with what is in its queue.
func DropNewConns(net.Listener) error { return errors.ErrUnsupported }

// HasPending is for Linux.
func HasPending(net.Listener) (bool, error) { return false, errors.ErrUnsupported }

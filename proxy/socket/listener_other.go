//go:build !linux

package socket

import (
	"errors"
	"net"
)

// RefuseNew is for Linux: elsewhere a listener closes with what is in its queue.
func RefuseNew(net.Listener) error { return errors.ErrUnsupported }

// HasWaiting is for Linux.
func HasWaiting(net.Listener) (bool, error) { return false, errors.ErrUnsupported }

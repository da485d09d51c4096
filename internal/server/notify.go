package server

import (
	"github.com/coreos/go-systemd/v22/daemon"
)

// notify reports a state of the process to systemd, if systemd has asked for it
// (sd_notify(3), Type=notify-reload).
func (g *gateway) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		g.log.Warn("systemd cannot be told about the state of the process", "state", state, "error", err.Error())
	}
}

// notifyReload reports that a reload begins, and returns what to call at its end.
func (g *gateway) notifyReload() (ended func()) {
	g.notify(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
	return func() { g.notify(daemon.SdNotifyReady) }
}

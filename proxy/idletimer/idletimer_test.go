package idletimer

import (
	"testing"
	"time"

	"gatehouse/internal/testkit"
	"gatehouse/internal/timerwheel"
)

// timeoutFunc is called when a Timer times out.
type timeoutFunc func()

func (f timeoutFunc) OnTimeout() { f() }

func TestTimer(t *testing.T) {
	t.Parallel()
	wheel := timerwheel.New()
	var timer Timer
	ended := make(chan struct{})
	timer.Start(wheel, timeoutFunc(func() { close(ended) }), time.Millisecond)
	testkit.Receive(t, "the timeout", ended)
	timer.Touch()
	timer.Stop()

	timer = Timer{}
	timedOut := false
	timer.Start(wheel, timeoutFunc(func() { timedOut = true }), 0)
	timer.Touch()
	timer.SetTimeout(time.Hour)
	timer.SetTimeout(0)
	timer.Touch()
	timer.Stop()
	if timedOut {
		t.Error("a timer without a bound timed out")
	}
}

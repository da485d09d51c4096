package occurrence

import (
	"testing"
	"time"
)

// What goes on is reported once, and again when it has stopped for a while.
func TestCounter(t *testing.T) {
	var c Counter
	now := time.Now()
	for i, step := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {0, false}, {quietAfter - 1, false}, {quietAfter - 1, false}, {quietAfter, true}, {1, false}} {
		now = now.Add(step.after)
		if got := c.Note(now); got != step.want {
			t.Errorf("%d: %t, want %t", i, got, step.want)
		}
	}
	if got := c.Count(); got != 6 {
		t.Errorf("counted %d, want 6", got)
	}
}

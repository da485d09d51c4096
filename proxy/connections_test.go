package proxy

import (
	"testing"
	"time"
)

// What goes on is told once, and again when it has stopped for a while.
func TestOccurrence(t *testing.T) {
	var o occurrence
	now := time.Now()
	for i, c := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {0, false}, {quietAfter - 1, false}, {quietAfter - 1, false}, {quietAfter, true}, {1, false}} {
		now = now.Add(c.after)
		if got := o.note(now); got != c.want {
			t.Errorf("%d: %t, want %t", i, got, c.want)
		}
	}
	if got := o.count.Load(); got != 6 {
		t.Errorf("counted %d, want 6", got)
	}
}

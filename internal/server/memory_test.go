package server

import (
	"bytes"
	"log/slog"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"

	"gatehouse/internal/testkit"
)

// What an operator says with the runtime's own variables is left as it is.
func TestSetMemory(t *testing.T) {
	before, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	t.Cleanup(func() {
		debug.SetGCPercent(before)
		debug.SetMemoryLimit(limit)
	})
	for _, c := range []struct {
		name        string
		environment map[string]string
		percent     int
		limit       int64
	}{
		{"neither", nil, maxGCPercent, 0},
		{"target", map[string]string{"GOGC": "50"}, 100, 0}, // the runtime has read it at its start
		{"limit", map[string]string{"GOMEMLIMIT": "1GiB"}, maxGCPercent, 1 << 40},
	} {
		t.Run(c.name, func(t *testing.T) {
			debug.SetGCPercent(100)
			debug.SetMemoryLimit(1 << 40)
			for name, value := range c.environment {
				t.Setenv(name, value)
			}
			var said bytes.Buffer
			setMemory(func(name string) (string, bool) {
				value, given := c.environment[name]
				return value, given
			}, slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelWarn})))
			if percent := debug.SetGCPercent(100); percent != c.percent {
				t.Errorf("the target is %d %%, want %d", percent, c.percent)
			}
			got := debug.SetMemoryLimit(math.MaxInt64)
			if c.limit != 0 && got != c.limit {
				t.Errorf("the limit is %d, want %d", got, c.limit)
			}
			if said.Len() > 0 {
				t.Errorf("it warns: %s", &said)
			}
		})
	}
}

// The target follows what is in use: a large table is not paid for five times.
func TestTargetFor(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{{0, 400}, {1 << 20, 400}, {6 << 20, 400}, {8 << 20, 300}, {16 << 20, 150}, {24 << 20, 100}, {1 << 30, 100}} {
		if got := targetFor(c.live); got != c.want {
			t.Errorf("%d bytes in use: %d %%, want %d", c.live, got, c.want)
		}
	}
}

func TestTargetFollowsTheHeap(t *testing.T) {
	before := debug.SetGCPercent(maxGCPercent)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	held := make([]byte, 64<<20)
	followHeap(maxGCPercent)
	testkit.Eventually(t, "the target is that of a large heap", func() bool {
		runtime.GC()
		samples := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(samples)
		return samples[0].Value.Uint64() == minGCPercent
	})
	runtime.KeepAlive(held)
}

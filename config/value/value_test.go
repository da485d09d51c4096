// Tests of what is read, and what is refused.

package value

import (
	"testing"
	"time"
)

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "512": 512, "512B": 512, "64KiB": 64 << 10, "100MiB": 100 << 20, "2GiB": 2 << 30, "1TiB": 1 << 40,
		"64kB": 64e3, "100MB": 100e6, "2GB": 2e9, "9223372036854775807": 1<<63 - 1,
	} {
		if got, f := ParseSize(text); f != nil || got != want {
			t.Errorf("%q: got %d, %+v", text, got, f)
		}
		if again, f := ParseSize(want.String()); f != nil || again != want {
			t.Errorf("%d is written %q, which is read as %d", want, want, again)
		}
	}
	for _, text := range []string{"", "KiB", "-1", "+1", "1.5MiB", "1_000", "0x10", "012", "1e3", "100M", "100m", "1K", "8EiB", "9223372036854775808", "9007199254740992KiB", " 1", "1 "} {
		if got, f := ParseSize(text); f == nil {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "60s": time.Minute, "1m30s": 90 * time.Second, "500ms": 500 * time.Millisecond, "1.5h": 90 * time.Minute,
	} {
		if got, f := ParseDuration(text); f != nil || got != want {
			t.Errorf("%q: got %v, %+v", text, got, f)
		}
	}
	for text, want := range map[string]string{
		"60": "60s", "1d": "24h", "-1s": "", "-0s": "", "": "", "1 s": "", "soon": "", "1y": "", "99999999h": "", "12:30:00": "",
	} {
		if got, f := ParseDuration(text); f == nil || f.Write != want {
			t.Errorf("%q: got %v, %+v", text, got, f)
		}
	}
}

package forward

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func replayOf(source io.Reader, budget *replayBudget) *replayBody {
	return &replayBody{source: io.NopCloser(source), budget: budget}
}

// TestReplayBody reads a body in several attempts, each from the start.
func TestReplayBody(t *testing.T) {
	t.Parallel()
	budget := new(replayBudget)
	b := replayOf(iotest.OneByteReader(strings.NewReader("a body of some length")), budget)
	first := b.firstAttempt()
	begin := make([]byte, 6)
	if _, err := io.ReadFull(first, begin); err != nil || string(begin) != "a body" {
		t.Fatalf("%q, %v", begin, err)
	}
	_ = first.Close()
	if n, err := first.Read(begin); n != 0 || err == nil {
		t.Errorf("a closed attempt read %d bytes, %v", n, err)
	}
	for range 2 {
		again, err := b.newAttempt()
		if err != nil {
			t.Fatal(err)
		}
		if whole, err := io.ReadAll(again); err != nil || string(whole) != "a body of some length" {
			t.Errorf("another attempt read %q, %v", whole, err)
		}
		_ = again.Close()
	}
	b.commit()
	if _, err := b.newAttempt(); !errors.Is(err, errNotReplayable) {
		t.Errorf("after the answer began: %v", err)
	}
	b.release()
	if used := budget.used.Load(); used != 0 {
		t.Errorf("%d bytes are kept for nobody", used)
	}
}

// TestReplayIsBounded reads a body that is too long to be kept, and one for which other
// bodies leave no room. Both pass whole, but once only.
func TestReplayIsBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", replayBytes+1)
	full := new(replayBudget)
	full.used.Store(replayBytesTotal)
	for name, c := range map[string]struct {
		text   string
		budget *replayBudget
		used   int64
	}{
		"too long": {long, new(replayBudget), 0},
		"no room":  {"short", full, replayBytesTotal},
	} {
		b := replayOf(strings.NewReader(c.text), c.budget)
		if whole, err := io.ReadAll(b.firstAttempt()); err != nil || string(whole) != c.text {
			t.Errorf("%s: read %d bytes, %v", name, len(whole), err)
		}
		if _, err := b.newAttempt(); !errors.Is(err, errNotReplayable) {
			t.Errorf("%s: another attempt: %v", name, err)
		}
		b.release()
		if used := c.budget.used.Load(); used != c.used {
			t.Errorf("%s: %d bytes are kept, want %d", name, used, c.used)
		}
	}
}

// TestReplayIsSettledWhileReading begins the answer in the middle of a body, as every
// stream does. The kept bytes are released, and the rest of the body passes.
func TestReplayIsSettledWhileReading(t *testing.T) {
	t.Parallel()
	budget := new(replayBudget)
	in, out := io.Pipe()
	b := replayOf(in, budget)
	first := b.firstAttempt()
	read := func() string {
		piece := make([]byte, 10)
		n, _ := first.Read(piece)
		return string(piece[:n])
	}
	go func() { _, _ = io.WriteString(out, "one") }()
	if got := read(); got != "one" || budget.used.Load() != 3 {
		t.Errorf("read %q, %d bytes kept", got, budget.used.Load())
	}
	b.commit()
	if used := budget.used.Load(); used != 0 {
		t.Errorf("%d bytes are kept after the answer began", used)
	}
	go func() { _, _ = io.WriteString(out, "two") }()
	if got := read(); got != "two" || budget.used.Load() != 0 {
		t.Errorf("read %q, %d bytes kept", got, budget.used.Load())
	}
	out.Close()
	if n, err := first.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("end: %d bytes, %v", n, err)
	}
	b.release()
}

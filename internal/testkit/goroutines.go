package testkit

import (
	"context"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
)

// Goroutines returns the stacks of the goroutines whose stack contains one of
// these texts, such as the name of a function.
func Goroutines(texts ...string) []string {
	var all strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&all, 2); err != nil {
		panic(err) // a strings.Builder takes everything
	}
	var found []string
	for stack := range strings.SplitSeq(all.String(), "\n\n") {
		if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(stack, text) }) {
			found = append(found, stack)
		}
	}
	return found
}

// WaitNoGoroutines returns when Goroutines finds none, and fails the test with
// their stacks when it still finds some after Timeout.
func WaitNoGoroutines(t testing.TB, texts ...string) {
	t.Helper()
	var left []string
	none := func() bool {
		left = Goroutines(texts...)
		return len(left) == 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	if !poll(ctx, none) {
		t.Fatalf("goroutines are left:\n%s", strings.Join(left, "\n\n"))
	}
}

package testkit

import (
	"context"
	"testing"
	"time"
)

// Timeout is how long a test waits for what should happen at once. It is long,
// for a busy machine must not make a test fail.
const Timeout = time.Minute

// Context returns a context that ends with the test, or after Timeout, when the
// test must have hung.
func Context(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Timeout)
	t.Cleanup(cancel)
	return ctx
}

// Eventually returns when yes reports true, and fails the test when it still
// reports false after Timeout. what is the statement that should become true.
func Eventually(t testing.TB, what string, yes func() bool) {
	t.Helper()
	EventuallyWithin(t, Timeout, what, yes)
}

// EventuallyWithin is Eventually with another timeout.
func EventuallyWithin(t testing.TB, timeout time.Duration, what string, yes func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if !poll(ctx, yes) {
		t.Fatalf("not within %v: %s", timeout, what)
	}
}

// EventuallyNil returns when ask returns nil, and fails the test with what ask
// returned last when ctx ends before. what is the statement that should become
// true.
func EventuallyNil(ctx context.Context, t testing.TB, what string, ask func(ctx context.Context) error) {
	t.Helper()
	var err error
	none := func() bool {
		err = ask(ctx)
		return err == nil
	}
	if !poll(ctx, none) {
		t.Fatalf("%s: %v", what, err)
	}
}

// poll reports whether yes reports true before ctx ends.
func poll(ctx context.Context, yes func() bool) bool {
	// Most answers come at once. What takes longer is not asked so often that
	// asking slows it down.
	const first, most = time.Millisecond, 20 * time.Millisecond
	pause := first
	again := time.NewTimer(pause)
	defer again.Stop()
	for !yes() {
		select {
		case <-again.C:
			pause = min(2*pause, most)
			again.Reset(pause)
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// Receive returns what a channel delivers. It fails the test when nothing comes
// within Timeout. what names the thing that is waited for. A closed channel
// delivers the zero value.
func Receive[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	return ReceiveWithin(t, Timeout, what, from)
}

// ReceiveWithin is Receive with another timeout.
func ReceiveWithin[T any](t testing.TB, timeout time.Duration, what string, from <-chan T) T {
	t.Helper()
	late := time.NewTimer(timeout)
	defer late.Stop()
	select {
	case value := <-from:
		return value
	case <-late.C:
		t.Fatalf("waited %v in vain for %s", timeout, what)
		panic("unreachable")
	}
}

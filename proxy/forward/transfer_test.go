package forward

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"gatehouse/proxy/idletimer"
)

// TestHeaderValues makes more headers than a Transfer has room for, and appends to each,
// as http.Header.Add does. No header may change another.
func TestHeaderValues(t *testing.T) {
	t.Parallel()
	var room headerValues
	var taken [][]string
	for i := range 2 * len(room.room) {
		taken = append(taken, room.single(fmt.Sprint(i)))
	}
	for i := range taken {
		_ = append(taken[i], "more")
	}
	for i, values := range taken {
		if !slices.Equal(values, []string{fmt.Sprint(i)}) {
			t.Errorf("header %d has %q", i, values)
		}
	}
}

// TestAttempts checks that the end of one attempt does not affect the next, and that the
// context of each leads to it.
func TestAttempts(t *testing.T) {
	t.Parallel()
	transfer := &Transfer{}
	first := transfer.newAttempt()
	first.context.Init(t.Context())
	second := transfer.newAttempt()
	second.context.Init(t.Context())
	if first == second || transfer.attempt != second || attemptOf(&first.context) != first || attemptOf(&second.context) != second {
		t.Fatal("attempts are taken for one another")
	}
	first.context.Cancel(idletimer.ErrTimeout)
	if first.context.Err() == nil || second.context.Err() != nil {
		t.Errorf("the contexts ended with %v and %v", first.context.Err(), second.context.Err())
	}
	transfer.giveUp(errMisbehaved)
	if cause := context.Cause(&second.context); !errors.Is(cause, errMisbehaved) {
		t.Errorf("the current attempt ended with %v", cause)
	}
}

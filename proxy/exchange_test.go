package proxy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"gatehouse/proxy/idletimer"

	"github.com/google/uuid"
)

func TestNewRequestID(t *testing.T) {
	t.Parallel()
	made := map[string]bool{}
	for range 1000 {
		id, err := uuid.Parse(newRequestID())
		if err != nil || id.Version() != 4 || id.Variant() != uuid.RFC4122 {
			t.Fatalf("%s: version %d, variant %v: %v", id, id.Version(), id.Variant(), err)
		}
		made[id.String()] = true
	}
	if len(made) != 1000 {
		t.Errorf("%d of 1000 ids differ", len(made))
	}
}

// TestHeaderValues takes more headers than an exchange has room for, and appends
// to them, as http.Header.Add does: none may change another.
func TestHeaderValues(t *testing.T) {
	t.Parallel()
	x := &exchange{}
	var taken [][]string
	for i := range 2 * len(x.singleValues) {
		taken = append(taken, x.singleValue(fmt.Sprint(i)))
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

// TestAttempts wants the end of one attempt to leave the next alone, and each to
// be found by its own context.
func TestAttempts(t *testing.T) {
	t.Parallel()
	x := &exchange{}
	first := x.newAttempt()
	first.context.Init(t.Context())
	second := x.newAttempt()
	second.context.Init(t.Context())
	if first == second || x.attempt != second || attemptOf(&first.context) != first || attemptOf(&second.context) != second {
		t.Fatal("attempts are taken for one another")
	}
	first.context.Cancel(idletimer.ErrTimeout)
	if first.context.Err() == nil || second.context.Err() != nil {
		t.Errorf("the contexts ended with %v and %v", first.context.Err(), second.context.Err())
	}
	x.giveUp(errMisbehaved)
	if cause := context.Cause(&second.context); !errors.Is(cause, errMisbehaved) {
		t.Errorf("the current attempt ended with %v", cause)
	}
}

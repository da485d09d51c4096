package proxy

import (
	"fmt"
	"slices"
	"testing"

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

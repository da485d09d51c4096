package proxy

import (
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

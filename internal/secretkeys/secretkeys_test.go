package secretkeys

import (
	"bytes"
	"strings"
	"testing"
)

var (
	first  = strings.Repeat("a1b2", 10)
	second = strings.Repeat("c3d4", 10)
)

func TestParse(t *testing.T) {
	for name, test := range map[string]struct {
		text, want string // want is a part of the error; "" means two keys
	}{
		"two keys":   {"# new\n" + first + "\n\n  " + second + "\r\n", ""},
		"empty":      {"", "no key"},
		"only words": {"# nothing\n\n", "no key"},
		"short":      {first + "\nshort\n", "line 2: the key has 5 bytes"},
		"twice":      {first + "\n" + first + "\n", "line 2: the key is there twice"},
		"a great many": {func() (text string) {
			for i := range 17 {
				text += first + strings.Repeat("x", i) + "\n"
			}
			return text
		}(), "line 17: more than 16 keys"},
	} {
		ring, err := Parse([]byte(test.text))
		switch {
		case test.want == "" && (err != nil || len(ring.keys) != 2):
			t.Errorf("%s: %d keys, %v", name, len(ring.keys), err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v, want %q", name, err, test.want)
		case err != nil && (strings.Contains(err.Error(), first) || strings.Contains(err.Error(), "short\n")):
			t.Errorf("%s: the error repeats a key", name)
		}
	}
}

func TestDerive(t *testing.T) {
	ring, err := Parse([]byte(first + "\n" + second))
	if err != nil {
		t.Fatal(err)
	}
	one, other := ring.Derive("one"), ring.Derive("other")
	if len(one) != 2 || len(one[0]) != derived || bytes.Equal(one[0], one[1]) || bytes.Equal(one[0], other[0]) {
		t.Errorf("%x %x", one, other)
	}
	if again := ring.Derive("one"); !bytes.Equal(again[0], one[0]) {
		t.Error("a key differs when it is derived again")
	}
}

package account

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckEmail(t *testing.T) {
	for _, good := range []string{
		"ann@example.com",
		"Ann.O'Neil+tag@mail.example.co.uk",
		"_@x.io",
		"x@127.0.0.1.example",
		"jürgen@exämple.de",
		"ann@xn--exmple-cua.de",
		strings.Repeat("a", 64) + "@example.com",
		"ann@" + strings.Repeat("b", 63) + ".com",
	} {
		if err := CheckEmail(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "ann", "@", "ann@", "@example.com", "ann@example", "ann@localhost",
		"ann@@example.com", "a@b@example.com", "a nn@example.com", " ann@example.com", "ann@example.com\n",
		".ann@example.com", "ann.@example.com", "a..n@example.com",
		"ann@.example.com", "ann@example.com.", "ann@example..com", "ann@-example.com", "ann@example-.com", "ann@ex_ample.com",
		"ann@10.0.0.1", "ann@[10.0.0.1]", `"ann"@example.com`, "Ann <ann@example.com>", "ann(x)@example.com",
		"ann\x00@example.com", "ann@exa\x00mple.com", "ann\xff@example.com", "ann@example.com,bob@example.com",
		strings.Repeat("a", 65) + "@example.com",
		"ann@" + strings.Repeat("b", 64) + ".com",
		"ann@" + strings.Repeat("b.", 130) + "com",
	} {
		if err := CheckEmail(bad); !errors.Is(err, ErrEmail) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

package account

import (
	"context"
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// Hashes written by libcrypt, in passlib's form.
const (
	hashOfCorrectHorse = "$2b$04$N9qo8uLOickgx2ZMRZoMye7lwnnKjdKULIb0Soe6BjJXxCPR1R3dC"
	hashAtCost12       = "$2b$12$N9qo8uLOickgx2ZMRZoMyeZgvdYuT0nWX1dSOrmMrdhIpcCb1nx2u" // of the same
	hashOf72           = "$2b$04$N9qo8uLOickgx2ZMRZoMyedlslr.Jty7xCSm4JGSxc8PDTmSzo582" // of 72 times x, and of any longer
	hashOfUmlauts      = "$2b$04$abcdefghijklmnopqrstuuyx2n0Zzopyr9QuYTMCfOJJOj526QVoC" // of pässwörd
)

func TestCompare(t *testing.T) {
	wrongCost := strings.Replace(hashOfCorrectHorse, "$04$", "$31$", 1)
	for _, test := range []struct {
		name, hash, password string
		want                 bool
	}{
		{"right", hashOfCorrectHorse, "correct horse", true},
		{"wrong", hashOfCorrectHorse, "correct horsf", false},
		{"empty", hashOfCorrectHorse, "", false},
		{"cost of the originals", hashAtCost12, "correct horse", true},
		{"beyond ASCII", hashOfUmlauts, "pässwörd", true},
		{"version of Go", "$2a$" + hashOfCorrectHorse[4:], "correct horse", true},
		{"version of PHP", "$2y$" + hashOfCorrectHorse[4:], "correct horse", true},
		{"72 bytes", hashOf72, strings.Repeat("x", 72), true},
		{"71 bytes", hashOf72, strings.Repeat("x", 71), false},
		{"more than 72 bytes", hashOf72, strings.Repeat("x", 72) + "tail", true},
		{"60,000 bytes", hashOf72, strings.Repeat("x", 60_000), true},
		{"no hash", "", "correct horse", false},
		{"not a hash", "!", "correct horse", false},
		{"another scheme", "$6$saltsalt$" + strings.Repeat("a", 86), "correct horse", false},
		{"another version", "$2x$" + hashOfCorrectHorse[4:], "correct horse", false},
		{"cut short", hashOfCorrectHorse[:59], "correct horse", false},
		{"more than a hash", hashOfCorrectHorse + "\n", "correct horse", false},
		{"salt is not base64", strings.Replace(hashOfCorrectHorse, "N9qo", "N9*o", 1), "correct horse", false},
		{"cost that takes hours", wrongCost, "correct horse", false},
		{"cost that is none", strings.Replace(hashOfCorrectHorse, "$04$", "$03$", 1), "correct horse", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			passwords, comparisons := countedPasswords(t)
			got, err := passwords.Compare(t.Context(), test.hash, test.password)
			if err != nil || got != test.want {
				t.Errorf("got %v, %v, want %v", got, err, test.want)
			}
			if *comparisons != 1 { // the time taken must not tell
				t.Errorf("bcrypt ran %d times, want once", *comparisons)
			}
		})
	}
}

func TestHash(t *testing.T) {
	passwords, _ := countedPasswords(t)
	hash, err := passwords.Hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if cost, err := bcrypt.Cost([]byte(hash)); err != nil || cost != bcrypt.MinCost {
		t.Errorf("cost = %d, %v", cost, err)
	}
	if right, err := passwords.Compare(t.Context(), hash, "correct horse"); !right || err != nil {
		t.Errorf("Compare = %v, %v", right, err)
	}
	for password, want := range map[string]error{
		"12345":                 ErrPasswordShort,
		"äöüäö":                 ErrPasswordShort, // ten bytes, five characters
		strings.Repeat("x", 73): ErrPasswordLong,
		"NUL\x00byte":           ErrPasswordText,
		"not UTF-8: \xff":       ErrPasswordText,
	} {
		if _, err := passwords.Hash(t.Context(), password); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", password, err, want)
		}
	}
	for _, password := range []string{"123456", "äöüäöü", strings.Repeat("x", 72)} {
		if err := CheckNewPassword(password); err != nil {
			t.Errorf("%q: %v", password, err)
		}
	}
}

// The caller has left, so no work is done.
func TestPasswordsCancelled(t *testing.T) {
	passwords, comparisons := countedPasswords(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if right, err := passwords.Compare(ctx, hashOfCorrectHorse, "correct horse"); right || !errors.Is(err, context.Canceled) {
		t.Errorf("Compare = %v, %v", right, err)
	}
	if _, err := passwords.Hash(ctx, "correct horse"); !errors.Is(err, context.Canceled) {
		t.Errorf("Hash: %v", err)
	}
	if *comparisons != 0 {
		t.Errorf("bcrypt ran %d times", *comparisons)
	}
}

func TestNewPasswordsCost(t *testing.T) {
	for _, cost := range []int{-1, 0, 3, 17, 31} {
		if _, err := NewPasswords(cost, nil); err == nil {
			t.Errorf("cost %d is taken", cost)
		}
	}
}

// TestMissingWork requires equal work for a cheap hash and for no hash.
func TestMissingWork(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ done, wanted int }{{4, 4}, {4, 12}, {10, 12}, {12, 13}, {13, 12}} {
		work := 1 << test.done
		for _, cost := range missingWork(test.done, test.wanted) {
			work += 1 << cost
		}
		if want := 1 << max(test.done, test.wanted); work != want {
			t.Errorf("from cost %d to %d: %d rounds, want %d", test.done, test.wanted, work, want)
		}
	}
}

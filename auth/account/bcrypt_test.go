package account

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// What golang.org/x/crypto's bcrypt makes of a password we take, and what we
// make of it, that takes.
func TestBcrypt(t *testing.T) {
	for _, password := range []string{
		"", "a", "correct horse", "pässwörd", "\x00", "a\x00b", "\xff\xfe", strings.Repeat("x", 71), strings.Repeat("x", 72),
	} {
		checkBcrypt(t, []byte(password))
	}
}

func FuzzBcrypt(f *testing.F) {
	f.Add([]byte("correct horse"))
	f.Add(bytes.Repeat([]byte{0x80}, 72))
	f.Fuzz(checkBcrypt)
}

func checkBcrypt(t *testing.T, password []byte) {
	password = password[:min(len(password), 72)]
	bcryptOfOurs := hasher{func() uint64 { return 0 }}
	theirs, err := bcrypt.GenerateFromPassword(password, bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if err := bcryptOfOurs.compare(theirs, password); err != nil {
		t.Errorf("%q: their %s: %v", password, theirs, err)
	}
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt)
	ours, err := bcryptOfOurs.hash(password, salt, bcrypt.MinCost+1)
	if err != nil {
		t.Fatal(err)
	}
	if err := bcrypt.CompareHashAndPassword([]byte(ours), password); err != nil || !hashForm.MatchString(ours) {
		t.Errorf("%q: our %s: %v", password, ours, err)
	}
	wrong := append([]byte("wrong"), password...)
	// More than 72 bytes count for nothing, and a password repeats: bcrypt takes
	// "a" and "a\x00a" for the same. What they say of a wrong one, we say.
	if got, want := bcryptOfOurs.compare(theirs, wrong) == nil, bcrypt.CompareHashAndPassword(theirs, wrong) == nil; got != want {
		t.Errorf("%q for %q: %v, want %v", wrong, password, got, want)
	}
}

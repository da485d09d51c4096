package account

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// Hashes of golang.org/x/crypto's bcrypt match here, and our hashes match
// there, for every valid password.
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
	// Bytes after the first 72 do not count, and bcrypt repeats a password: it
	// treats "a" and "a\x00a" as equal. For a wrong password, both
	// implementations must agree.
	if got, want := bcryptOfOurs.compare(theirs, wrong) == nil, bcrypt.CompareHashAndPassword(theirs, wrong) == nil; got != want {
		t.Errorf("%q for %q: %v, want %v", wrong, password, got, want)
	}
}

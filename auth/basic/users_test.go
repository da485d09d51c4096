package basic

import (
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"gatehouse/internal/testkit"
)

const (
	// opsHash is of the password "secret", with cost 4.
	opsHash = "$2y$04$MGeOwaMbDjZ5jJ9nHXZHSe0sKzMFrXWKXQ1cKzyxvZ4BqqyDrnW6K"
	sum     = "MGeOwaMbDjZ5jJ9nHXZHSe0sKzMFrXWKXQ1cKzyxvZ4BqqyDrnW6K"
)

func hashOf(t testing.TB, password string, cost int) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

// TestParseUsers parses good and bad files. No error repeats a part of a hash.
func TestParseUsers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, problem string }{
		"one":              {"ops:" + opsHash + "\n", ""},
		"no line break":    {"ops:" + opsHash, ""},
		"CRLF":             {"ops:" + opsHash + "\r\nada:" + opsHash + "\r\n", ""},
		"comments":         {"# who\n\nops:" + opsHash + "\n   \n", ""},
		"UTF-8":            {"jürgen müller:" + opsHash, ""},
		"other versions":   {"a:$2a$04$" + sum + "\nb:$2b$04$" + sum, ""},
		"empty":            {"", "has no users: add one with `htpasswd -B FILE NAME`"},
		"comments only":    {"# nobody\n", "has no users"},
		"apr1":             {"ops:" + opsHash + "\nada:$apr1$hunter2$hunter2hunter2hunter2hun/\n", "line 2: not a bcrypt hash: want one that begins with $2b$; write it with `htpasswd -B`"},
		"SHA-1":            {"ada:{SHA}hunter2hunter2hunter2hunter2=", "line 1: not a bcrypt hash"},
		"crypt":            {"ada:hunter2hunter", "line 1: not a bcrypt hash"},
		"plain":            {"ada:hunter2", "line 1: not a bcrypt hash"},
		"no hash":          {"ada", "line 1: not an entry: want name:hash"},
		"no name":          {":" + opsHash, "line 1: its name is empty"},
		"control":          {"a\x01da:" + opsHash, "line 1: its name"},
		"long":             {strings.Repeat("a", 256) + ":" + opsHash, "line 1: its name"},
		"not UTF-8":        {"\xff:" + opsHash, "line 1: its name"},
		"twice":            {"ops:" + opsHash + "\n#\nops:" + opsHash, "line 3: the name is in the file twice"},
		"cut off":          {"ops:" + opsHash[:50], "line 1: not a whole bcrypt hash"},
		"faulty version":   {"ops:$2x$04$" + sum, "line 1: a bcrypt hash of version 2x"},
		"too high a cost":  {"ops:$2y$31$" + sum, "line 1: a bcrypt hash of cost 31"},
		"more after it":    {"ops:" + opsHash + ":x", "line 1: not a whole bcrypt hash"},
		"a space after it": {"ops:" + opsHash + " \n", ""},
	} {
		users, err := parse(test.text)
		switch {
		case test.problem == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem) || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("%s: %v, want %q", name, err, test.problem)
		case test.problem == "" && len(users.hashes) == 0:
			t.Errorf("%s: no users", name)
		}
	}
}

// TestLoad reads files below a folder only.
func TestLoad(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	testkit.WriteFile(t, folder+"/ops.htpasswd", "\ufeffops:"+opsHash)
	if users, err := Load(folder, "ops.htpasswd"); err != nil || users.hashes["ops"] != opsHash || users.cost != 4 {
		t.Errorf("%+v, %v", users, err)
	}
	for _, path := range []string{"../ops.htpasswd", "none.htpasswd", "."} {
		if _, err := Load(folder, path); err == nil {
			t.Errorf("%s was read", path)
		}
	}
}

// FuzzParseUsers checks that every entry can be used, and that no error has a line of the
// file.
func FuzzParseUsers(f *testing.F) {
	for _, text := range []string{"ops:" + opsHash, "#\n\r\nops:" + opsHash + "\r\n", "a:b:c", ":", "ops:$2y$04$", "\x00:" + opsHash} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		users, err := parse(text)
		if err != nil {
			return
		}
		for name, hash := range users.hashes {
			if cost, err := bcrypt.Cost([]byte(hash)); err != nil || cost > users.cost || name == "" || strings.ContainsAny(name, ":\n\r") {
				t.Errorf("%q: %q %q", text, name, hash)
			}
		}
	})
}

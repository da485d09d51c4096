// Tests of files as editors and their tools write them, and of what is no file of text.

package textfile

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

func TestRead(t *testing.T) {
	folder := t.TempDir()
	for name, test := range map[string]struct {
		data string
		want string // what is read; what the error says, for a file that is refused
		err  bool
	}{
		"plain":     {data: "key\n", want: "key\n"},
		"empty":     {data: "", want: ""},
		"mark":      {data: "\ufeffkey", want: "key"},
		"two marks": {data: "\ufeff\ufeffkey", want: "\ufeffkey"},
		"utf-16":    {data: "\xff\xfek\x00", want: "it is UTF-16", err: true},
		"utf-16 be": {data: "\xfe\xff\x00k", want: "it is UTF-16", err: true},
		"largest":   {data: strings.Repeat("a", maxText), want: strings.Repeat("a", maxText)},
		"too large": {data: strings.Repeat("a", maxText+1), want: "it is larger than 1024 KiB", err: true},
	} {
		path := filepath.Join(folder, name)
		testkit.WriteFile(t, path, test.data)
		got, err := Read(path)
		switch {
		case test.err && (err == nil || !strings.HasPrefix(err.Error(), path+": "+test.want)):
			t.Errorf("%s: got %.40q, %v", name, got, err)
		case !test.err && (err != nil || !bytes.Equal(got, []byte(test.want))):
			t.Errorf("%s: got %.40q, %v", name, got, err)
		}
	}
	for path, want := range map[string]string{folder: "it is not a regular file", filepath.Join(folder, "none"): "no such file or directory"} {
		if _, err := Read(path); err == nil || err.Error() != path+": "+want {
			t.Errorf("got %v, want %q once", err, want)
		}
	}
}

func TestCutLineBreak(t *testing.T) {
	for text, want := range map[string]string{"": "", "a": "a", "a\n": "a", "a\r\n": "a", "a\n\n": "a\n", "a\r": "a\r", "\n": ""} {
		if got := CutLineBreak(text); got != want {
			t.Errorf("%q: got %q", text, got)
		}
	}
}

// A relative path stays in its folder, whatever links are there.
func TestReadBelow(t *testing.T) {
	outside, folder := t.TempDir(), t.TempDir()
	testkit.WriteFile(t, filepath.Join(outside, "secret"), "secret")
	testkit.WriteFile(t, filepath.Join(folder, "page"), "page")
	testkit.WriteFile(t, filepath.Join(folder, "large"), "a large page")
	for name, target := range map[string]string{"inner": "page", "outer": filepath.Join(outside, "secret"), "folder": outside} {
		if err := os.Symlink(target, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"page": "page", "inner": "page", filepath.Join(outside, "secret"): "secret",
		"outer": "", "folder/secret": "", "../" + filepath.Base(outside) + "/secret": "", "large": "", "none": "", ".": "",
	} {
		got, err := ReadBelow(folder, path, 10)
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v", path, got, err)
		}
		if err != nil && strings.Contains(err.Error(), folder) {
			t.Errorf("%s: the error repeats the path: %v", path, err)
		}
	}
}

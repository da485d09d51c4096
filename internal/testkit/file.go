package testkit

import (
	"os"
	"path/filepath"
	"testing"
)

// TempFile writes a file in a new folder of the test's own, and returns its path.
func TempFile[T string | []byte](t testing.TB, name string, content T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	WriteFile(t, path, content)
	return path
}

// WriteFile writes a file in place.
func WriteFile[T string | []byte](t testing.TB, path string, content T) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// ReplaceFile writes a file beside path and renames it to path, so that a reader
// never sees a part of it.
func ReplaceFile[T string | []byte](t testing.TB, path string, content T) {
	t.Helper()
	WriteFile(t, path+".new", content)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// ReadFile returns the content of a file.
func ReadFile(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

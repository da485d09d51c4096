// Package textfile reads small files that people and their tools write, such as
// keys, certificates and secrets.
package textfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxText bounds a file of certificates or keys, in bytes.
const maxText = 1 << 20

// Read returns the text of a regular file of at most 1 MiB, such as a
// certificate or a key, after Clean.
func Read(path string) ([]byte, error) {
	data, err := ReadAtMost(path, maxText)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if data, err = Clean(data); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return data, nil
}

// Clean removes the byte order mark that some editors put before a text; it
// would become part of a key or a secret. UTF-16, which has such a mark too, is
// an error.
func Clean(data []byte) ([]byte, error) {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return nil, errors.New("it is UTF-16, which Windows PowerShell writes: save it as UTF-8")
	}
	return bytes.TrimPrefix(data, []byte("\ufeff")), nil
}

// CutLineBreak removes one line break at the end, which editors and echo add. A
// second line break is part of the text.
func CutLineBreak(text string) string {
	if shorter, found := strings.CutSuffix(text, "\n"); found {
		return strings.TrimSuffix(shorter, "\r")
	}
	return text
}

// ReadAtMost reads a regular file of at most so many bytes. It checks the type
// of the file before it opens it, because opening a named pipe would block
// until there is a writer. The error does not contain the path.
func ReadAtMost(path string, most int64) ([]byte, error) {
	return readAtMost(anywhere{}, path, most)
}

// opener opens files, in one folder or anywhere.
type opener interface {
	Stat(path string) (os.FileInfo, error)
	Open(path string) (*os.File, error)
}

// anywhere opens any file of the system.
type anywhere struct{}

func (anywhere) Stat(path string) (os.FileInfo, error) { return os.Stat(path) }
func (anywhere) Open(path string) (*os.File, error)    { return os.Open(path) }

func readAtMost(files opener, path string, most int64) ([]byte, error) {
	info, err := files.Stat(path)
	if err != nil {
		return nil, WithoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	file, err := files.Open(path)
	if err != nil {
		return nil, WithoutPath(err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	switch {
	case err != nil:
		return nil, WithoutPath(err)
	case int64(len(data)) > most:
		return nil, fmt.Errorf("it is larger than %d KiB", most>>10)
	}
	return data, nil
}

// ReadTextBelow is like Read, for a path as ReadBelow has it.
func ReadTextBelow(folder, path string) ([]byte, error) {
	data, err := ReadBelow(folder, path, maxText)
	if err == nil {
		data, err = Clean(data)
	}
	if err != nil {
		if !filepath.IsAbs(path) {
			path = filepath.Join(folder, path)
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return data, nil
}

// WithoutPath returns a file error without its path, for messages that name the
// file themselves.
func WithoutPath(err error) error {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err
	}
	return err
}

// ReadBelow is like ReadAtMost, for a path that is relative to a folder. Such a
// path must not leave the folder, also not through a link. An absolute path is
// read as it is.
func ReadBelow(folder, path string, most int64) ([]byte, error) {
	if filepath.IsAbs(path) {
		return ReadAtMost(path, most)
	}
	return ReadNested([]string{folder}, path, most)
}

// ReadNested is like ReadBelow, for a path in the last of the folders. Each of them is in the
// one before, and a link does not lead out of it. The path is relative.
func ReadNested(folders []string, path string, most int64) ([]byte, error) {
	root, err := os.OpenRoot(folders[0])
	if err != nil {
		return nil, WithoutPath(err)
	}
	defer func() { _ = root.Close() }()
	return readNested(root, folders[1:], path, most)
}

// readNested reads a path in the last of the folders below root.
func readNested(root *os.Root, folders []string, path string, most int64) ([]byte, error) {
	if len(folders) == 0 {
		return readAtMost(root, path, most)
	}
	inner, err := root.OpenRoot(folders[0])
	if err != nil {
		return nil, WithoutPath(err)
	}
	defer func() { _ = inner.Close() }()
	return readNested(inner, folders[1:], path, most)
}

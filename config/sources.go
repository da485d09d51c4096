// This file finds and reads the files of a table, and says which files were
// read.

package config

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"gatehouse/config/textfile"
	"gatehouse/config/watch"
	"gatehouse/config/yamldoc"
)

// maxIncluded bounds the number of files that a table includes. Together with
// the table they are at most yamldoc.MaxSize bytes.
const maxIncluded = 1000

// Sources are the files that a table was read from.
type Sources struct {
	// Files are the files that were read, the table itself first.
	Files []Source

	folder   string
	patterns []string
	bounded  bool // there were more files
}

// Source is one file of a table.
type Source struct {
	Path string
	Hash string // watch.Hash of its content; "" when it could not be read
}

// Match returns the files that belong to the table now, besides the table
// itself, and the folders in which such files can appear.
func (s Sources) Match() (files, folders []string) {
	if len(s.patterns) == 0 {
		return nil, nil
	}
	system := os.DirFS(s.folder)
	for _, pattern := range s.patterns {
		names, _ := matchFiles(system, pattern) // an error is reported when the table is read
		for _, name := range names {
			files = append(files, s.within(name))
		}
		parts := strings.Split(pattern, "/")
		for i, part := range parts {
			if hasPattern(part) {
				dirs, _ := matchFiles(system, path.Join(parts[:i]...))
				for _, dir := range dirs {
					folders = append(folders, s.within(dir))
				}
			}
		}
	}
	return files, folders
}

func (s *Sources) add(path string, data []byte, err error) {
	hash := ""
	if err == nil {
		hash = watch.Hash(data)
	}
	s.Files = append(s.Files, Source{path, hash})
}

// unchanged reports whether the files are still the same, with the same
// contents. A table that includes no file has only one, which was read at one
// moment.
func (s Sources) unchanged() bool {
	if len(s.patterns) == 0 || s.bounded {
		return true
	}
	root, err := os.OpenRoot(s.folder)
	if err != nil {
		return false
	}
	defer func() { _ = root.Close() }()
	known := map[string]bool{}
	for _, file := range s.Files {
		known[file.Path] = true
		if file.Hash == "" {
			continue
		}
		data, err := textfile.ReadAtMost(file.Path, yamldoc.MaxSize)
		if err != nil || watch.Hash(data) != file.Hash {
			return false
		}
	}
	matched := map[string]bool{s.Files[0].Path: true}
	for _, pattern := range s.patterns {
		names, _ := matchFiles(root.FS(), pattern) // the error was reported
		for _, name := range names {
			matched[s.within(name)] = true
		}
	}
	return maps.Equal(known, matched)
}

// within returns the path of a file in the folder of the table.
func (s Sources) within(name string) string {
	return filepath.Join(s.folder, filepath.FromSlash(name))
}

// folderFS is the folder of a table. Nothing outside it can be read through it,
// also not through a link.
type folderFS struct {
	fs.FS
	path string
}

// read reads one file of an entry, of at most so many bytes. The file of an owner is in the
// folder that its path names, also when it is a link: messages quote a file, and an owner
// could link one of somebody else. The folder may be a link in the folder of the table, as
// in a ConfigMap, where no pattern stands for it.
func (f *folderFS) read(by *Include, name string, most int64) ([]byte, error) {
	folders := []string{f.path}
	if by.Prefix != "" {
		literal := literalFolder(by.Files)
		below := strings.TrimPrefix(path.Dir(name)+"/", literal+"/")
		folders = append(folders, filepath.FromSlash(literal), filepath.FromSlash(path.Clean(below)))
		name = path.Base(name)
	}
	data, err := textfile.ReadNested(folders, filepath.FromSlash(name), max(most, 0))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fs.ErrNotExist
	}
	return data, err
}

// literalFolder returns the folder of a path, up to the first part that is a pattern.
func literalFolder(files string) string {
	parts := strings.Split(path.Dir(path.Clean(files)), "/")
	if first := slices.IndexFunc(parts, hasPattern); first >= 0 {
		parts = parts[:first]
	}
	return path.Join(append([]string{"."}, parts...)...)
}

// hasPattern reports whether a path stands for several files.
func hasPattern(files string) bool { return strings.ContainsAny(files, `*?[\`) }

// matchFiles returns the files that a pattern matches, sorted. As in a shell, a
// name that begins with a dot matches only a pattern that does, too. So the
// hidden folders of a ConfigMap and files of editors do not match. A path that
// is no pattern is returned whether it exists or not.
func matchFiles(folder fs.FS, pattern string) ([]string, error) {
	found := []string{"."}
	parts := strings.Split(path.Clean(pattern), "/")
	for i, part := range parts {
		var next []string
		for _, dir := range found {
			if !hasPattern(part) {
				next = append(next, path.Join(dir, part))
				continue
			}
			names, err := matchNames(folder, dir, part)
			if err != nil {
				return nil, err
			}
			next = append(next, names...)
		}
		if hasPattern(path.Join(parts[:i]...)) && !hasPattern(part) {
			next = slices.DeleteFunc(next, func(name string) bool {
				_, err := fs.Stat(folder, name)
				return errors.Is(err, fs.ErrNotExist) || isNoFolder(err)
			})
		}
		found = next
	}
	slices.Sort(found)
	return found, nil
}

// matchNames returns the entries of a folder that match one part of a pattern.
func matchNames(folder fs.FS, dir, part string) (names []string, err error) {
	entries, err := fs.ReadDir(folder, dir)
	if errors.Is(err, fs.ErrNotExist) || isNoFolder(err) {
		return nil, nil
	}
	if err != nil {
		return nil, textfile.WithoutPath(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, ".") && !strings.HasPrefix(part, ".") {
			continue
		}
		if matched, _ := path.Match(part, name); matched {
			names = append(names, path.Join(dir, name))
		}
	}
	return names, nil
}

// hashOf returns the hash of a table: that of its file, or of all its files.
func (s Sources) hashOf() string {
	if len(s.Files) == 1 {
		return s.Files[0].Hash
	}
	sum := sha256.New()
	for _, file := range s.Files {
		name, _ := filepath.Rel(s.folder, file.Path)
		_ = binary.Write(sum, binary.BigEndian, uint32(len(name)))
		sum.Write([]byte(name + file.Hash))
	}
	return hex.EncodeToString(sum.Sum(nil))[:12]
}

// isNoFolder reports whether a path leads through a file that is no folder.
func isNoFolder(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

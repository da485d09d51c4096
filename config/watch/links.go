// This file finds the places where an edit of a file is visible.

package watch

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxLinks bounds how many symbolic links are followed, as the kernel does.
const maxLinks = 40

// linkChain holds every name whose change can change the content of a path: the
// file itself, and each symbolic link on the way to it.
type linkChain []string

// links follows a path to its file. It stops at a name that does not exist.
func links(path string) (found linkChain) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		absolute = path
	}
	rest, at := strings.Split(strings.TrimPrefix(absolute, "/"), "/"), "/"
	for followed := 0; len(rest) > 0; {
		name := filepath.Join(at, rest[0])
		rest = rest[1:]
		target, err := os.Readlink(name)
		if err != nil {
			if len(rest) == 0 {
				found = append(found, name)
			}
			at = name
			continue
		}
		found = append(found, name)
		if followed++; followed > maxLinks {
			return found
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = slices.Concat(strings.Split(strings.Trim(filepath.Clean(target), "/"), "/"), rest)
	}
	return found
}

func (t linkChain) has(path string) bool { return slices.Contains(t, path) }

// folders returns the folders of the names.
func (t linkChain) folders() []string {
	var folders []string
	for _, name := range t {
		folders = append(folders, filepath.Dir(name))
	}
	return folders
}

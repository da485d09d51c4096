// This file checks that the tests and files that documents name exist.

package gatehouse_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	namedTest    = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w*`)
	namedFile    = regexp.MustCompile(`\b[a-z0-9_/]+\.go\b`)
	declaredTest = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)[A-Z]\w*)\(`)
)

// TestNamedTestsExist looks for every test that a document names.
func TestNamedTestsExist(t *testing.T) {
	t.Parallel()
	declared := map[string]bool{}
	for _, path := range filesBelow(t, ".", "_test.go") {
		for _, name := range declaredTest.FindAllStringSubmatch(read(t, path), -1) {
			declared[name[1]] = true
		}
	}
	named := 0
	for _, path := range filesBelow(t, ".", ".md") {
		for _, name := range namedTest.FindAllString(read(t, path), -1) {
			named++
			if !declared[name] {
				t.Errorf("%s names %s, which is no test", path, name)
			}
		}
	}
	if named < 100 {
		t.Errorf("the documents name %d tests; SECURITY.md alone names more", named)
	}
}

// TestNamedFilesExist looks for every Go file that the documentation of a package names,
// in its folder or in one below it.
func TestNamedFilesExist(t *testing.T) {
	t.Parallel()
	named := 0
	for _, path := range filesBelow(t, ".", ".go") {
		folder := filepath.Dir(path)
		documentation, _, found := strings.Cut("\n"+read(t, path), "\npackage ")
		if !found || strings.HasSuffix(path, "_test.go") {
			continue
		}
		for _, name := range namedFile.FindAllString(documentation, -1) {
			named++
			if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
				t.Errorf("%s names %s: %v", path, name, err)
			}
		}
	}
	if named < 100 {
		t.Errorf("the documentation of packages names %d files: are they read?", named)
	}
}

// filesBelow returns the paths below a folder that end in suffix, without what
// lies in folders whose names begin with a dot.
func filesBelow(t *testing.T, folder, suffix string) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch name := entry.Name(); {
		case entry.IsDir() && path != folder && name[0] == '.':
			return filepath.SkipDir
		case !entry.IsDir() && strings.HasSuffix(name, suffix):
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

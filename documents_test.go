// What the documents say of the tests, held: each test that one names is there.

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
	declaredTest = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)[A-Z]\w*)\(`)
)

// TestNamedTestsExist reads the documents for names of tests: a promise whose
// test was renamed or removed rests on nothing.
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

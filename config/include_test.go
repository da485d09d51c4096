// Tests of tables in several files.

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"gatehouse/config/configtest"
	"gatehouse/internal/testkit"
)

// unpack writes the files of a txtar archive into a new folder.
func unpack(t testing.TB, archive *txtar.Archive) (folder string) {
	t.Helper()
	folder = t.TempDir()
	for _, file := range archive.Files {
		path := filepath.Join(folder, filepath.FromSlash(file.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		content := string(file.Data)
		if target, isLink := strings.CutPrefix(content, "-> "); isLink {
			if err := os.Symlink(strings.TrimSpace(target), path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		testkit.WriteFile(t, path, content)
	}
	return folder
}

// Each archive is a table in several files. Its comment says what it is about;
// the text beside it is what an operator reads.
func TestIncludeCorpus(t *testing.T) {
	archives, err := filepath.Glob("testdata/include/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			folder := unpack(t, archive)
			table, err := Load(filepath.Join(folder, "routes.yaml"), configtest.Environment())
			var got strings.Builder
			if _, err := problemsOf(t, err).WriteTo(&got); err != nil {
				t.Fatal(err)
			}
			if table != nil {
				for _, route := range table.Routes {
					got.WriteString(route.Position.String() + " " + route.Name + " " + route.Prefix + " " + string(route.Auth) + "\n")
				}
			}
			if strings.Contains(got.String(), "hunter2") {
				t.Errorf("a secret is shown:\n%s", got.String())
			}
			configtest.Golden(t, strings.TrimSuffix(path, ".txtar")+".txt", strings.ReplaceAll(got.String(), folder+"/", ""))
		})
	}
}

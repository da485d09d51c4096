// Tests of tables in several files.

package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
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

// A table in several files has the content of one moment: while a ConfigMap is
// replaced, no file of the old content is joined with one of the new.
func TestLoadWhileReplaced(t *testing.T) {
	mount := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(mount, name), []byte(content), 0o644); err != nil {
			t.Error(err)
		}
	}
	swap := func(generation int) {
		dated := "..." + strconv.Itoa(generation)
		if err := os.Mkdir(filepath.Join(mount, dated), 0o755); err != nil {
			t.Error(err)
		}
		write(dated+"/routes.yaml", fmt.Sprintf("include: [a.yaml]\nroutes: [{name: main, prefix: /, backend: 'http://v%d'}]\n", generation))
		write(dated+"/a.yaml", fmt.Sprintf("routes: [{name: a, prefix: /a, backend: 'http://v%d'}]\n", generation))
		if err := errors.Join(os.Symlink(dated, filepath.Join(mount, "..next")), os.Rename(filepath.Join(mount, "..next"), filepath.Join(mount, "..data"))); err != nil {
			t.Error(err)
		}
	}
	swap(0)
	for _, name := range []string{"routes.yaml", "a.yaml"} {
		if err := os.Symlink("..data/"+name, filepath.Join(mount, name)); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for generation := 1; generation <= 300; generation++ {
			swap(generation)
		}
	}()
	defer func() { <-ended }()
	for loaded := 0; ; loaded++ {
		table, err := Load(filepath.Join(mount, "routes.yaml"), nil)
		if err != nil && !strings.Contains(err.Error(), "change while they are read") {
			t.Fatal(err)
		}
		if err == nil && table.Routes[0].Backend.URL.Host != table.Routes[1].Backend.URL.Host {
			t.Fatalf("a table of two moments: %s and %s", table.Routes[0].Backend, table.Routes[1].Backend)
		}
		select {
		case <-ended:
			return
		default:
		}
	}
}

// What a table includes is bounded: the number of files, and their size.
func TestIncludeIsBounded(t *testing.T) {
	folder := t.TempDir()
	table := filepath.Join(folder, "routes.yaml")
	testkit.WriteFile(t, table, "include: [\"*.yaml\"]\n"+configtest.OneRoute)
	for i := range maxIncluded + 1 {
		testkit.WriteFile(t, filepath.Join(folder, fmt.Sprintf("%d.yaml", i)), "tests: []\n")
	}
	if _, err := Load(table, nil); err == nil || !strings.Contains(err.Error(), "more files than 1000") {
		t.Errorf("1001 files: %v", err)
	}
	testkit.WriteFile(t, table, "include: [1.yaml, 2.yaml]\n"+configtest.OneRoute)
	for _, name := range []string{"1.yaml", "2.yaml"} {
		testkit.WriteFile(t, filepath.Join(folder, name), "tests: []\n#"+strings.Repeat("x", 9<<20))
	}
	if _, err := Load(table, nil); err == nil || !strings.Contains(err.Error(), `include "2.yaml": it is larger`) {
		t.Errorf("18 MiB: %v", err)
	}
}

// The hash names the content of all files, and their names.
func TestHashOfAllFiles(t *testing.T) {
	seen := map[string]string{}
	for name, files := range map[string]map[string]string{
		"as it was":      {"routes.yaml": "include: ['?.yaml']\n" + configtest.OneRoute, "a.yaml": "tests: []\n"},
		"another part":   {"routes.yaml": "include: ['?.yaml']\n" + configtest.OneRoute, "a.yaml": "tests: [] # more\n"},
		"another name":   {"routes.yaml": "include: ['?.yaml']\n" + configtest.OneRoute, "b.yaml": "tests: []\n"},
		"one file more":  {"routes.yaml": "include: ['?.yaml']\n" + configtest.OneRoute, "a.yaml": "tests: []\n", "b.yaml": "tests: []\n"},
		"another table":  {"routes.yaml": "include: ['?.yaml'] # more\n" + configtest.OneRoute, "a.yaml": "tests: []\n"},
		"without a part": {"routes.yaml": configtest.OneRoute},
	} {
		hashes := map[string]bool{}
		for range 2 { // the folder does not matter
			folder := t.TempDir()
			for file, content := range files {
				testkit.WriteFile(t, filepath.Join(folder, file), content)
			}
			table, err := Load(filepath.Join(folder, "routes.yaml"), nil)
			if err != nil {
				t.Fatal(name, err)
			}
			hashes[table.Hash] = true
			if other := seen[table.Hash]; other != "" && other != name {
				t.Errorf("%s has the hash of %s", name, other)
			}
			seen[table.Hash] = name
		}
		if len(hashes) != 1 {
			t.Errorf("%s: two folders have different hashes", name)
		}
	}
}

// A loaded table keeps nothing of the text of its files.
func TestLoadKeepsNoText(t *testing.T) {
	folder := t.TempDir()
	comment := strings.Repeat("# "+strings.Repeat("x", 998)+"\n", 4000)
	testkit.WriteFile(t, filepath.Join(folder, "routes.yaml"), comment+"include: [a.yaml]\n"+configtest.OneRoute)
	testkit.WriteFile(t, filepath.Join(folder, "a.yaml"), comment+"routes: [{name: a, prefix: /a, backend: 'http://a'}]\n")
	inUse := func() int64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	before := inUse()
	table, err := Load(filepath.Join(folder, "routes.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if kept := inUse() - before; kept > 2<<20 {
		t.Errorf("a table of two routes keeps %d KiB", kept>>10)
	}
	runtime.KeepAlive(table)
}

// Aliases do not make many small files a large table.
func TestIncludedBombs(t *testing.T) {
	folder := t.TempDir()
	many := "x: &x [" + strings.Repeat("y, ", 1000) + "]\ntests: [" + strings.Repeat("*x, ", 1500) + "]\n"
	testkit.WriteFile(t, filepath.Join(folder, "routes.yaml"), "include: ['?.yaml']\n"+configtest.OneRoute)
	for _, name := range []string{"a", "b", "c"} {
		testkit.WriteFile(t, filepath.Join(folder, name+".yaml"), many)
	}
	_, err := Load(filepath.Join(folder, "routes.yaml"), nil)
	if err == nil || !strings.Contains(err.Error(), "with b.yaml, the table has too many values") {
		t.Errorf("got %.2000v", err)
	}
}

// Tests of whole files: the corpus of bad ones, the good ones, and the files
// that cannot be read at all.

package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/config/configtest"
	"gatehouse/config/problem"
	"gatehouse/config/yamldoc"
	"gatehouse/internal/testkit"
)

// problemsOf returns the problems in an error, and fails on any other error.
func problemsOf(t *testing.T, err error) problem.List {
	t.Helper()
	problems, ok := errors.AsType[problem.List](err)
	if err != nil && !ok {
		t.Fatalf("the error is a %T, not problem.List: %v", err, err)
	}
	return problems
}

// Each file has one mistake; the text beside it is what an operator reads.
func TestBadCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		t.Run(name, func(t *testing.T) {
			data := testkit.ReadFile(t, path)
			_, err = Parse("routes.yaml", data, configtest.Environment())
			problems := problemsOf(t, err)
			if !problems.HasErrors() {
				t.Fatalf("%s loads", path)
			}
			var got strings.Builder
			if _, err := problems.WriteTo(&got); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(got.String(), "hunter2") {
				t.Errorf("a secret is shown:\n%s", got.String())
			}
			configtest.Golden(t, strings.TrimSuffix(path, ".yaml")+".txt", got.String())
		})
	}
}

func TestGoodCorpus(t *testing.T) {
	files, _ := filepath.Glob("testdata/good/*.yaml")
	examples, _ := filepath.Glob("../examples/*.yaml")
	files = append(append(files, examples...), "../routes.yaml")
	if len(files) < 8 || len(examples) < 2 {
		t.Fatalf("only %d files", len(files))
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			table, err := Load(path, configtest.Environment())
			if err != nil {
				t.Fatal(err)
			}
			if len(table.Warnings) > 0 {
				t.Errorf("warnings:\n%v", table.Warnings)
			}
			if table.File != path || len(table.Hash) != 12 {
				t.Errorf("file %q, hash %q", table.File, table.Hash)
			}
		})
	}
}

func TestUnreadableFiles(t *testing.T) {
	folder := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(folder, name)
		testkit.WriteFile(t, path, content)
		return path
	}
	huge := write("huge.yaml", "")
	if err := os.Truncate(huge, 100<<20); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ path, want string }{
		"missing":   {filepath.Join(folder, "none.yaml"), "read the route table: no such file or directory"},
		"directory": {folder, "read the route table: it is a directory, not a file"},
		"device":    {os.DevNull, "read the route table: it is not a regular file"},
		"huge":      {huge, "read the route table: it is larger than 16MiB"},
		"empty":     {write("empty.yaml", ""), "the file is empty"},
		"comments":  {write("comments.yaml", "# nothing\n\n# at all\n"), "the file is empty"},
		"NUL":       {write("nul.yaml", "a: b\nc: \x00\n"), "the file contains a NUL byte; it is not text"},
		"latin1":    {write("latin1.yaml", "# caf\xe9\n"), "the file is not valid UTF-8"},
		"utf16":     {write("utf16.yaml", "\xff\xfea\x00"), "the file is UTF-16"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Load(test.path, nil)
			problems := problemsOf(t, err)
			if len(problems) != 1 || problems[0].Message != test.want || problems[0].File != test.path {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// Files made to be expensive are refused, and soon.
func TestBombs(t *testing.T) {
	doubling := "a0: &a0 [x, x]\n"
	for i := 1; i < 40; i++ {
		doubling += fmt.Sprintf("a%d: &a%d [*a%d, *a%d]\n", i, i, i-1, i-1)
	}
	route := "- {name: r, prefix: /a, backend: http://b, headers: *h}\n"
	bombs := map[string]string{
		"alias bomb":       doubling,
		"alias cycle":      "routes: &r [*r]\n",
		"wide aliases":     "x: &h {" + strings.Repeat("a: b, ", 5000) + "z: y}\nroutes:\n" + strings.Repeat(route, 5000),
		"deep flow":        "routes: " + strings.Repeat("[", 1<<20),
		"deep closed flow": "routes: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000),
		"deep block":       strings.Repeat("- ", 1<<20),
		"deep keys":        strings.Repeat("? ", 1<<20),
		"deep mapping":     strings.Repeat("{a: ", 1<<20),
		"nested secrets":   strings.Repeat("{secret: ", 9000) + strings.Repeat("}", 9000),
		"many colons":      "password: " + strings.Repeat("a:", 1<<20) + "@",
		"many mistakes":    "routes:\n" + strings.Repeat("- {nme: x}\n", 10000),
	}
	for name, text := range bombs {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := Parse("routes.yaml", []byte(text), nil)
			problems := problemsOf(t, err)
			if len(problems) == 0 || len(problems) > yamldoc.MaxProblems+1 {
				t.Errorf("%d problems", len(problems))
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("took %v", took)
			}
		})
	}
}

// bigTable returns a table of n routes; each function returns prefix, hosts and
// headers of a route.
func bigTable(n int, each func(i int) string) []byte {
	var b strings.Builder
	b.WriteString("routes:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - name: r%d\n    backend: http://backend-%d:8080\n    methods: [GET, POST]\n    auth: initial\n    timeout: 30s\n%s", i, i, each(i))
	}
	return []byte(b.String())
}

func TestBigTables(t *testing.T) {
	tables := map[string]func(i int) string{
		"prefixes": func(i int) string { return fmt.Sprintf("    prefix: /api/v%d\n", i) },
		"hosts":    func(i int) string { return fmt.Sprintf("    prefix: /\n    hosts: [h%d.example.com]\n", i) },
		"tenants":  func(i int) string { return fmt.Sprintf("    prefix: /\n    headers: {X-Tenant: t%d}\n", i) },
	}
	for name, each := range tables {
		t.Run(name, func(t *testing.T) {
			n := 10_000
			if name != "prefixes" {
				n = 3_000 // pair by pair even this would take minutes
			}
			start := time.Now()
			table, err := Parse("routes.yaml", bigTable(n, each), nil)
			if err != nil {
				t.Fatal(err)
			}
			// It takes well under a second; comparing all pairs would take
			// minutes. The bound is generous for the race detector and a busy
			// machine.
			if took := time.Since(start); took > time.Minute || len(table.Routes) != n {
				t.Errorf("%d routes took %v", len(table.Routes), took)
			}
		})
	}
}

func BenchmarkParse10000Routes(b *testing.B) {
	data := bigTable(10_000, func(i int) string { return fmt.Sprintf("    prefix: /api/v%d\n", i) })
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Parse("routes.yaml", data, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// A table has its own environment, positions and problems: an earlier parse
// does not affect it.
func TestParseIsPure(t *testing.T) {
	data := testkit.ReadFile(t, "../routes.yaml")
	first, err1 := Parse("routes.yaml", data, nil)
	second, err2 := Parse("routes.yaml", data, nil)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if diff := cmp.Diff(first, second, cmp.Comparer(equalPrefix)); diff != "" {
		t.Errorf("two readings differ:\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.yaml", "testdata/good/*.yaml", "../examples/*.yaml", "../routes.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range files {
			f.Add(testkit.ReadFile(f, path))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		start := time.Now()
		table, err := Parse("routes.yaml", data, configtest.Environment())
		if took := time.Since(start); took > time.Minute {
			t.Fatalf("took %v", took)
		}
		problems := problemsOf(t, err)
		if (table == nil) != (err != nil) || table == nil && !problems.HasErrors() {
			t.Fatalf("table %v, error %v", table, err)
		}
		var text strings.Builder
		if _, err := problems.WriteTo(&text); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(text.String(), "\x00\x1b") {
			t.Fatalf("a control character reaches the terminal: %q", text.String())
		}
	})
}

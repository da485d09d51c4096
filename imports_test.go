// The import rule, held: which folder of the house may import which, with the reason for every edge that is missing.
// A few habits that a parser can see are held here as well: who may exit the process, and what production code
// leaves alone. .golangci.yml tells the same rule in the editor; change both.

package gatehouse_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "gatehouse"

// house is the table: what the production code of each folder may import besides itself. Packages below a folder,
// such as store/sqlite, count as the folder. Only cmd stands above all; bench, deploy and examples
// look at gatehouse from outside.
var house = map[string][]string{
	"config":   {},
	"store":    {},
	"auth":     {"config", "store"},
	"proxy":    {"config", "auth"},
	"ops":      {"config", "store", "auth", "proxy"},
	"cmd":      {"config", "store", "auth", "proxy", "ops"},
	"bench":    {},
	"deploy":   {},
	"examples": {},
}

// outside are the folders that hold programs of their own, with their own habits.
var outside = []string{"bench", "deploy", "examples"}

// why says what each missing edge protects. The first entry that fits is told; "*" fits every folder.
var why = []struct{ from, to, reason string }{
	{"*", "cmd", "cmd is wiring; what others need belongs in a folder of the house"},
	{"*", ".", "the root holds documents and the tests about the whole; code belongs in a folder of the house"},
	{".", "*", "the root holds documents and the tests about the whole; code belongs in a folder of the house"},
	{"bench", "*", "bench measures the built program from outside, as it does the other gateways"},
	{"deploy", "*", "deploy packs the built program and knows nothing of its inside"},
	{"examples", "*", "an example shows what its reader could do without our source"},
	{"*", "bench", "nothing that is shipped depends on what measures it"},
	{"*", "deploy", "nothing that is shipped depends on what packs it"},
	{"*", "examples", "nothing that is shipped depends on an example"},
	{"*", "ops", "ops looks at the others, they do not know that they are looked at; take a func or an interface"},
	{"config", "*", "a configuration is read and checked without touching anything live, so config imports nothing of ours"},
	{"store", "*", "one contract holds both databases, so store knows users only: no routes, no tokens, no settings"},
	{"auth", "proxy", "who is asking is decided without knowing where the request goes"},
	{"proxy", "store", "a request is forwarded without a database read; proxy asks auth"},
}

func reason(from, to string) string {
	for _, w := range why {
		if (w.from == "*" || w.from == from) && (w.to == "*" || w.to == to) {
			return w.reason
		}
	}
	return "it is not in the table of imports_test.go"
}

// leftAlone is what production code in the house does not import, and what it takes instead.
var leftAlone = map[string]string{
	"io/ioutil":         "use io and os",
	"log":               "use log/slog, with a logger that arrives as an argument; log.Fatal skips every defer",
	"math/rand":         "use crypto/rand for what must not be guessed, math/rand/v2 for jitter",
	"net/http/httptest": "it is for tests, and registers a flag in the program that imports it",
	"testing":           "it is for tests and the packages named *test that serve them",
}

func TestImportRule(t *testing.T) {
	found, err := breaches(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, breach := range found {
		t.Error(breach)
	}
}

// breaches reads every Go file of the module at root and returns what breaks the rules, one "file:line: …" each.
func breaches(root fs.FS) ([]string, error) {
	var found []string
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return enter(root, name)
		case path.Ext(name) != ".go":
			return nil
		}
		source, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		files := token.NewFileSet()
		parsed, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		f := file{name: name, ast: parsed}
		for _, b := range slices.Concat(f.imports(), f.habits()) {
			found = append(found, fmt.Sprintf("%s:%d: %s", name, files.Position(b.pos).Line, b.text))
		}
		return nil
	})
	return found, err
}

// enter skips the folders that the go command skips, and modules of their own.
func enter(root fs.FS, dir string) error {
	if dir == "." {
		return nil
	}
	base := path.Base(dir)
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "vendor" {
		return fs.SkipDir
	}
	if _, err := fs.Stat(root, path.Join(dir, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

type file struct {
	name string // slash-separated, from the root
	ast  *ast.File
}

type breach struct {
	pos  token.Pos
	text string
}

// folder is the first element of a package's path, or "." for the root.
func folder(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	return first
}

// serves tells whether a package is there for tests: its name ends in "test", as storetest's does.
func serves(dir string) bool { return strings.HasSuffix(dir, "test") }

func (f file) dir() string { return path.Dir(f.name) }

// forTests reports whether a file is left out of the program that is shipped.
func (f file) forTests() bool { return strings.HasSuffix(f.name, "_test.go") || serves(f.dir()) }

// imports holds the table. Tests may import what their folder reaches through others too, and the *test packages
// there: a test of proxy needs users to authenticate. They may not look upwards, where a cycle would wait.
func (f file) imports() []breach {
	var found []breach
	from := folder(f.dir())
	if _, named := house[from]; !named && from != "." {
		found = append(found, breach{f.ast.Package, from + " is not a folder of the house: name it in the table of imports_test.go"})
	}
	may := house[from]
	if f.forTests() {
		may = reach(from)
	}
	for _, spec := range f.ast.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // not a Go file that would compile
		}
		if imported != module && !strings.HasPrefix(imported, module+"/") {
			continue
		}
		dir := strings.TrimPrefix(strings.TrimPrefix(imported, module), "/")
		to := folder(path.Clean(dir)) // the module's own path is "."
		switch {
		case from != to && !slices.Contains(may, to):
			found = append(found, breach{spec.Pos(), fmt.Sprintf("%s must not import %s: %s", from, imported, reason(from, to))})
		case serves(dir) && !f.forTests():
			found = append(found, breach{spec.Pos(), fmt.Sprintf("production code must not import %s: it is there for tests", imported)})
		}
	}
	return found
}

// reach returns what a folder may import, and what those may, and so on. Tests at the root are about the whole house.
func reach(from string) []string {
	reached := map[string]bool{}
	var add func([]string)
	add = func(folders []string) {
		for _, to := range folders {
			if !reached[to] {
				reached[to] = true
				add(house[to])
			}
		}
	}
	add(house[from])
	if from == "." {
		add(house["cmd"])
	}
	return slices.Collect(maps.Keys(reached))
}

// habits holds what production code leaves alone: some packages, init, and (but for cmd) the process itself.
func (f file) habits() []breach {
	from := folder(f.dir())
	if f.forTests() || slices.Contains(outside, from) {
		return nil
	}
	var found []breach
	osName := ""
	for _, spec := range f.ast.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		if instead, named := leftAlone[imported]; named {
			found = append(found, breach{spec.Pos(), fmt.Sprintf("%s must not import %s: %s", from, imported, instead)})
		}
		if imported == "os" {
			osName = "os"
			if spec.Name != nil {
				osName = spec.Name.Name
			}
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && n.Name.Name == "init" {
				found = append(found, breach{n.Pos(), "no init functions: what is needed arrives as an argument"})
			}
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if ok && osName != "" && x.Name == osName && n.Sel.Name == "Exit" && f.dir() != "cmd/gatehouse" {
				found = append(found, breach{n.Pos(), "only cmd/gatehouse may call os.Exit: return an error, so that defers run and tests can call it"})
			}
		}
		return true
	})
	return found
}

// TestImportRuleNotices breaks each rule in a made-up module, and keeps it where a rule could be too strict.
func TestImportRuleNotices(t *testing.T) {
	tests := []struct {
		name   string
		file   string
		source string
		want   string // part of the only breach; none when empty
	}{
		{"config imports store", "config/x.go", `import "gatehouse/store"`, "config must not import gatehouse/store: a configuration is read and checked"},
		{"config imports a package below auth", "config/x.go", `import "gatehouse/auth/keys"`, "config must not import gatehouse/auth/keys"},
		{"store imports config", "store/x.go", `import "gatehouse/config"`, "store knows users only"},
		{"a package below store imports config", "store/sqlite/x.go", `import "gatehouse/config"`, "store knows users only"},
		{"auth imports proxy", "auth/x.go", `import "gatehouse/proxy"`, "who is asking is decided without knowing where"},
		{"auth imports ops", "auth/x.go", `import "gatehouse/ops"`, "they do not know that they are looked at"},
		{"proxy imports store", "proxy/x.go", `import "gatehouse/store"`, "without a database read"},
		{"proxy imports ops under another name", "proxy/x.go", `import metrics "gatehouse/ops"`, "take a func or an interface"},
		{"proxy imports ops for its effects", "proxy/x.go", `import _ "gatehouse/ops"`, "take a func or an interface"},
		{"ops imports cmd", "ops/x.go", `import "gatehouse/cmd/gatehouse"`, "cmd is wiring"},
		{"a test imports cmd", "proxy/x_test.go", `import "gatehouse/cmd/gatehouse"`, "cmd is wiring"},
		{"auth imports the root", "auth/x.go", `import "gatehouse"`, "the root holds documents"},
		{"the root imports config", "x.go", `import "gatehouse/config"`, "the root holds documents"},
		{"an example imports config", "examples/echo/main.go", `import "gatehouse/config"`, "without our source"},
		{"a folder nobody named", "util/x.go", ``, "util is not a folder of the house"},
		{"production code imports storetest", "cmd/gatehouse/x.go", `import "gatehouse/store/storetest"`, "it is there for tests"},
		{"the same folder's production code imports storetest", "store/x.go", `import "gatehouse/store/storetest"`, "it is there for tests"},
		{"a test of config looks upwards", "config/x_test.go", `import "gatehouse/proxy"`, "config must not import gatehouse/proxy"},
		{"storetest looks upwards", "store/storetest/x.go", `import "gatehouse/auth"`, "store must not import gatehouse/auth"},
		{"os.Exit in proxy", "proxy/x.go", `import "os"; func f() { os.Exit(1) }`, "only cmd/gatehouse may call os.Exit"},
		{"os.Exit under another name", "proxy/x.go", `import system "os"; func f() { system.Exit(1) }`, "only cmd/gatehouse may call os.Exit"},
		{"os.Exit as a value", "auth/x.go", `import "os"; var exit = os.Exit`, "only cmd/gatehouse may call os.Exit"},
		{"package log", "cmd/gatehouse/x.go", `import "log"`, "use log/slog"},
		{"math/rand", "auth/x.go", `import "math/rand"`, "use crypto/rand"},
		{"httptest in production", "cmd/gatehouse/demo.go", `import "net/http/httptest"`, "registers a flag"},
		{"an init function", "ops/x.go", `func init() {}`, "no init functions"},

		{"cmd imports all", "cmd/gatehouse/x.go", `import ("gatehouse/auth"; "gatehouse/config"; "gatehouse/ops"; "gatehouse/proxy"; "gatehouse/store")`, ""},
		{"cmd exits", "cmd/gatehouse/main.go", `import "os"; func f() { os.Exit(1) }`, ""},
		{"auth imports what it may", "auth/x.go", `import ("gatehouse/config"; "gatehouse/store"; "log/slog"; "math/rand/v2")`, ""},
		{"a folder imports its own packages", "store/x.go", `import "gatehouse/store/sqlite"`, ""},
		{"a test of auth uses storetest", "auth/x_test.go", `import "gatehouse/store/storetest"`, ""},
		{"a test of proxy reaches store through auth", "proxy/x_test.go", `import "gatehouse/store"`, ""},
		{"a test at the root is about the whole", "x_test.go", `import "gatehouse/ops"`, ""},
		{"a test exits and logs", "store/x_test.go", `import ("log"; "os"); func init() { os.Exit(1); log.Print() }`, ""},
		{"storetest imports testing", "store/storetest/x.go", `import "testing"`, ""},
		{"another module with a similar name", "config/x.go", `import "gatehouse.example/store"`, ""},
		{"an example exits", "examples/echo/main.go", `import ("log"; "os"); func f() { os.Exit(1); log.Print() }`, ""},
		{"a method named init", "ops/x.go", `type t struct{}; func (t) init() {}`, ""},
		{"testdata", "config/testdata/x.go", `import "gatehouse/ops"`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			found, err := breaches(fstest.MapFS{tt.file: {Data: []byte("package x\n" + tt.source)}})
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case tt.want == "" && len(found) > 0:
				t.Errorf("%s holding %q: got %q, want no breach", tt.file, tt.source, found)
			case tt.want != "" && (len(found) != 1 || !strings.Contains(found[0], tt.want)):
				t.Errorf("%s holding %q: got %q, want one breach with %q", tt.file, tt.source, found, tt.want)
			}
		})
	}
}

func TestImportRuleSkipsModulesOfTheirOwn(t *testing.T) {
	found, err := breaches(fstest.MapFS{
		"tools/go.mod":  {Data: []byte("module gatehouse/tools")},
		"tools/main.go": {Data: []byte("package main\nimport \"gatehouse/cmd/gatehouse\"")},
	})
	if err != nil || len(found) > 0 {
		t.Errorf("got %q, %v; want nothing", found, err)
	}
}

// TestImportRuleGivesReasons holds that no edge is forbidden without saying why.
func TestImportRuleGivesReasons(t *testing.T) {
	for from, may := range house {
		for to := range house {
			if from != to && !slices.Contains(may, to) && strings.Contains(reason(from, to), "not in the table") {
				t.Errorf("%s → %s is forbidden without a reason", from, to)
			}
		}
	}
}

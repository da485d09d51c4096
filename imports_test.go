// This file checks which package may import which, with a reason for every forbidden import. It also checks a few
// other rules that a parser can see: who may exit the process, and what production code must not use. .golangci.yml
// has the same rules for editors, folder by folder; change both.

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

// testkit is what the tests of every package may import.
const testkit = "internal/testkit"

// house is the table: what the production code of each package may import besides itself. A package without a row
// counts as the nearest one above it that has a row: store/sqlite as store. Only cmd may import all; bench, deploy
// and examples use gatehouse from outside.
var house = map[string][]string{
	"config":                {"config/pathexp", "config/problem", "config/textfile", "config/value", "config/watch", "config/yamldoc"},
	"config/lint":           {"config", "config/pathexp", "config/value", "config/yamldoc"},
	"config/pathexp":        {"config/problem"},
	"config/problem":        {},
	"config/schema":         {"config", "config/pathexp", "config/value", "config/yamldoc"},
	"config/settings":       {"config/problem", "config/textfile", "config/value"},
	"config/textfile":       {},
	"config/value":          {"config/problem"},
	"config/watch":          {},
	"config/yamldoc":        {"config/problem", "config/value"},
	"store":                 {},
	"auth":                  {"config", "auth/keys", "store", "internal/httperr"},
	"auth/account":          {"auth", "config", "store", "internal/httperr"},
	"auth/basic":            {"auth", "auth/account", "config/textfile", "internal/httperr"},
	"auth/keys":             {"config", "config/textfile", "internal/httperr"},
	"proxy":                 {"config", "config/problem", "auth", "auth/basic", "internal/descriptors", "internal/httperr", "internal/timerwheel", "proxy/backend", "proxy/clientip", "proxy/compress", "proxy/cors", "proxy/deadline", "proxy/forward", "proxy/headers", "proxy/http2conn", "proxy/listener", "proxy/rewrite", "proxy/route", "proxy/target", "proxy/upstream"},
	"proxy/compress":        {"config"},
	"proxy/cors":            {"config", "internal/httperr"},
	"proxy/explain":         {"config", "config/pathexp", "config/problem", "auth", "proxy", "proxy/clientip", "proxy/route", "internal/httperr"},
	"proxy/deadline":        {"internal/timerwheel", "proxy/idletimer"},
	"proxy/backend":         {"config"},
	"proxy/forward":         {"config", "auth", "internal/descriptors", "internal/httperr", "internal/occurrence", "internal/reqctx", "internal/timerwheel", "proxy/backend", "proxy/clientip", "proxy/headers", "proxy/http1/transport", "proxy/idletimer", "proxy/rewrite", "proxy/route", "proxy/stream", "proxy/upstream"},
	"proxy/clientip":        {"config", "proxy/route"},
	"proxy/headers":         {"config", "auth", "proxy/route"},
	"proxy/http1":           {},
	"proxy/http1/server":    {"proxy/http1/wire", "internal/reqctx"},
	"proxy/http1/transport": {"proxy/http1/socket", "proxy/http1/wire", "internal/reqctx"},
	"proxy/http1/socket":    {},
	"proxy/http2conn":       {},
	"proxy/idletimer":       {"internal/timerwheel"},
	"proxy/listener":        {"internal/descriptors", "internal/occurrence", "internal/reqctx", "internal/timerwheel", "proxy/clientip", "proxy/http1/server", "proxy/http1/socket"},
	"proxy/rewrite":         {"config", "config/pathexp", "config/problem", "proxy/route"},
	"proxy/route":           {"config"},
	"proxy/stream":          {"proxy/idletimer"},
	"proxy/target":          {"config", "config/textfile", "internal/httperr"},
	"proxy/upstream":        {"config", "config/textfile", "proxy/http1/socket", "proxy/http1/transport"},
	"proxy/http1/wire":      {},
	"ops":                   {"config", "config/problem", "store", "auth", "auth/keys", "proxy", "proxy/backend", "proxy/explain", "proxy/forward", "proxy/listener", "internal/httperr"},
	"cmd":                   {"config", "config/lint", "config/problem", "config/schema", "config/settings", "config/textfile", "store", "auth", "auth/account", "auth/keys", "proxy", "proxy/explain", "ops", "internal/demo", "internal/hint", "internal/server"},
	"bench":                 {},
	"deploy":                {},
	"examples":              {},

	"internal/demo":        {"config/settings", "store", "auth/account", "internal/server"},
	"internal/descriptors": {},
	"internal/hint":        {},
	"internal/httperr":     {},
	"internal/occurrence":  {},
	"internal/secretkeys":  {},
	"internal/reqctx":      {},
	"internal/timerwheel":  {},
	testkit:                {},
	"internal/server":      {"config", "config/lint", "config/problem", "config/settings", "config/textfile", "config/watch", "store", "auth", "auth/account", "auth/basic", "auth/keys", "proxy", "proxy/explain", "proxy/http1/server", "proxy/http2conn", "proxy/listener", "proxy/backend", "proxy/upstream", "ops", "internal/descriptors", "internal/hint", "internal/secretkeys"},
}

// testsAlso is what the tests of a package may import besides what the package reaches (see may), with the reason.
var testsAlso = []edge{
	{"auth/keys", "auth", "keys are tested through the Verifier that asks for them"},
	{"proxy/backend", "proxy/upstream", "health checks are tested with the transports that send them"},
}

// outside are the folders that hold programs of their own, with their own habits.
var outside = []string{"bench", "deploy", "examples"}

// edge is a forbidden import, or a kind of them. from and to are rows of the table; "proxy/..." is proxy and all below it,
// "*" is every package.
type edge struct{ from, to, reason string }

// why has the reason for each forbidden import. The first entry that matches is shown.
var why = []edge{
	{"*", "cmd", "cmd only connects packages; code that others need belongs in another package"},
	{"*", ".", "the root holds documents and the tests about the whole; code belongs in a folder of the house"},
	{".", "*", "the root holds documents and the tests about the whole; code belongs in a folder of the house"},
	{"bench", "*", "bench measures the built program from outside, as it does the other gateways"},
	{"deploy", "*", "deploy packs the built program, and knows no package"},
	{"examples", "*", "an example shows what its reader could do without our source"},
	{"*", "bench", "production code must not depend on measurements"},
	{"*", "deploy", "production code must not depend on packaging"},
	{"*", "examples", "production code must not depend on an example"},
	{testkit, "*", "it serves the tests of every package, so it knows none of them"},
	{"*", testkit, "it waits, connects and listens as only a test may"},
	{"*", "ops", "ops reads the others, and they do not know ops; accept a func or an interface"},

	{"config", "config/lint", "a table is valid or not without warnings; its readers ask for the warnings"},
	{"config/lint", "config/...", "warnings are about a decoded table, not about files"},
	{"*", "config/lint", "internal/server and the commands read tables, and ask for the warnings about them"},
	{"config", "config/schema", "the schema is made of the types, never the other way round"},
	{"config/schema", "config/...", "what it says comes from the types, their defaults and the lists of config"},
	{"*", "config/schema", "it is printed by a command, and nothing that serves needs it"},
	{"config/pathexp", "*", "an expression is about a path, in whatever file it stands"},
	{"*", "config/pathexp", "only who reads a rewrite, warns about it or applies it parses its expression"},
	{"config/problem", "*", "a problem is a text and a place, for any kind of file"},
	{"config/settings", "config/...", "a process and its table are configured separately: the same table works everywhere"},
	{"config/...", "config/settings", "a process and its table are configured separately: the same table works everywhere"},
	{"*", "config/settings", "internal/server and the commands read the settings, and pass each package its values"},
	{"config/yamldoc", "*", "it decodes into whatever types it is given, and opens nothing"},
	{"*", "config/yamldoc", "only readers of a table know its syntax; all others get a Config"},
	{"config/textfile", "*", "it reads a file for any purpose"},
	{"config/value", "*", "one value is read by itself, without its key, its file or its table"},
	{"*", "config/value", "a Config holds values that were read and validated"},
	{"ops", "config/textfile", "ops reads no files"},
	{"config/watch", "config/...", "it watches any files, also certificates and keys"},
	{"config/...", "*", "a configuration is read and checked without touching anything live, so config imports nothing of ours"},
	{"store", "*", "both databases have one contract about users only: no routes, no tokens, no settings"},
	{"*", "auth/account", "the endpoints are a handler like any other: internal/server makes it, and the commands about users go by its rules for passwords"},
	{"auth/account", "auth/keys", "it signs through auth.Signer, and verifies through the Gate"},
	{"*", "auth/basic", "the Gateway alone asks for passwords; internal/server makes what checks them"},
	{"auth/basic", "*", "it compares the passwords of a file through account.Guard, without users, routes and settings"},
	{"auth/keys", "*", "whether a key fits a token does not depend on the user"},
	{"*", "auth/keys", "the Verifier alone asks which key has signed; internal/server makes the keys, and ops shows their state"},
	{"auth/...", "proxy/...", "identifying a caller does not depend on where the request goes"},
	{"auth/...", "config/textfile", "auth/keys and auth/basic read files, the others read none"},
	{"auth/...", "config/problem", "auth takes values that were validated: it has no problems to report"},
	{"*", "config/watch", "only internal/server starts and stops what runs in the background"},

	{"internal/hint", "*", "a hint may belong to any error"},
	{"*", "internal/hint", "hints are for the person who starts the process: commands print them, and the others return errors without hints"},
	{"internal/httperr", "*", "an error is a sentence, a status and a cause, for any package"},
	{"*", "internal/httperr", "only packages that answer requests have errors for clients"},
	{"*", "internal/demo", "only a command runs the demonstration"},
	{"internal/demo", "*", "it sets up what an operator would, and runs a gateway"},
	{"*", "internal/server", "only a command runs a gateway"},
	{"internal/server", "internal/...", "it answers no request by itself"},
	{"internal/server", "config/...", "it reads tables and settings, and knows nothing of how they are read"},
	{"internal/occurrence", "*", "it counts any events"},
	{"internal/secretkeys", "*", "it derives keys for any use"},
	{"*", "internal/secretkeys", "internal/server derives the keys, and gives each use its own"},
	{"*", "internal/occurrence", "only the gateway and its listener log what clients can repeat as often as they like"},
	{"internal/reqctx", "*", "it is a context for any request"},
	{"internal/descriptors", "*", "it divides a number and reads errors, for any connections"},
	{"*", "internal/descriptors", "only who opens connections, or has them opened, shares the descriptors of the process"},
	{"internal/timerwheel", "*", "it fires timers for any package"},
	{"*", "internal/timerwheel", "only proxy and its timer wait so often that the timers of package time are too slow"},
	{"*", "internal/reqctx", "only who reads requests or forwards them has contexts that end with them"},
	{"proxy/rewrite", "*", "one path becomes another, whoever asks and whatever carries the request"},
	{"*", "proxy/rewrite", "only who forwards a request changes its path, and what the answer says about paths"},
	{"proxy/clientip", "*", "a client is an address, read from a connection or from headers"},
	{"*", "proxy/http2conn", "it stands between a connection and net/http's server, and marks requests for proxy alone"},
	{"*", "proxy/http1", "it holds no code"},
	{"proxy/http1", "*", "it holds the documentation of the packages below it, and no code"},
	{"proxy/http1/server", "*", "it speaks HTTP/1.1 for any http.Handler, and knows nothing of routes and backends"},
	{"proxy/http1/transport", "*", "it is a RoundTripper for any backend, and knows nothing of routes, clients and policies"},
	{"proxy/http1/socket", "*", "it holds the raw system calls alone, so that they can be reviewed alone"},
	{"proxy/headers", "*", "a header is changed by itself, with the facts of a request and without its way"},
	{"proxy/deadline", "*", "it ends any request of HTTP/2, whatever the request is for"},
	{"proxy/http2conn", "*", "it reads the frames of a connection, whatever is asked on it"},
	{"proxy/idletimer", "*", "it measures silence of any connection"},
	{"proxy/listener", "*", "it knows connections and their limits, not what the requests on them ask for"},
	{"proxy/route", "*", "a request is matched by itself, without proxies, gates and metrics"},
	{"proxy/stream", "*", "it copies bytes and frames, without identities and policies"},
	{"proxy/target", "*", "an answer of the table knows its own values, without routes, callers and policies"},
	{"proxy/upstream", "*", "it connects to backends, without clients and requests"},
	{"proxy/http1/wire", "*", "bytes become the parts of a message and back, without connections and without meaning"},
	{"proxy/explain", "store", "a question is answered from a table; who asks decides whether the store is asked too"},
	{"proxy/explain", "proxy/...", "it puts into words what a Table decides, and knows no other part of it"},
	{"proxy/explain", "internal/...", "it asks a table, and runs nothing"},
	{"proxy/explain", "config/...", "it compares values that were validated"},
	{"*", "proxy/explain", "questions are put to a table by the commands, by ops and before a reload; nothing that serves asks them"},
	{"proxy", "config/problem", "a table that was validated has no problems"},
	{"proxy/compress", "*", "it changes an answer as it is written, wherever that comes from"},
	{"*", "proxy/compress", "proxy puts it between the answer and its target, and neither knows of it"},
	{"proxy/cors", "*", "it compares origins and methods, without routes"},
	{"proxy/backend", "*", "which server gets a request depends on the servers alone, whoever asks and whatever carries the request"},
	{"*", "proxy/backend", "only who forwards a request chooses a server, and who compiles a table makes its backends"},
	{"proxy/forward", "proxy/cors", "what it says of answers is set by the gateway; a backend's is removed by its header policy"},
	{"proxy/forward", "config/...", "it takes values that were validated, and reads no files"},
	{"proxy/forward", "store", "a request is forwarded without a database read"},
	{"proxy/forward", "proxy/deadline", "it sets deadlines through http.ResponseController"},
	{"proxy/forward", "proxy/listener", "what a request comes through is chosen by internal/server"},
	{"proxy/forward", "proxy", "what forwards a request does not know how it got there"},
	{"proxy/forward", "proxy/target", "what the table answers by itself is not forwarded"},
	{"proxy/forward", "proxy/http1/...", "what a request comes through is chosen by internal/server; messages are written by the transport"},
	{"proxy", "proxy/http1/transport", "a transport is chosen by proxy/upstream and used by proxy/forward"},
	{"proxy", "proxy/idletimer", "how long the other side may be silent is known where a request is forwarded"},
	{"proxy", "proxy/stream", "upgraded connections are begun by proxy/forward, and ended through it"},
	{"proxy", "config/textfile", "proxy reads no files; the certificates for backends are read by proxy/upstream"},
	{"proxy", "store", "a request is forwarded without a database read; proxy asks auth"},
	{"proxy", "proxy/http1/server", "a Gateway is an http.Handler: whatever server it stands behind is chosen by cmd"},
	{"proxy", "proxy/http1/socket", "proxy/listener and the transports read and write sockets"},
	{"proxy", "proxy/http1/wire", "messages are read and written by the server in front and the transport behind, never between"},
	{"ops", "proxy/...", "ops asks a Gateway and the listener in front of it, never their parts"},
	{"cmd", "proxy/...", "proxy puts its parts together; internal/server starts what comes out"},
	{"internal/server", "proxy/...", "proxy puts its parts together; internal/server starts what comes out, and makes the pool that outlives tables"},
}

func reason(from, to string) string {
	for _, e := range why {
		if fits(e.from, from) && fits(e.to, to) {
			return e.reason
		}
	}
	return "it is not in the table of imports_test.go"
}

// fits reports whether a pattern of an edge covers a row of the table.
func fits(pattern, row string) bool {
	above, all := strings.CutSuffix(pattern, "/...")
	return pattern == "*" || above == row || all && strings.HasPrefix(row, above+"/")
}

// leftAlone lists what production code must not import, and what to use instead.
var leftAlone = map[string]string{
	"io/ioutil":         "use io and os",
	"log":               "use log/slog, with a logger that arrives as an argument; log.Fatal skips every defer",
	"math/rand":         "use crypto/rand for what must not be guessed, math/rand/v2 for jitter",
	"net/http/httptest": "it is for tests, and registers a flag in the program that imports it",
	"testing":           "it is for tests, and for the testkit and the packages named *test that serve them",
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

// row returns the row of the table that a package belongs to: its own, or that of the nearest folder above it that
// has one. A package without any returns its folder.
func row(dir string) string {
	for above := dir; above != "."; above = path.Dir(above) {
		if _, named := house[above]; named {
			return above
		}
	}
	return folder(dir)
}

// serves reports whether a package is there for tests: it is the testkit, or its name ends in "test", as storetest's
// does.
func serves(dir string) bool { return dir == testkit || strings.HasSuffix(dir, "test") }

func (f file) dir() string { return path.Dir(f.name) }

// forTests reports whether a file is left out of the program that is shipped.
func (f file) forTests() bool { return strings.HasSuffix(f.name, "_test.go") || serves(f.dir()) }

// imports checks a file's imports against the table.
func (f file) imports() []breach {
	var found []breach
	from := row(f.dir())
	if _, named := house[from]; !named && from != "." {
		found = append(found, breach{f.ast.Package, from + " is not a folder of the house: name it in the table of imports_test.go"})
	}
	may := f.may(from)
	for _, spec := range f.ast.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // not a Go file that would compile
		}
		if imported != module && !strings.HasPrefix(imported, module+"/") {
			continue
		}
		dir := strings.TrimPrefix(strings.TrimPrefix(imported, module), "/")
		to := row(path.Clean(dir)) // the module's own path is "."
		switch {
		case from != to && !slices.Contains(may, to):
			found = append(found, breach{spec.Pos(), fmt.Sprintf("%s must not import %s: %s", from, imported, reason(from, to))})
		case serves(dir) && !f.forTests():
			found = append(found, breach{spec.Pos(), fmt.Sprintf("production code must not import %s: it is there for tests", imported)})
		}
	}
	return found
}

// may returns the rows that a file may import. Tests may import what their package reaches through others too, and
// the *test packages there: a test of proxy needs users to authenticate. They may not look upwards, where a cycle
// would wait. All tests may import the testkit, also those outside the house.
func (f file) may(from string) []string {
	if !f.forTests() {
		return house[from]
	}
	may := append(reach(from), testkit)
	for _, e := range testsAlso {
		if e.from == from {
			may = append(may, e.to)
		}
	}
	return may
}

// reach returns what a package may import, and what those may, and so on. Tests at the root are about the whole
// house.
func reach(from string) []string {
	reached := map[string]bool{}
	var add func([]string)
	add = func(rows []string) {
		for _, to := range rows {
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
		{"store imports config", "store/x.go", `import "gatehouse/config"`, "one contract about users only"},
		{"a package below store imports config", "store/sqlite/x.go", `import "gatehouse/config"`, "one contract about users only"},
		{"auth imports proxy", "auth/x.go", `import "gatehouse/proxy"`, "does not depend on where the request goes"},
		{"auth imports ops", "auth/x.go", `import "gatehouse/ops"`, "they do not know ops"},
		{"proxy imports store", "proxy/x.go", `import "gatehouse/store"`, "without a database read"},
		{"proxy imports ops under another name", "proxy/x.go", `import metrics "gatehouse/ops"`, "accept a func or an interface"},
		{"proxy imports ops for its effects", "proxy/x.go", `import _ "gatehouse/ops"`, "accept a func or an interface"},
		{"ops imports cmd", "ops/x.go", `import "gatehouse/cmd/gatehouse"`, "cmd only connects packages"},
		{"a test imports cmd", "proxy/x_test.go", `import "gatehouse/cmd/gatehouse"`, "cmd only connects packages"},
		{"auth imports the root", "auth/x.go", `import "gatehouse"`, "the root holds documents"},
		{"the root imports config", "x.go", `import "gatehouse/config"`, "the root holds documents"},
		{"an example imports config", "examples/echo/main.go", `import "gatehouse/config"`, "without our source"},
		{"a folder nobody named", "util/x.go", ``, "util is not a folder of the house"},
		{"production code imports storetest", "cmd/gatehouse/x.go", `import "gatehouse/store/storetest"`, "it is there for tests"},
		{"the same folder's production code imports storetest", "store/x.go", `import "gatehouse/store/storetest"`, "it is there for tests"},
		{"production code imports the testkit", "proxy/x.go", `import "gatehouse/internal/testkit"`, "proxy must not import gatehouse/internal/testkit: it waits, connects and listens as only a test may"},
		{"production code beside the testkit imports it", "internal/server/x.go", `import "gatehouse/internal/testkit"`, "as only a test may"},
		{"the testkit imports a package", "internal/testkit/x.go", `import "gatehouse/config"`, "it serves the tests of every package, so it knows none of them"},
		{"a test of the testkit imports a package", "internal/testkit/x_test.go", `import "gatehouse/internal/hint"`, "it knows none of them"},
		{"a testkit elsewhere", "proxy/testkit/x.go", `import "testing"`, "it is for tests"},
		{"a test of config looks upwards", "config/x_test.go", `import "gatehouse/proxy"`, "config must not import gatehouse/proxy"},
		{"storetest looks upwards", "store/storetest/x.go", `import "gatehouse/auth"`, "store must not import gatehouse/auth"},
		{"proxy imports what only the server in front may", "proxy/x.go", `import "gatehouse/proxy/http1/wire"`, "never between"},
		{"a package with a row imports the one above it", "proxy/http1/transport/x.go", `import "gatehouse/proxy"`, "proxy/http1/transport must not import gatehouse/proxy: it is a RoundTripper for any backend"},
		{"a package below one with a row", "proxy/http1/transport/pool/x.go", `import "gatehouse/config"`, "proxy/http1/transport must not import gatehouse/config"},
		{"another folder imports a package with a row", "auth/x.go", `import "gatehouse/config/watch"`, "only internal/server starts and stops"},
		{"another folder imports below a package with a row", "ops/x.go", `import "gatehouse/proxy/http1/transport/pool"`, "ops asks a Gateway"},
		{"a test of a package with a row looks upwards", "proxy/http1/wire/x_test.go", `import "gatehouse/proxy"`, "proxy/http1/wire must not import gatehouse/proxy"},
		{"a folder whose name begins like a row", "configs/x.go", ``, "configs is not a folder of the house"},
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
		{"a package imports one with a row", "proxy/http1/transport/x.go", `import ("gatehouse/proxy/http1/socket"; "gatehouse/proxy/http1/wire")`, ""},
		{"a package without a row imports its own folder", "proxy/other/x.go", `import "gatehouse/proxy"`, ""},
		{"a test imports what its package does not", "proxy/x_test.go", `import "gatehouse/proxy/http1/server"`, ""},
		{"a test reaches a package with a row", "proxy/x_test.go", `import "gatehouse/proxy/http1/wire"`, ""},
		{"a test of auth uses storetest", "auth/x_test.go", `import "gatehouse/store/storetest"`, ""},
		{"a test of proxy reaches store through auth", "proxy/x_test.go", `import "gatehouse/store"`, ""},
		{"a test at the root is about the whole", "x_test.go", `import "gatehouse/ops"`, ""},
		{"a test exits and logs", "store/x_test.go", `import ("log"; "os"); func init() { os.Exit(1); log.Print() }`, ""},
		{"a test imports the testkit", "config/watch/x_test.go", `import "gatehouse/internal/testkit"`, ""},
		{"storetest imports the testkit", "store/storetest/x.go", `import "gatehouse/internal/testkit"`, ""},
		{"a test outside the house imports the testkit", "deploy/x_test.go", `import "gatehouse/internal/testkit"`, ""},
		{"the testkit imports testing", "internal/testkit/x.go", `import ("testing"; "net/http/httptest")`, ""},
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

// TestImportRuleGivesReasons checks that no edge is forbidden without saying why.
func TestImportRuleGivesReasons(t *testing.T) {
	for from, may := range house {
		for to := range house {
			if from != to && !slices.Contains(may, to) && strings.Contains(reason(from, to), "not in the table") {
				t.Errorf("%s → %s is forbidden without a reason", from, to)
			}
		}
	}
}

// TestImportTableIsTrue checks that the table names packages that are there, and nothing twice.
func TestImportTableIsTrue(t *testing.T) {
	for from, may := range house {
		if info, err := os.Stat(from); err != nil || !info.IsDir() {
			t.Errorf("%s has a row and is not there", from)
		}
		for i, to := range may {
			if _, named := house[to]; !named || to == from || slices.Contains(may[:i], to) {
				t.Errorf("%s → %s: not another row, or there twice", from, to)
			}
		}
	}
	for _, e := range testsAlso {
		if slices.Contains(reach(e.from), e.to) {
			t.Errorf("tests of %s reach %s without being allowed to by name", e.from, e.to)
		}
	}
}

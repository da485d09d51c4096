package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// writeFiles writes files below a folder.
func writeFiles(t *testing.T, folder string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		testkit.WriteFile(t, path, content)
	}
}

// openRoute is a file with one open route, /NAME.
func openRoute(name, backend string) string {
	return "routes: [{name: " + name + ", prefix: /" + name + ", backend: '" + backend + "', auth: none}]\n"
}

// TestReloadsIncludedFiles edits, adds, breaks and removes files that the table
// of a running gateway includes.
func TestReloadsIncludedFiles(t *testing.T) {
	t.Parallel()
	first, second := reportingBackend(t, "first"), reportingBackend(t, "second")
	folder := t.TempDir()
	writeFiles(t, folder, map[string]string{
		"routes.yaml":          "users: off\ninclude: [routes.d/*.yaml]\nroutes: [{name: site, prefix: /, respond: {status: 204}, auth: none}]\n",
		"routes.d/a.yaml":      openRoute("a", first),
		"routes.d/b/page.html": "not included",
	})
	gateway := startProcess(t, filepath.Join(folder, "routes.yaml"), nil)
	answers := func(path, want string) func() bool {
		return func() bool { return strings.HasPrefix(do(t, request{url: gateway.url + path}).body, want) }
	}
	hash := func() string {
		_, after, _ := strings.Cut(do(t, request{url: gateway.operators + "/metrics"}).body, "gatehouse_config_info{hash=")
		named, _, _ := strings.Cut(after, "}")
		return named
	}
	before := hash()
	if !answers("/a", "first ")() {
		t.Fatalf("the included route is not served:\n%s", gateway.log)
	}

	writeFiles(t, folder, map[string]string{"routes.d/a.yaml": openRoute("a", second)})
	testkit.Eventually(t, "the edit is served", answers("/a", "second "))
	if after := hash(); after == before || after == "" {
		t.Errorf("the hash has not changed: %s", after)
	}
	writeFiles(t, folder, map[string]string{"routes.d/b.yaml": openRoute("b", first)})
	testkit.Eventually(t, "the new file is served", answers("/b", "first "))

	// One bad file refuses the whole reload, also the good edit beside it.
	writeFiles(t, folder, map[string]string{
		"routes.d/a.yaml": openRoute("a", first),
		"routes.d/c.yaml": "routes: [{name: b, prefix: /c, backend: 'http://c'}]\n",
	})
	testkit.Eventually(t, "the log names both places", func() bool {
		return gateway.log.Contains("routes.d/c.yaml:1:17: route \\\"b\\\": the name is taken (first used at " + filepath.Join(folder, "routes.d", "b.yaml") + ":1)")
	})
	if !answers("/a", "second ")() {
		t.Error("a part of a refused table is served")
	}
	writeFiles(t, folder, map[string]string{"routes.d/c.yaml": openRoute("c", first)})
	testkit.Eventually(t, "the mended file is served", answers("/c", "first "))
	testkit.Eventually(t, "the edit beside it is served", answers("/a", "first "))

	if err := os.Remove(filepath.Join(folder, "routes.d", "b.yaml")); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the removed file is served no more", func() bool {
		return do(t, request{url: gateway.url + "/b"}).status == http.StatusNoContent
	})

	// The folder vanishes: its routes stay.
	if err := os.Rename(filepath.Join(folder, "routes.d"), filepath.Join(folder, "away")); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the log says that nothing matches", func() bool {
		return gateway.log.Contains(`include \"routes.d/*.yaml\" matches no file`)
	})
	if !answers("/a", "first ")() {
		t.Error("the routes went with the folder")
	}
	writeFiles(t, folder, map[string]string{"away/a.yaml": openRoute("a", second)})
	if err := os.Rename(filepath.Join(folder, "away"), filepath.Join(folder, "routes.d")); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the returned folder is served", answers("/a", "second "))
}

// TestReloadsPartOfIncludedFile uses a writer that dies in the middle of an
// included file. What the rest protects stays protected.
func TestReloadsPartOfIncludedFile(t *testing.T) {
	t.Parallel()
	head, tail := partTable(reportingBackend(t, "backend"))
	head = strings.TrimPrefix(head, "users: off\n")
	folder := t.TempDir()
	writeFiles(t, folder, map[string]string{"routes.yaml": "users: off\ninclude: [a.yaml]\n", "a.yaml": head + tail})
	gateway := startProcess(t, filepath.Join(folder, "routes.yaml"), nil)
	writeFiles(t, folder, map[string]string{"a.yaml": head})
	testkit.Eventually(t, "the part is refused", func() bool {
		return gateway.log.Contains(filepath.Join(folder, "a.yaml") + ": the file holds only the beginning")
	})
	if got := do(t, request{url: gateway.url + "/adm"}).status; got != http.StatusMethodNotAllowed {
		t.Errorf("the rest of the file is not missed: %d", got)
	}
}

// TestReloadsConfigMapWithSeveralKeys replaces all files of a table at once, as
// the kubelet does with a ConfigMap: the table and its parts are links through
// one folder. A second ConfigMap is mounted in a folder below.
func TestReloadsConfigMapWithSeveralKeys(t *testing.T) {
	t.Parallel()
	first, second := reportingBackend(t, "first"), reportingBackend(t, "second")
	mount := t.TempDir()
	link := func(target, path string) {
		t.Helper()
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
	}
	// swap writes the files of a volume, and adds and removes the links to them, in the
	// order of the kubelet.
	swap := func(volume, dated string, files map[string]string) {
		t.Helper()
		writeFiles(t, filepath.Join(volume, dated), files)
		link(dated, filepath.Join(volume, "..data_tmp"))
		if err := os.Rename(filepath.Join(volume, "..data_tmp"), filepath.Join(volume, "..data")); err != nil {
			t.Fatal(err)
		}
		for name := range files {
			if _, err := os.Lstat(filepath.Join(volume, name)); err != nil {
				link(filepath.Join("..data", name), filepath.Join(volume, name))
			}
		}
		links, err := filepath.Glob(filepath.Join(volume, "*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range links {
			if files[filepath.Base(path)] == "" {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	const main = "users: off\ninclude: [\"*.yaml\", {files: team/*.yaml, prefix: /team}]\n"
	team := filepath.Join(mount, "team")
	swap(mount, "..1", map[string]string{"routes.yaml": main, "a.yaml": openRoute("a", first), "b.yaml": openRoute("b", first)})
	swap(team, "..1", map[string]string{"routes.yaml": openRoute("team", first)})
	gateway := startProcess(t, filepath.Join(mount, "routes.yaml"), nil)
	status := func(path string, want int) func() bool {
		return func() bool { return do(t, request{url: gateway.url + path}).status == want }
	}
	body := func(path, want string) func() bool {
		return func() bool { return strings.HasPrefix(do(t, request{url: gateway.url + path}).body, want) }
	}
	if !body("/team", "first ")() {
		t.Fatalf("the table is not served:\n%s", gateway.log)
	}

	// One key changes, one goes, one comes.
	swap(mount, "..2", map[string]string{"routes.yaml": main, "a.yaml": openRoute("a", second), "c.yaml": openRoute("c", second)})
	testkit.Eventually(t, "the changed key is served", body("/a", "second "))
	testkit.Eventually(t, "the new key is served", body("/c", "second "))
	testkit.Eventually(t, "the key that is gone is not", status("/b", http.StatusNotFound))
	swap(team, "..2", map[string]string{"routes.yaml": openRoute("team", second)})
	testkit.Eventually(t, "the second volume is served", body("/team", "second "))
	swap(team, "..3", map[string]string{"routes.yaml": openRoute("a", second)})
	testkit.Eventually(t, "the team does not leave its prefix", func() bool {
		return gateway.log.Contains("team/routes.yaml:1:28: route \\\"a\\\": prefix \\\"/a\\\": is outside /team, to which " + filepath.Join(mount, "routes.yaml") + ":2 confines this file")
	})
}

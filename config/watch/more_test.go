// Tests of groups whose files come and go.

package watch_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"gatehouse/config/watch"
	"gatehouse/internal/testkit"
)

// replace replaces a file in one step, which is one edit.
func replace(t *testing.T, path, content string) {
	t.Helper()
	next := filepath.Join(t.TempDir(), "next")
	write(t, next, content)
	must(t, os.Rename(next, path))
}

// TestWatchFolder wants every file that appears in a folder, changes or goes
// away to be noticed, without polling. The folder itself may appear later.
func TestWatchFolder(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	folder := filepath.Join(root, "routes.d")
	must(t, os.Mkdir(folder, 0o700))
	table := filepath.Join(root, "routes.yaml")
	write(t, table, "table")
	write(t, filepath.Join(folder, "a.yaml"), "a")

	told, log := make(chan struct{}, 100), new(testkit.Log)
	files := watch.New(watch.Options{Settle: settle, Poll: never, Log: slog.New(slog.NewTextHandler(log, nil))})
	var failing atomic.Bool
	more := func() (found, folders []string) {
		found, _ = filepath.Glob(filepath.Join(folder, "*.yaml"))
		return found, []string{folder}
	}
	files.Follow(watch.Group{
		Name: "table", Paths: []string{table}, More: more, Logs: true,
		Read: map[string]string{table: watch.Hash([]byte("table"))}, // a.yaml has appeared since: the first call
		Apply: func(context.Context) error {
			told <- struct{}{}
			if failing.Load() {
				return os.ErrInvalid
			}
			return nil
		},
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		files.Run(t.Context())
	}()
	t.Cleanup(func() { <-ended })
	await := func(what string) {
		t.Helper()
		testkit.Receive(t, what, told)
	}
	await("a file that was not read yet")

	b := filepath.Join(folder, "b.yaml")
	replace(t, b, "b")
	await("a new file")
	replace(t, b, "b2")
	await("its edit")
	must(t, os.Remove(b))
	await("its removal")

	// A link that leads nowhere is a file that cannot be read; without the link,
	// the group can be applied again.
	failing.Store(true)
	must(t, os.Symlink("nowhere", b))
	await("a link that leads nowhere")
	failing.Store(false)
	must(t, os.Remove(b))
	await("the removal of the link")
	replace(t, table, "table 2")
	await("an edit of the table")
}

// TestWatchFolderAppears wants a folder noticed that is made later, and one that is a link
// to another folder later, without polling. The table has a relative path, as in most
// settings.
func TestWatchFolderAppears(t *testing.T) {
	root := t.TempDir()
	t.Chdir(root)
	write(t, "routes.yaml", "table")
	told := make(chan struct{}, 100)
	files := watch.New(watch.Options{Settle: settle, Poll: never, Log: slog.New(slog.DiscardHandler)})
	files.Follow(watch.Group{
		Name: "table", Paths: []string{"routes.yaml"}, Logs: true,
		More: func() (found, folders []string) {
			found, _ = filepath.Glob("routes.d/*.yaml")
			return found, []string{"routes.d"}
		},
		Read:  map[string]string{"routes.yaml": "another"}, // the first call
		Apply: func(context.Context) error { told <- struct{}{}; return nil },
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		files.Run(t.Context())
	}()
	t.Cleanup(func() { <-ended })
	testkit.Receive(t, "the first call", told)
	for _, name := range []string{"one", "two"} {
		must(t, os.Mkdir(name, 0o700))
		write(t, name+"/a.yaml", name)
		must(t, os.Symlink(name, "next"))
		must(t, os.Rename("next", "routes.d"))
		testkit.Receive(t, "the folder "+name, told)
	}
	must(t, os.Remove("routes.d"))
	testkit.Receive(t, "the removal of the folder", told)
	must(t, os.Rename("two", "routes.d"))
	testkit.Receive(t, "a folder in its place", told)
}

// TestWatchFolderFollowedAgain follows a group again with what was read since.
func TestWatchFolderFollowedAgain(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	known, fresh, stale := filepath.Join(folder, "known"), filepath.Join(folder, "fresh"), filepath.Join(folder, "stale")
	for _, path := range []string{known, fresh, stale} {
		write(t, path, path)
	}
	calls := make(chan struct{}, 100)
	files := watch.New(watch.Options{Settle: settle, Poll: never, Log: slog.New(slog.DiscardHandler)})
	list := []string{known}
	group := watch.Group{
		Name: "table", Paths: []string{known}, More: func() ([]string, []string) { return slices.Clone(list), []string{folder} }, Logs: true,
		Read:  map[string]string{known: watch.Hash([]byte(known))},
		Apply: func(context.Context) error { calls <- struct{}{}; return nil },
	}
	files.Follow(group)
	list = append(list, fresh, stale)
	group.Read = map[string]string{known: watch.Hash([]byte(known)), fresh: watch.Hash([]byte(fresh)), stale: watch.Hash([]byte("before"))}
	files.Follow(group)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		files.Run(t.Context())
	}()
	t.Cleanup(func() { <-ended })
	testkit.Receive(t, "the call for what changed since it was read", calls)
	replace(t, known, "edit")
	testkit.Receive(t, "the edit", calls)
}

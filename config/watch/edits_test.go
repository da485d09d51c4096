package watch_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gatehouse/config/watch"
	"gatehouse/internal/testkit"
)

// edits are told of one file, whole or not.
type edits struct {
	told chan struct{}
	log  *testkit.Log
}

// followEdits follows one file until the test ends, from its first look on.
func followEdits(t *testing.T, path string, settle, poll time.Duration) edits {
	t.Helper()
	e := edits{make(chan struct{}, 100), new(testkit.Log)}
	files := watch.New(watch.Options{Settle: settle, Poll: poll, Log: slog.New(slog.NewTextHandler(e.log, nil))})
	files.Follow(watch.Group{Name: "file", Paths: []string{path}, Logs: true, Apply: func(context.Context) error {
		e.told <- struct{}{}
		return nil
	}})
	files.Applied("file", path, "") // nobody's hash: the first look tells, and so that the watches stand
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		files.Run(t.Context())
	}()
	t.Cleanup(func() {
		<-ended
		if e.log.Contains("found by polling only") {
			t.Error("the system gave no watches")
		}
	})
	e.await(t, "the first look")
	return e
}

func (e edits) await(t *testing.T, what string) {
	t.Helper()
	testkit.Receive(t, what, e.told)
}

// settle is short, for edits that are told one by one.
const settle = 20 * time.Millisecond

func TestWatchEdits(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		edit func(t *testing.T, path string)
	}{
		"in place": {func(t *testing.T, path string) { write(t, path, "two") }},
		"truncated and written in pieces": {func(t *testing.T, path string) {
			file, err := os.OpenFile(path, os.O_TRUNC|os.O_WRONLY, 0)
			must(t, err)
			for range 50 {
				_, err = file.WriteString("piece\n")
				must(t, err)
			}
			must(t, file.Close())
		}},
		"renamed over": {func(t *testing.T, path string) {
			write(t, path+".new", "two")
			must(t, os.Rename(path+".new", path))
		}},
		"moved away and written anew, as vim does": {func(t *testing.T, path string) {
			must(t, os.Rename(path, path+"~"))
			write(t, path, "two")
		}},
		"removed": {func(t *testing.T, path string) { must(t, os.Remove(path)) }},
		"unreadable for its kind": {func(t *testing.T, path string) {
			must(t, os.Remove(path))
			must(t, os.Mkdir(path, 0o700))
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "routes.yaml")
			write(t, path, "one")
			file := followEdits(t, path, settle, never)
			test.edit(t, path)
			file.await(t, name)
		})
	}
}

// TestWatchGoesOn wants the second edit noticed as the first: a rename-over
// replaces what was watched.
func TestWatchGoesOn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "routes.yaml")
	write(t, path, "0")
	file := followEdits(t, path, settle, never)
	for _, content := range []string{"1", "2", "3"} {
		write(t, path+".new", content)
		must(t, os.Rename(path+".new", path))
		file.await(t, "rename "+content)
	}
	must(t, os.Remove(path))
	file.await(t, "removal")
	write(t, path, "4")
	file.await(t, "return")
	write(t, path, "5")
	file.await(t, "edit after return")
}

// TestWatchConfigMap swaps a folder as the kubelet does: the file is a link
// through ..data, which is a link to a dated folder, replaced by rename.
func TestWatchConfigMap(t *testing.T) {
	t.Parallel()
	mount := t.TempDir()
	swap := func(dated, content string) {
		must(t, os.Mkdir(filepath.Join(mount, dated), 0o700))
		write(t, filepath.Join(mount, dated, "routes.yaml"), content)
		must(t, os.Symlink(dated, filepath.Join(mount, "..data_tmp")))
		must(t, os.Rename(filepath.Join(mount, "..data_tmp"), filepath.Join(mount, "..data")))
	}
	swap("..2026_01_01", "one")
	path := filepath.Join(mount, "routes.yaml")
	must(t, os.Symlink(filepath.Join("..data", "routes.yaml"), path))
	file := followEdits(t, path, settle, never)

	for _, next := range []string{"..2026_01_02", "..2026_01_03"} {
		swap(next, next)
		file.await(t, "swap to "+next)
	}
	must(t, os.RemoveAll(filepath.Join(mount, "..2026_01_01"))) // the kubelet cleans up
	swap("..2026_01_04", "four")
	file.await(t, "swap after the clean-up")
}

// TestWatchPolls edits where no watch reaches: the folder vanishes and comes
// back, with everything that was watched in it gone.
func TestWatchPolls(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "config")
	path := filepath.Join(folder, "routes.yaml")
	must(t, os.Mkdir(folder, 0o700))
	write(t, path, "one")
	file := followEdits(t, path, settle, 20*time.Millisecond)
	must(t, os.RemoveAll(folder))
	file.await(t, "the folder has vanished")
	must(t, os.Mkdir(folder, 0o700))
	write(t, path, "two")
	file.await(t, "the folder has returned")
	write(t, path, "three")
	file.await(t, "an edit in the new folder")
}

// TestWatchBurst wants one word for many writes.
func TestWatchBurst(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "routes.yaml")
	write(t, path, "start")
	// The writer may pause for so long when the machine is busy.
	file := followEdits(t, path, 2*time.Second, never)
	for range 100 {
		write(t, path, "more")
		write(t, path, "even more")
	}
	file.await(t, "the burst")
	// What would be told twice would be told before the next edit is.
	write(t, path, "after")
	file.await(t, "the edit after the burst")
	if len(file.told) != 0 {
		t.Errorf("told %d times too many", len(file.told))
	}
}

// TestWatchSameContent says nothing of a file that was touched.
func TestWatchSameContent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "routes.yaml")
	write(t, path, "one")
	file := followEdits(t, path, settle, never)
	same, err := os.OpenFile(path, os.O_WRONLY, 0) // what truncates it shows an empty file for a moment
	must(t, err)
	_, err = same.WriteString("one")
	must(t, err)
	must(t, same.Close())
	must(t, os.Chtimes(path, time.Now(), time.Now()))
	testkit.ReplaceFile(t, path, "two")
	file.await(t, "the edit")
	if len(file.told) != 0 {
		t.Error("told of a file whose content did not change")
	}
}

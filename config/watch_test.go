package config_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"gatehouse/config"
)

// watchPatience is how long an edit may take to be noticed; nothing sleeps.
const watchPatience = 20 * time.Second

// watched runs a Watch over a file and gives the channel that it tells on.
func watched(t *testing.T, path string, poll time.Duration) <-chan struct{} {
	t.Helper()
	told := make(chan struct{}, 100)
	done := make(chan error, 1)
	watch := config.Watch{Path: path, Settle: 20 * time.Millisecond, Poll: poll}
	// The empty hash is nobody's: the first look tells, and so that the watches stand.
	go func() { done <- watch.Run(t.Context(), "", func() { told <- struct{}{} }) }()
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	await(t, told, "the first look")
	return told
}

func await(t *testing.T, told <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-told:
	case <-time.After(watchPatience):
		t.Fatalf("not noticed in %v: %s", watchPatience, what)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// never is a poll that does not come: what is noticed is noticed by a watch.
const never = time.Hour

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
			told := watched(t, path, never)
			test.edit(t, path)
			await(t, told, name)
		})
	}
}

// TestWatchGoesOn wants the second edit noticed as the first: a rename-over
// replaces what was watched.
func TestWatchGoesOn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "routes.yaml")
	write(t, path, "0")
	told := watched(t, path, never)
	for _, content := range []string{"1", "2", "3"} {
		write(t, path+".new", content)
		must(t, os.Rename(path+".new", path))
		await(t, told, "rename "+content)
	}
	must(t, os.Remove(path))
	await(t, told, "removal")
	write(t, path, "4")
	await(t, told, "return")
	write(t, path, "5")
	await(t, told, "edit after return")
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
	told := watched(t, path, never)

	for _, next := range []string{"..2026_01_02", "..2026_01_03"} {
		swap(next, next)
		await(t, told, "swap to "+next)
	}
	must(t, os.RemoveAll(filepath.Join(mount, "..2026_01_01"))) // the kubelet cleans up
	swap("..2026_01_04", "four")
	await(t, told, "swap after the clean-up")
}

// TestWatchPolls edits where no watch reaches: the folder vanishes and comes
// back, with everything that was watched in it gone.
func TestWatchPolls(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "config")
	path := filepath.Join(folder, "routes.yaml")
	must(t, os.Mkdir(folder, 0o700))
	write(t, path, "one")
	told := watched(t, path, 20*time.Millisecond)
	must(t, os.RemoveAll(folder))
	await(t, told, "the folder has vanished")
	must(t, os.Mkdir(folder, 0o700))
	write(t, path, "two")
	await(t, told, "the folder has returned")
	write(t, path, "three")
	await(t, told, "an edit in the new folder")
}

// TestWatchBurst wants one word for many writes.
func TestWatchBurst(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "routes.yaml")
	write(t, path, "start")
	told := make(chan struct{}, 100)
	watch := config.Watch{Path: path, Settle: 300 * time.Millisecond, Poll: never}
	go func() { _ = watch.Run(t.Context(), "", func() { told <- struct{}{} }) }()
	await(t, told, "the first look")
	for range 100 {
		write(t, path, "more")
		write(t, path, "even more")
	}
	await(t, told, "the burst")
	// What would be told twice would be told before the next edit is.
	write(t, path, "after")
	await(t, told, "the edit after the burst")
	if len(told) != 0 {
		t.Errorf("told %d times too many", len(told))
	}
}

// TestWatchSameContent says nothing of a file that was touched.
func TestWatchSameContent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "routes.yaml")
	write(t, path, "one")
	told := watched(t, path, never)
	write(t, path, "one")
	must(t, os.Chtimes(path, time.Now(), time.Now()))
	write(t, path, "two")
	await(t, told, "the edit")
	if len(told) != 0 {
		t.Error("told of a file whose content did not change")
	}
}
